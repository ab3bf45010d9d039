// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/live"
)

// TestLimitReport: what a limit refused is in the report, by address and with
// its reason, in each mode; who only observes refuses nothing and tells nothing.
func TestLimitReport(t *testing.T) {
	for _, tt := range []struct {
		mode     policy.Mode
		accepted int // of three
		outcome  string
	}{{policy.Observe, 3, ""}, {policy.DryRun, 3, "skipped"}, {policy.Enforce, 1, "done"}} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			l := newLink(t)
			w := startWatch(t, l, live.Options{})
			accepted := accepting(t, l.b.listen(t, at(l.b.v4, 5060)), false)
			limiter := limits(t,
				row("callers", tt.mode.String(), "max_connections: 1", l.a.v4),
				row("called", tt.mode.String(), "connects_per_second: 0.01, burst: 1, direction: out", l.b.v6))
			var mine []attempt
			defer func() {
				for _, a := range mine {
					a.close()
				}
			}()
			refused := 0
			l.a.do(t, func() {
				for i := range 3 {
					a, err := newAttempt(l.a.v4, at(l.b.v4, 5060))
					if err != nil {
						t.Error(err)
						return
					}
					mine = append(mine, a)
					until(t, func() string { // one after the other
						if accepted.of(l.a.v4) == min(i+1, tt.accepted) {
							return ""
						}
						return "not accepted"
					})
					a, err = newAttempt(l.a.v6, at(l.b.v6, 5060))
					switch {
					case errors.Is(err, unix.ECONNREFUSED):
						refused++
					case err != nil:
						t.Error(err)
					default:
						mine = append(mine, a)
					}
				}
			})
			if refused != 3-tt.accepted {
				t.Errorf("connect() was refused %d times, want %d", refused, 3-tt.accepted)
			}
			var want []string
			if tt.outcome != "" {
				prefix := map[string]string{"skipped": "dry-run: "}[tt.outcome]
				want = []string{
					fmt.Sprintf("limit %v %s %v 2 %speer callers, limits: max_connections: 1 at a time", tt.mode, tt.outcome, l.a.v4, prefix),
					fmt.Sprintf("refuse %v %s %v 2 %speer called, limits: connects_per_second: 0.01, with a burst of 1", tt.mode, tt.outcome, l.b.v6, prefix),
				}
			}
			until(t, func() string {
				all, err := limiter.Refused()
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range all {
					w.Limited([]agent.Limited{agent.Limited(r)})
				}
				got := make(map[string]bool)
				for _, a := range w.Report().Actions {
					got[fmt.Sprintf("%s %s %s %s %d %s", a.Action, a.Mode, a.Outcome, a.Remote, a.Count, a.Reason)] = true
				}
				for _, line := range want {
					if !got[line] {
						return fmt.Sprintf("%v, want %q", got, line)
					}
				}
				if len(got) != len(want) {
					return fmt.Sprintf("%v, want %d lines", got, len(want))
				}
				return ""
			})
		})
	}
}
