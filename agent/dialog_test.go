// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Where both ends of a connection are on this host, each has its dialogs: the
// end of one does not take the other's.
func TestDialogsOfBothEnds(t *testing.T) {
	s := script.New()
	caller := s.TCP(event.Local, "127.0.0.1:40000", "127.0.0.1:5060").Open()
	called := s.TCP(event.Remote, "127.0.0.1:5060", "127.0.0.1:40000").Open()
	ask := func(m script.Msg) {
		caller.Out(m.String())
		called.In(m.String())
		m.To = "t1"
		called.Out(m.Reply(200).String())
		caller.In(m.Reply(200).String())
		s.Wait(time.Second)
	}
	ask(script.Msg{Method: "INVITE"})
	ask(script.Msg{Method: "BYE", CSeq: 2, To: "t1", Branch: "b2"})
	ask(script.Msg{Method: "OPTIONS", CallID: "next@example.com", Branch: "b3"})
	_, r := play(t, s)
	for _, c := range r.Connections {
		const want = "used again after a dialog on it had ended (1 ended)"
		if !slices.Contains(c.Class.Because, want) {
			t.Errorf("%s: because %q, want %q among it", c.Local, c.Class.Because, want)
		}
	}
}
