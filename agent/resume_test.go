// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/event"
)

// talk has random transactions, all of them answered, on random connections.
type talk struct {
	r     *rand.Rand
	s     *script.Script
	conns []*script.Conn
	n     int
}

func newTalk(seed uint64) *talk {
	k := &talk{r: rand.New(rand.NewPCG(seed, 1)), s: script.New()}
	for i := range 6 {
		local, remote := fmt.Sprintf("192.0.2.1:%d", 5060+i%2*40000+i), fmt.Sprintf("198.51.100.%d:%d", 1+i%2, 5060+(1-i%2)*30000)
		var c *script.Conn
		if i < 4 {
			c = k.s.TCP(event.Local+event.Side(i%2), local, remote)
			if i == 3 {
				c.Transport = event.TLS
			}
			c.NetNS = 7
			c.Open()
		} else {
			c = k.s.UDP(local, remote)
		}
		k.conns = append(k.conns, c)
	}
	return k
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// exchange is one request and its final response.
func (k *talk) exchange() {
	k.n++
	k.s.Wait(time.Duration(k.r.IntN(20_000)) * time.Millisecond)
	c, user := k.conns[k.r.IntN(len(k.conns))], k.r.IntN(3)
	d := pick(k.r, event.In, event.Out)
	m := script.Msg{
		Method: pick(k.r, "REGISTER", "REGISTER", "INVITE", "SUBSCRIBE", "UPDATE", "BYE", "OPTIONS"),
		Branch: fmt.Sprintf("k%d", k.n), CallID: fmt.Sprintf("call%d@example.com", user), CSeq: k.n,
		Params: pick(k.r, "", ";keep", ";keep", ";keep=5", ";alias", ";persistent"),
	}
	if c.Transport == event.UDP {
		m.Via = "SIP/2.0/UDP 192.0.2.1:5060"
	}
	answers := ""
	switch {
	case m.Method == "REGISTER":
		m.More = pick(k.r, "Expires: 600\r\n", "Expires: 40\r\n", "Expires: 0\r\n", "")
		if k.r.IntN(2) == 0 {
			m.More += `Contact: <sip:a@192.0.2.1>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"` + "\r\n"
			answers = pick(k.r, "Require: outbound\r\nFlow-Timer: 120\r\n", "")
		}
	case k.r.IntN(2) == 0, m.Method == "BYE", m.Method == "UPDATE":
		m.To = "t1"
	}
	if k.r.IntN(4) == 0 {
		m.More += "Supported: persistence\r\nPersistent-Timeout: 60\r\n"
	}
	status, value := pick(k.r, 200, 200, 200, 401, 481), m.Params
	if m.Params == ";keep" {
		value = pick(k.r, ";keep=20", ";keep=30", ";keep=0", ";keep")
	}
	if m.Method == "REGISTER" {
		answers += m.More
	}
	c.Data(d, m.String())
	reply := m.Reply(status)
	reply.Params, reply.More = value, answers
	c.Data(event.In+event.Out-d, reply.String())
}

// known is what a restart must not change.
type known struct {
	Opened     *time.Time
	Initiator  string
	Negotiated report.Negotiated
	Messages   report.Messages
	Class      report.Class
	Owed       [2]any
}

func knownOf(c *Core, now event.Time) map[string]known {
	all := make(map[string]known)
	for i, line := range c.Report(now).Connections {
		k := known{Opened: line.Opened, Initiator: line.Initiator, Negotiated: line.Negotiated, Messages: line.Messages, Class: line.Class}
		k.Class.Because = nil
		conn := c.all()[i]
		for i, d := range []event.Direction{event.In, event.Out} {
			duty, ok := conn.Neg.Owes(d, now)
			duty.Since = 0 // what is not seen is not judged
			k.Owed[i] = fmt.Sprint(duty, ok)
		}
		all[line.Transport+" "+line.Local+" "+line.Remote] = k
	}
	return all
}

// resumed leaves out the verdict that rests on having seen all.
func (k known) resumed() known {
	if k.Class.Observed == "unidirectional-ephemeral" {
		k.Class.Observed = "undetermined"
	}
	if e := k.Class.Expected; e != nil && *e == "unidirectional-ephemeral" {
		k.Class.Expected = nil
	}
	return k
}

// restart returns a new core that got the saved state of c, as a file holds it,
// and the events that a new agent gets.
func restart(t *testing.T, c *Core, k *talk) *Core {
	t.Helper()
	text, err := saved.Encode(c.Save())
	if err != nil {
		t.Fatal(err)
	}
	s, err := saved.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	next := New(Config{})
	next.Restore(s, k.s.Now)
	if again, _ := saved.Encode(next.Save()); string(again) != string(text) {
		t.Fatalf("what no event was about is saved as\n%s\nnot\n%s", again, text)
	}
	k.s.Events = nil
	for _, conn := range k.conns {
		if conn.Transport != event.UDP {
			conn.MidLife()
		}
	}
	for i := range k.s.Events {
		next.Handle(&k.s.Events[i])
	}
	return next
}

// A core that takes up where another one ended knows what was negotiated, and
// goes on with it as the other one would have.
func TestResume(t *testing.T) {
	agreed := 0
	for seed := range uint64(400) {
		k := newTalk(seed)
		for range 30 {
			k.exchange()
		}
		before := New(Config{})
		for i := range k.s.Events {
			before.Handle(&k.s.Events[i])
		}
		after := restart(t, before, k)
		silent := make(map[string]bool)
		for name, w := range knownOf(before, k.s.Now) {
			silent[name] = w.Messages == (report.Messages{}) // of those nothing is saved
		}
		k.s.Events = nil
		for _, conn := range k.conns[4:] {
			conn.Out("\r\n") // a flow is there when it is used
		}
		compare := func(when string) {
			t.Helper()
			for i := range k.s.Events {
				before.Handle(&k.s.Events[i])
				after.Handle(&k.s.Events[i])
			}
			want, got := knownOf(before, k.s.Now), knownOf(after, k.s.Now)
			for name, w := range want {
				w, g := w.resumed(), got[name].resumed()
				if silent[name] {
					continue
				}
				if !reflect.DeepEqual(g, w) {
					t.Fatalf("seed %d, %s, %s:\n%+v\nwant\n%+v", seed, when, name, g, w)
				}
				if w.Negotiated.Keep != nil && w.Negotiated.Keep.Agreed != nil && *w.Negotiated.Keep.Agreed {
					agreed++
				}
			}
		}
		compare("at once")
		for _, f := range after.Report(k.s.Now).Findings {
			if f.Rule != "KA-05" { // is about the datagram that shows the flow
				t.Errorf("seed %d: %s %s, though nothing happened", seed, f.Rule, f.Evidence)
			}
		}
		k.s.Events = nil
		for range 10 {
			k.exchange()
		}
		compare("later")
	}
	if agreed < 100 {
		t.Errorf("only %d agreements were compared", agreed)
	}
}

// The time in which nobody looked is nobody's silence; what comes after it is.
func TestResumedDuties(t *testing.T) {
	for _, tt := range []struct {
		name   string
		beats  int // every 20 s after the restart
		silent time.Duration
		want   string
	}{
		{"as agreed", 10, 0, ""},
		{"pauses", 10, 100 * time.Second, "KEEP-09"},
		{"pauses from the restart on", 0, 100 * time.Second, "KEEP-09"},
	} {
		s := script.New()
		c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
		answer(c, event.In, script.Msg{Method: "REGISTER", Params: ";keep", More: "Expires: 3600\r\n"}, 200, ";keep=30", "Expires: 3600\r\n")
		first, _ := play(t, s)
		next := restart(t, first, &talk{s: s})
		s.Wait(10 * time.Minute) // the keep-alives go on
		c.MidLife()
		for range tt.beats {
			s.Wait(20 * time.Second)
			c.In("\r\n\r\n")
			c.Out("\r\n")
		}
		if tt.silent > 0 {
			s.Wait(tt.silent)
			c.In("\r\n\r\n")
			c.Out("\r\n")
		}
		for i := range s.Events {
			next.Handle(&s.Events[i])
			next.Tick(s.Events[i].Time)
		}
		var got string
		for _, f := range next.Report(s.Now).Findings {
			if f.Severity == "violation" {
				got += f.Rule
			}
		}
		if got != tt.want {
			t.Errorf("%s: findings %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A socket that is not the same one takes nothing up.
func TestResumeOthers(t *testing.T) {
	s := script.New()
	c := s.TCP(event.Local, "192.0.2.1:40000", there)
	c.NetNS = 7
	c.Open()
	answer(c, event.Out, script.Msg{Method: "REGISTER", Params: ";keep"}, 200, ";keep=30", "")
	first, _ := play(t, s)
	for _, tt := range []struct {
		name   string
		change func(e *event.Event)
		want   bool
	}{
		{"the same", func(e *event.Event) {}, true},
		{"another cookie", func(e *event.Event) { e.Socket++ }, false},
		{"another network namespace", func(e *event.Event) { e.NetNS++ }, false},
		{"another local address", func(e *event.Event) { e.Local = address(1) }, false},
		{"another remote address", func(e *event.Event) { e.Remote = address(1) }, false},
		{"younger than the agent", func(e *event.Event) { e.MidLife = false }, false},
	} {
		next := restart(t, first, &talk{s: s})
		c.MidLife()
		tt.change(s.Last())
		next.Handle(s.Last())
		line := next.Report(s.Now).Connections[0]
		if (line.Negotiated.Keep != nil) != tt.want {
			t.Errorf("%s: keep %+v", tt.name, line.Negotiated.Keep)
		}
		next.Tick(s.Now.Add(resumable))
		if len(next.resume) != 0 {
			t.Errorf("%s: %d connections are still waited for", tt.name, len(next.resume))
		}
	}
}

// FuzzRestore: no text of a state, damaged or made up, does more than being
// refused or taken; what was taken is saved again.
func FuzzRestore(f *testing.F) {
	for seed := range uint64(3) {
		k := newTalk(seed)
		for range 20 {
			k.exchange()
		}
		c := New(Config{})
		for i := range k.s.Events {
			c.Handle(&k.s.Events[i])
		}
		text, err := saved.Encode(c.Save())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := saved.Decode(text)
		if err != nil {
			return
		}
		c := New(Config{MaxDialogs: 5})
		c.Restore(s, script.Start)
		for _, r := range s.Connections {
			kind := event.Opened
			if r.Transport == event.UDP {
				kind = event.Data
			}
			c.Handle(&event.Event{Kind: kind, Direction: event.In, MidLife: true, Time: script.Start, Transport: min(r.Transport, event.UDP),
				Socket: r.Socket, NetNS: r.NetNS, Local: r.Local, Remote: r.Remote, IdleIn: -1, IdleOut: -1})
		}
		if n := c.Sizes().Agreements; n > 5 {
			t.Fatalf("%d agreements", n)
		}
		c.Report(script.Start.Add(time.Hour))
		if text, err = saved.Encode(c.Save()); err != nil {
			t.Fatal(err)
		}
		if _, err = saved.Decode(text); err != nil {
			t.Fatal(err)
		}
	})
}
