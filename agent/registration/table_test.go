// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

const instance = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"`

func parse(t *testing.T, first string, lines ...string) *message.Message {
	t.Helper()
	text := first + "\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKa\r\nFrom: <sip:bob@Example.com>;tag=a\r\n" +
		"To: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n" + strings.Join(lines, "\r\n")
	m := new(message.Message)
	if !m.Parse([]byte(text + "\r\n\r\n")) {
		t.Fatal("not SIP: " + text)
	}
	return m
}

// register lets the lines be bound over conn by a 2xx that has the others.
func register(t *testing.T, tb *Table, conn *fact.Conn, at event.Time, lines []string, answer ...string) *Request {
	t.Helper()
	r := Read(parse(t, "REGISTER sip:example.com SIP/2.0", lines...), event.In)
	tb.Answered(r, conn, parse(t, "SIP/2.0 200 OK", answer...), at)
	return r
}

func TestBinding(t *testing.T) {
	tb := New(10)
	a, b := &fact.Conn{ID: 1, Socket: 1, Transport: event.TCP}, &fact.Conn{ID: 2, Socket: 2, Transport: event.TCP}
	contact := "Contact: <sip:bob@192.0.2.2:5061;transport=tcp>;reg-id=1" + instance
	asks := []string{contact, "Supported: path, outbound"}
	second := event.Time(time.Second)

	r := register(t, tb, a, second, asks, contact+";expires=60", "Require: outbound")
	if r.AOR != r.From || !r.Direct || r.Outbound() == nil || r.PathTop != 0 {
		t.Errorf("read %+v", r)
	}
	got := tb.Of(r.AOR)[0]
	if len(tb.Changed) != 1 || tb.Changed[0] != got || !got.Outbound || !got.Offered || got.RegID != 1 || got.URI != 0 ||
		got.Until != second.Add(time.Minute) || !got.Over(a) || got.Contact.Place.String() != "192.0.2.2:5061" {
		t.Fatalf("bound %+v", got)
	}
	// Over another flow, without outbound: the same binding moves.
	other := strings.ReplaceAll(contact, "AABBCCDDEEFF", "aabbccddeeff")
	register(t, tb, b, 2*second, []string{other}, "Expires: 90")
	if tb.Len() != 1 || got.Before != a || got.Moved != 2*second || got.Outbound || got.Until != second.Add(91*time.Second) ||
		len(tb.Over(a)) != 0 || len(tb.Over(b)) != 1 || tb.Of(r.AOR)[0] != got {
		t.Errorf("moved %+v", got)
	}
	if len(tb.ToURI(got.Contact.URI)) != 1 || len(tb.ToPlace(got.Contact.Place)) != 1 {
		t.Error("not found by Contact")
	}
	// Another reg-id and no reg-id are bindings of their own.
	register(t, tb, a, 3*second, []string{strings.ReplaceAll(contact, "reg-id=1", "reg-id=2")})
	register(t, tb, a, 3*second, []string{"Contact: <sip:bob@192.0.2.2>"})
	if tb.Len() != 3 {
		t.Errorf("%d bindings, want 3", tb.Len())
	}
	register(t, tb, a, 3*second, []string{contact + ";expires=0"})
	if tb.Len() != 2 || !got.Gone || tb.Changed[0] != got {
		t.Errorf("%d bindings, want 2 after one was removed", tb.Len())
	}
	register(t, tb, a, 3*second, []string{"Contact: *", "Expires: 0"})
	if tb.Len() != 0 || len(tb.Changed) != 2 {
		t.Errorf("%d bindings are left by Contact: *", tb.Len())
	}
}

func TestGranted(t *testing.T) {
	for _, c := range []struct {
		ask, header, answer, list string
		want                      int
	}{
		{"", "X: 1", "X: 1", "X: 1", usual},
		{"", "Expires: 7", "X: 1", "X: 1", 7},
		{";expires=9", "Expires: 7", "X: 1", "X: 1", 9},
		{";expires=9", "Expires: 7", "Expires: 5", "X: 1", 5},
		{";expires=9", "Expires: 7", "Expires: 5", "Contact: <sip:b@192.0.2.9>;expires=4, <sip:b@192.0.2.2>;expires=3", 3},
	} {
		tb := New(10)
		conn := &fact.Conn{Transport: event.UDP}
		register(t, tb, conn, 1, []string{"Contact: <sip:b@192.0.2.2>" + c.ask, c.header}, c.answer, c.list)
		if got := tb.Changed[0].Until.Sub(1); got != time.Duration(c.want)*time.Second {
			t.Errorf("%+v: granted %v", c, got)
		}
	}
}

// TestTable: whatever is registered, the indexes name what is held and nothing
// else, and the limit holds.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tb := New(6)
	conns := make([]*fact.Conn, 6)
	for i := range conns {
		conns[i] = &fact.Conn{ID: uint64(i), Socket: uint64(i), Transport: event.Transport(1 + i%3)}
	}
	for step := range 3000 {
		now := event.Time(1 + step*int(time.Second))
		contact := fmt.Sprintf("Contact: <sip:u@192.0.2.%d>;reg-id=%d;expires=%d", rng.IntN(5), rng.IntN(8), rng.IntN(3)*40)
		if rng.IntN(3) > 0 {
			contact += instance
		}
		register(t, tb, conns[rng.IntN(len(conns))], now, []string{contact})
		if rng.IntN(50) == 0 {
			register(t, tb, conns[0], now, []string{"Contact: *", "Expires: 0"})
		}
		tb.Expire(now)
		n := [4]int{}
		for _, bs := range tb.byAOR {
			n[0] += len(bs)
		}
		for f, bs := range tb.byFlow {
			n[1] += len(bs)
			for _, b := range bs {
				if b.Gone || flowOf(b.Conn) != f || !b.Alive(now) || tb.Find(b.Key) != b || tb.ends[b.heap] != b {
					t.Fatalf("step %d: %+v", step, b)
				}
			}
		}
		for _, bs := range tb.byURI {
			n[2] += len(bs)
		}
		for _, bs := range tb.byPlace {
			n[3] += len(bs)
		}
		if tb.Len() > tb.Limit || n[0] != tb.Len() || n[1] != tb.Len() || n[2] != n[3] || len(tb.ends) != tb.Len() {
			t.Fatalf("step %d: %d held, indexes %v", step, tb.Len(), n)
		}
	}
	if tb.Evicted == 0 {
		t.Error("the limit was never met")
	}
}

func TestUUID(t *testing.T) {
	for urn, want := range map[string]bool{
		"urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF":  true,
		"URN:UUID:00000000-0000-1000-8000-aabbccddeeff":  true,
		"urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFG":  false,
		"urn:uuid:000000000-000-1000-8000-AABBCCDDEEFF":  false,
		"urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFFF": false,
		"urn:gsma:imei:90420156-025763-0":                false,
	} {
		if UUID([]byte(urn)) != want {
			t.Errorf("UUID(%q) is not %t", urn, want)
		}
	}
}
