// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestAnswerOnAnotherConnection: the response to a request whose connection is
// gone comes on a new one; it agrees, forms the dialog and nothing waits.
func TestAnswerOnAnotherConnection(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := script.New()
		a := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
		b := s.TCP(event.Remote, here, "198.51.100.7:41000").Open()
		invite := script.Msg{Method: "INVITE", Params: ";keep"}
		a.Out(invite.String())
		if closed {
			a.Close(event.Remote, event.FIN)
			s.Wait(10 * time.Second)
		}
		ok := invite.Reply(200)
		ok.Params = ";keep=30"
		b.In(ok.String())
		if !closed {
			a.Close(event.Remote, event.FIN)
		}
		c, r := play(t, s)
		id, _ := dialog.Of([]byte("call1@example.com"), []byte("f1"), []byte("t1"))
		want := a.Socket
		if closed {
			want = b.Socket
		}
		if g := c.dialogs.Find(id); g == nil || g.Conn.Socket != want {
			t.Errorf("closed %t: dialog %+v", closed, g)
		}
		first := r.Connections[0]
		if closed {
			if first.Close.PendingTransactions != 1 {
				t.Errorf("%d waited at the close", first.Close.PendingTransactions)
			}
			continue
		}
		if first.Close.PendingTransactions != 0 || first.Negotiated.Keep == nil || first.Negotiated.Keep.Agreed == nil || !*first.Negotiated.Keep.Agreed {
			t.Errorf("%+v %+v", first.Close, first.Negotiated.Keep)
		}
	}
}
