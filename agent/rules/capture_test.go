// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/flow"
)

// TestCaptures plays the same flows as capture files: the findings must be
// those that the events gave, and the connections too.
func TestCaptures(t *testing.T) {
	played, left := 0, 0
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			id := family.Rules[i].ID
			text, err := fs.ReadFile(family.Flows, path.Join("flows", id+".flow"))
			if err != nil {
				continue // TestFlows tells
			}
			file, err := flow.ParseFile(id, text)
			if err != nil {
				t.Fatal(err)
			}
			for n := range file.Sections {
				s := &file.Sections[n]
				if !s.Pcap() {
					left++
					continue
				}
				played++
				t.Run(fmt.Sprintf("%s/%s %s", id, s.Kind, s.Title), func(t *testing.T) { sameAsCapture(t, s) })
			}
		}
	}
	t.Logf("%d flows played, %d cannot be shown in a capture", played, left)
}

func sameAsCapture(t *testing.T, s *flow.Section) {
	direct := agent.New(agent.Config{Started: flow.Start, Profile: profile(t, s)})
	end := flow.Run(direct, s)
	var file bytes.Buffer
	if err := flow.WritePcap(&file, s); err != nil {
		t.Fatal(err)
	}
	captured := agent.New(agent.Config{Started: flow.Start, Profile: profile(t, s)})
	local := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}
	read, err := capture.Read(context.Background(), &file, track.Options{Local: local}, captured)
	if err != nil {
		t.Fatal(err)
	}
	if read.Cut != nil {
		t.Fatal(read.Cut)
	}
	want, got := lines(direct.Report(end)), lines(captured.Report(end))
	if want != got {
		t.Errorf("the capture gives\n%s\nthe events gave\n%s", got, want)
	}
}

// lines are what the two reports have in common: all but what only the kernel
// knows.
func lines(r *report.Report) string {
	var all []string
	ends := make(map[string]string)
	for i := range r.Connections {
		c := &r.Connections[i]
		ends[c.ID] = fmt.Sprintf("%s %s %s", c.Transport, c.Local, c.Remote)
		all = append(all, fmt.Sprintf("%s: by %s, %s because %q, %+v, keepalives %d/%d", ends[c.ID], c.Initiator, c.Class.Observed,
			c.Class.Because, c.Messages, c.Keepalives.PingsSent, c.Keepalives.PingsReceived))
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		all = append(all, fmt.Sprintf("%s by %s on %s, first %s, last %s", describe(f), f.Address, ends[f.Connection], f.Time, f.Last))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
