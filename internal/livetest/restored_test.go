// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/live"
)

// TestRestoredIdle: what an earlier agent knew of a connection is taken up at
// the first scan, on any port, though nobody speaks; without it nobody could
// tell that the connection on the odd port carries SIP.
func TestRestoredIdle(t *testing.T) {
	for _, port := range []uint16{5060, 15093} {
		t.Run(fmt.Sprint(port), func(t *testing.T) {
			l := newLink(t)
			first := startWatch(t, l, live.Options{})
			listener := l.b.listen(t, at(l.b.v4, port))
			client := &reader{conn: l.a.dial(t, netip.AddrPort{}, at(l.b.v4, port))}
			server := &reader{conn: accept(t, listener)}
			ask(t, client, server)
			answer(t, server, client)
			var state *saved.State
			until(t, func() string {
				state = first.Save()
				heard := 0
				for _, c := range state.Connections {
					if m := c.Messages; l.a.has(c.Local.Addr()) && m.ResponsesReceived == 1 || l.b.has(c.Local.Addr()) && m.ResponsesSent == 1 {
						heard++
					}
				}
				if heard != 2 {
					return fmt.Sprintf("%d ends are saved with what was said", heard)
				}
				return ""
			})
			first.stop()
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}

			shown := func(w *watch) (n int) {
				for _, c := range w.report().Connections {
					if c.Messages.RequestsSent+c.Messages.RequestsReceived == 1 && c.Opened != nil {
						n++
					}
				}
				return n
			}
			next := startWatch(t, l, live.Options{Restore: state})
			until(t, func() string {
				if n := shown(next); n != 2 {
					return fmt.Sprintf("%d ends were taken up, want 2", n)
				}
				return ""
			})
			if saved := next.Save(); len(saved.Connections) < 2 {
				t.Errorf("the next save has %d connections", len(saved.Connections))
			}
		})
	}
}
