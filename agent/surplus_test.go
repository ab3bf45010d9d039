// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// holding is a policy of one row, whose connections are persistent.
func holding(m policy.Mode, most int) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Enforce: m, Class: policy.Persist, Persistent: policy.Persistent{MaxConnections: most}}}
	p.Compile()
	return p
}

// TestSurplusAfterAnotherPolicy: connections that were there when a policy came
// into force are closed as far as they are too many for it, the youngest first;
// those that are not, or not any more, are left alone.
func TestSurplusAfterAnotherPolicy(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policies []*policy.Policy
		ends     []int // connections that end by themselves after the last policy came
		want     []int // closed, of four
	}{
		{"from observe to enforce", []*policy.Policy{holding(policy.Observe, 2), holding(policy.Enforce, 2)}, nil, []int{2, 3}},
		{"by way of dry-run", []*policy.Policy{holding(policy.Observe, 2), holding(policy.DryRun, 2), holding(policy.Enforce, 2)}, nil, []int{2, 3}},
		{"fewer than before", []*policy.Policy{holding(policy.Enforce, 4), holding(policy.Enforce, 3)}, nil, []int{3}},
		{"no limit before", []*policy.Policy{holding(policy.Enforce, -1), holding(policy.Enforce, 3)}, nil, []int{3}},
		{"more than before", []*policy.Policy{holding(policy.DryRun, 1), holding(policy.Enforce, 4)}, nil, nil},
		{"no limit any more", []*policy.Policy{holding(policy.DryRun, 1), holding(policy.Enforce, -1)}, nil, nil},
		{"back to observe", []*policy.Policy{holding(policy.DryRun, 1), holding(policy.Observe, 1)}, nil, nil},
		{"older ones end", []*policy.Policy{holding(policy.Observe, 2), holding(policy.Enforce, 2)}, []int{0, 1}, nil},
		{"a younger one ends", []*policy.Policy{holding(policy.Observe, 2), holding(policy.Enforce, 2)}, []int{3}, []int{2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := New(Config{Started: script.Start, Policy: tt.policies[0]})
			var conns []*script.Conn
			for range 4 {
				conn := s.TCP(event.Remote, here, "198.51.100.7:40001").Open()
				exchange(conn, event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
				conns = append(conns, conn)
				drive(c, s, time.Second)
			}
			// The first one spoke last, and is the oldest nevertheless.
			exchange(conns[0], event.In, script.Msg{Method: "OPTIONS", Via: peerVia, CSeq: 2, Branch: "again"})
			for _, p := range tt.policies[1:] {
				drive(c, s, 40*time.Second)
				c.Wishes(s.Now)
				c.SetPolicy(p)
			}
			for _, i := range tt.ends {
				conns[i].FIN(event.In)
				conns[i].Close(event.Remote, event.FIN)
			}
			drive(c, s, 70*time.Second)
			var got []int
			for _, w := range c.Wishes(s.Now) {
				i := slices.IndexFunc(conns, func(conn *script.Conn) bool { return conn.Socket == w.Conn.Socket })
				if w.Action == rule.Close && !slices.Contains(got, i) {
					got = append(got, i)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("closed %v, want %v", got, tt.want)
			}
		})
	}
}
