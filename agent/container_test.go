// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestContainer: it is in the report, rows are matched by each of its names, and
// what becomes known later counts from then on.
func TestContainer(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	unnamed := &event.Container{ID: id, PodUID: "0f3d6a1e"}
	named := &event.Container{ID: id, PodUID: "0f3d6a1e", Name: "sip", Pod: "proxy-0", Namespace: "voice"}
	for _, tt := range []struct {
		match         policy.Match
		first, second string // rows, while it has no name and then
	}{
		{policy.Match{Pod: []string{"0f3d*"}}, "row", "row"},
		{policy.Match{Pod: []string{"proxy-*"}}, "other", "row"},
		{policy.Match{Pod: []string{"voice/proxy-*"}}, "other", "row"},
		{policy.Match{Pod: []string{"data/proxy-*"}}, "other", "other"},
		{policy.Match{Container: []string{"0123456789ab*"}}, "row", "row"},
		{policy.Match{Container: []string{"SIP"}}, "other", "row"},
		{policy.Match{Container: []string{"SIP"}, Pod: []string{"other"}}, "other", "other"},
	} {
		p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}, Peers: []policy.Peer{{Name: "row", Match: tt.match}}}
		p.Compile()
		s := script.New()
		c := s.TCP(event.Remote, here, there)
		opened := c.Open().Event(event.Opened)
		opened.Container = unnamed
		udp := s.UDP(here, there)
		bound := udp.Event(event.Listening)
		bound.Container = unnamed
		s.Events = []event.Event{opened, bound}
		exchange(udp, event.In, script.Msg{Method: "OPTIONS"})
		core := New(Config{Started: script.Start, Policy: p})
		feed := func() (rows []string) {
			for i := range s.Events {
				core.Handle(&s.Events[i])
			}
			s.Events = nil
			r := core.Report(s.Now)
			for _, line := range r.Connections {
				rows = append(rows, line.Peer)
			}
			want := map[bool]string{
				true:  `{"id":"` + id + `","name":null,"pod_uid":"0f3d6a1e","pod":null,"namespace":null}`,
				false: `{"id":"` + id + `","name":"sip","pod_uid":"0f3d6a1e","pod":"proxy-0","namespace":"voice"}`,
			}[opened.Container == unnamed]
			equalJSON(t, r.Connections[0].Container, want)
			equalJSON(t, r.Connections[1].Container, want)
			return rows
		}
		if rows := feed(); len(rows) != 2 || rows[0] != tt.first || rows[1] != tt.first {
			t.Errorf("%+v: rows %v, want %s", tt.match, rows, tt.first)
		}
		opened.Container = named
		figures, flows := c.Event(event.Figures), udp.Event(event.Figures)
		figures.Container, flows.Container = named, named
		s.Events = []event.Event{figures, flows}
		exchange(udp, event.In, script.Msg{Method: "OPTIONS", Branch: "next"})
		if rows := feed(); rows[0] != tt.second || rows[1] != tt.second {
			t.Errorf("%+v: rows %v, want %s", tt.match, rows, tt.second)
		}
		s.Wait(time.Hour) // the flow ends by silence
		feed()
	}
}
