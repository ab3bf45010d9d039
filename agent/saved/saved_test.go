// SPDX-License-Identifier: Apache-2.0

package saved

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// example has each name and number of the format that a newer version could
// give another meaning.
func example() *State {
	register, invite := message.Label{Method: sipparse.MethodRegister, CSeq: 5}, message.Label{Method: sipparse.MethodInvite, CSeq: 6}
	n := sipparse.NumParam{Present: true, HasValue: true, Valid: true, N: 120}
	to := negotiate.Neighbour{NetNS: 7, Addr: netip.MustParseAddr("198.51.100.7"), Port: 5060}
	agreement := negotiate.SavedAgreement{Key: 1 << 63, To: to, Agreement: negotiate.Agreement{
		By: event.Out, Scope: negotiate.ScopeRegistration, Seconds: 30, FlowTimer: n, From: register, First: 1, Since: 2, Moved: 3, Until: 4, Uses: 5,
	}}
	early := agreement
	early.Unsettled, early.By, early.Scope, early.Elsewhere, early.Stranded, early.Renewing = true, event.In, negotiate.ScopeDialog, true, true, 6
	return &State{Format: Format, Boot: "b", Omitted: 1, Connections: []Connection{{
		Socket: 1, NetNS: 7, Transport: event.UDP, Local: netip.MustParseAddrPort("[2001:db8::1]:5060"),
		Remote: netip.MustParseAddrPort("[2001:db8::2]:5060"), Initiator: event.Remote, Opened: 8, Last: 9,
		Messages: report.Messages{RequestsSent: 1, RequestsReceived: 2, ResponsesSent: 3, ResponsesReceived: 4, Retransmissions: 5, Malformed: 6},
		Sent:     class.Requests{N: 1, First: register}, Received: class.Requests{N: 2, First: invite, InDialog: true},
		Registered: register, SentBy: "a.example.com",
		Negotiated: &negotiate.Saved{
			Agreements: []negotiate.SavedAgreement{agreement, early},
			Keep:       [2]negotiate.Keep{{Offered: true, Answer: negotiate.Refused, From: invite}, {Offered: true, Answer: negotiate.Unproven, Seconds: 3, Until: 4}},
			Past:       [2]negotiate.SavedPast{{Why: negotiate.Gone, At: 5, Agreement: agreement}},
			Alias:      negotiate.Alias{By: event.In, At: 1, From: invite, Port: 5061, Used: true, Back: register, Reversed: true},
			Persistent: negotiate.Persistent{
				By: event.Out, Offer: negotiate.Offer{Label: invite, Call: 3, Supported: true, PTCP: true, HasTimeout: true, TimeoutSecs: 60},
				At: 1, Newest: 2, HasTimeout: true, Timeout: 60, Ended: 3, Min: 4, Refused: 5, HasRefused: true, Countered: true, Declined: true,
				Confirmed: true, Retry: true, Later: register, LaterAt: 6,
			},
			Outbound: negotiate.Outbound{
				By: event.Out, From: register, Agreed: true, ByPath: true, FlowTimer: n, Direct: true, Since: 1, At: 2, Until: 3, Call: 4,
				DialogBy: event.In, DialogFrom: invite, Dialog: true,
			},
		},
	}}}
}

// The file in testdata was written by the first version of Format: as long as
// that number stays, it is read and written as it was then.
func TestFormat(t *testing.T) {
	const golden = "testdata/state.json"
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, example()) {
		t.Errorf("%s is read as\n%+v\nnot\n%+v", golden, s, example())
	}
	again, err := Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != strings.TrimSpace(string(text)) {
		t.Errorf("it is written as\n%s", again)
	}
}

func TestDecodeRefuses(t *testing.T) {
	if _, err := Decode([]byte(`{"format":0}`)); !errors.Is(err, ErrFormat) {
		t.Errorf("another format: %v", err)
	}
	for name, change := range map[string]func(c *Connection){
		"transport":      func(c *Connection) { c.Transport = 9 },
		"initiator":      func(c *Connection) { c.Initiator = 9 },
		"no address":     func(c *Connection) { c.Local = netip.AddrPort{} },
		"direction":      func(c *Connection) { c.Negotiated.Agreements[0].By = 0 },
		"scope":          func(c *Connection) { c.Negotiated.Agreements[0].Scope = 0 },
		"answer":         func(c *Connection) { c.Negotiated.Keep[1].Answer = 9 },
		"alias by":       func(c *Connection) { c.Negotiated.Alias.By = 9 },
		"past":           func(c *Connection) { c.Negotiated.Past[0].Why = 99 },
		"past agreement": func(c *Connection) { c.Negotiated.Past[0].Agreement.By = 9 },
		"dialog by":      func(c *Connection) { c.Negotiated.Outbound.DialogBy = 9 },
		"many agreements": func(c *Connection) {
			c.Negotiated.Agreements = make([]negotiate.SavedAgreement, negotiate.MaxSavedAgreements+1)
		},
	} {
		s := example()
		change(&s.Connections[0])
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(text); err == nil || !strings.Contains(err.Error(), "connection 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) {
		if _, err := Decode(text[:n]); err == nil {
			t.Fatalf("the first %d bytes are taken for a state", n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	text, err := Encode(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Decode(text)
		if err != nil {
			return
		}
		once, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = Decode(once); err != nil {
			t.Fatal(err)
		}
		if twice, _ := Encode(s); string(twice) != string(once) {
			t.Errorf("%s\nbecomes\n%s", once, twice)
		}
	})
}
