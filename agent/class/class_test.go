// SPDX-License-Identifier: Apache-2.0

package class

import (
	"slices"
	"testing"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// TestTLS is what only TLS allows: a way back that was agreed.
func TestTLS(t *testing.T) {
	options := message.Label{Method: sipparse.MethodOptions, CSeq: 1}
	back := message.Label{Method: sipparse.MethodMessage, CSeq: 2}
	alias := func(by event.Direction, used bool) *negotiate.State {
		return &negotiate.State{Alias: negotiate.Alias{By: by, From: options, Used: used, Back: back}}
	}
	one := Requests{N: 1, First: options}
	other := Requests{N: 1, First: back}
	for _, tt := range []struct {
		name    string
		e       Evidence
		class   Class
		because []string
	}{
		{"alias offered", Evidence{Initiator: event.Local, Sent: one, Negotiated: alias(event.Out, false)}, Bidirectional,
			[]string{"requests only sent by local (1 of 1)", "alias offered in Via of OPTIONS (CSeq 1), not used so far"}},
		{"alias used", Evidence{Initiator: event.Local, Sent: one, Received: other, Negotiated: alias(event.Out, true)}, Bidirectional,
			[]string{"requests sent by both sides (local 1, remote 1)", "alias offered in Via of OPTIONS (CSeq 1) and used by MESSAGE (CSeq 2)"}},
		{"alias of the acceptor", Evidence{Initiator: event.Remote, Received: one, Negotiated: alias(event.Out, false)}, Unidirectional,
			[]string{"requests only sent by remote (1 of 1)"}},
		{"by registration", Evidence{Initiator: event.Remote, Received: one, Sent: other,
			Registered: message.Label{Method: sipparse.MethodRegister, CSeq: 9}}, Bidirectional,
			[]string{"requests sent by both sides (local 1, remote 1)", "MESSAGE (CSeq 2) came back after REGISTER (CSeq 9), by registration (RFC 3261 section 26.3.2.1)"}},
		{"nothing visible", Evidence{Initiator: event.Local}, Undetermined, []string{"TLS: messages are not visible"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.e.Transport = event.TLS
			tt.e.Messages = tt.e.Sent.N + tt.e.Received.N
			if got := Of(&tt.e); got != tt.class {
				t.Errorf("%s, want %s", got, tt.class)
			}
			if got := Because(&tt.e); !slices.Equal(got, tt.because) {
				t.Errorf("because %q, want %q", got, tt.because)
			}
		})
	}
}
