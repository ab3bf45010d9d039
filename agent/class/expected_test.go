// SPDX-License-Identifier: Apache-2.0

package class

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

func TestExpected(t *testing.T) {
	invite := message.Label{Method: sipparse.MethodInvite, CSeq: 1}
	register := message.Label{Method: sipparse.MethodRegister, CSeq: 1}
	offer := negotiate.Persistent{By: event.Out, Offer: negotiate.Offer{Label: invite, ViaFlag: true}, At: 1}
	with := func(change func(*negotiate.Persistent)) *negotiate.State {
		p := offer
		change(&p)
		return &negotiate.State{Persistent: p}
	}
	for _, tt := range []struct {
		name  string
		e     Evidence
		class Class
		why   string
	}{
		{"nothing said", Evidence{Messages: 0}, Undetermined, ""},
		{"failed", Evidence{Messages: 1, Failed: true}, Undetermined, ""},
		{"no offer", Evidence{Messages: 1}, Unidirectional, ""},
		{"no offer seen", Evidence{Messages: 1, MidLife: true}, Undetermined, ""},
		{"persistent offered", Evidence{Messages: 1, Negotiated: with(func(*negotiate.Persistent) {})}, Persistent,
			"Via of INVITE (CSeq 1) offers persistent: offered"},
		{"persistent offered by the acceptor", Evidence{Messages: 1, Initiator: event.Remote, Negotiated: with(func(*negotiate.Persistent) {})}, Unidirectional, ""},
		{"declined", Evidence{Messages: 1, Negotiated: with(func(p *negotiate.Persistent) { p.Declined = true })}, Unidirectional,
			"Via of INVITE (CSeq 1) offers persistent: declined"},
		{"countered", Evidence{Messages: 1, Negotiated: with(func(p *negotiate.Persistent) { p.Countered = true })}, Undetermined, ""},
		{"honoured by silence", Evidence{Messages: 1, End: event.Time(time.Hour), Negotiated: with(func(p *negotiate.Persistent) { p.Ended = 1 })}, Persistent,
			"Via of INVITE (CSeq 1) offers persistent: honoured"},
		{"outbound", Evidence{Messages: 1, Negotiated: &negotiate.State{Outbound: negotiate.Outbound{By: event.Out, Agreed: true, From: register}}}, Persistent,
			"REGISTER (CSeq 1) with reg-id and +sip.instance was answered with Require: outbound"},
		{"ob", Evidence{Messages: 1, Negotiated: &negotiate.State{Outbound: negotiate.Outbound{Dialog: true, DialogBy: event.Out, DialogFrom: invite}}}, Persistent,
			"INVITE (CSeq 1) has ob in its Contact URI and formed a dialog"},
		{"alias on TCP", Evidence{Messages: 1, Transport: event.TCP, Negotiated: &negotiate.State{Alias: negotiate.Alias{By: event.Out, From: invite}}}, Unidirectional, ""},
		{"alias on TLS", Evidence{Messages: 1, Transport: event.TLS, Negotiated: &negotiate.State{Alias: negotiate.Alias{By: event.Out, From: invite}}}, Bidirectional,
			"alias offered in Via of INVITE (CSeq 1)"},
		{"registered over TCP", Evidence{Messages: 1, Transport: event.TCP, Registered: register}, Unidirectional, ""},
		{"registered over TLS", Evidence{Messages: 1, Transport: event.TLS, Registered: register}, Bidirectional,
			"REGISTER (CSeq 1) over TLS (RFC 3261 section 26.3.2.1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, why := Expected(&tt.e); got != tt.class || why != tt.why {
				t.Errorf("%s because %q; want %s because %q", got, why, tt.class, tt.why)
			}
		})
	}
}
