// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// A count that began before a datagram socket was made cannot have found it:
// its holder, told once, must not be forgotten.
func TestRecountLeavesYoungSocket(t *testing.T) {
	s := script.New()
	flow := s.UDP("192.0.2.1:5060", "192.0.2.2:5060")
	core := New(Config{})
	asked := s.Now
	s.Wait(time.Millisecond)
	holder := flow.Event(event.Owner)
	holder.Time = s.Now
	core.Handle(&holder)
	core.Recount(func(uint64) bool { return false }, asked)
	flow.Out(script.Msg{Method: "OPTIONS"}.String())
	for _, e := range s.Events {
		core.Handle(&e)
	}
	got := core.Report(s.Now).Connections[0].Process
	if got == nil || got.PID != flow.Owner.PID {
		t.Errorf("process %+v, want pid %d", got, flow.Owner.PID)
	}
	for range 2 {
		s.Wait(time.Second)
		core.Recount(func(uint64) bool { return false }, s.Now)
	}
	if left := core.Sizes().Sockets; left != 0 {
		t.Errorf("%d sockets left after a count that should have found them", left)
	}
}

// A server's first datagram comes in before anything tells who serves.
func TestHolderKnownAfterFirstDatagram(t *testing.T) {
	s := script.New()
	flow := s.UDP("192.0.2.1:5060", "192.0.2.2:5060")
	flow.In(script.Msg{Method: "OPTIONS"}.String())
	core, _ := play(t, s)
	holder := flow.Event(event.Listening)
	holder.Time = s.Now.Add(time.Second)
	core.Handle(&holder)
	got := core.Report(holder.Time).Connections[0].Process
	if got == nil || got.PID != flow.Owner.PID {
		t.Errorf("process %+v, want pid %d", got, flow.Owner.PID)
	}
}
