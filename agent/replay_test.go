// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// chaos is a conversation of several connections with all that can happen.
func chaos(rng *rand.Rand) *script.Script {
	s := script.New()
	conns := []*script.Conn{
		s.TCP(event.Local, "192.0.2.1:40000", there),
		s.TCP(event.Remote, here, "198.51.100.7:40001"),
		s.UDP(here, there),
	}
	methods := []string{"OPTIONS", "INVITE", "BYE", "REGISTER", "SUBSCRIBE", "MESSAGE"}
	params := []string{"", "", ";keep", ";alias", ";persistent", ";keep=30"}
	for step := range 60 {
		c := conns[rng.IntN(len(conns))]
		d := event.Direction(1 + rng.IntN(2))
		m := script.Msg{
			Method: methods[rng.IntN(len(methods))], Branch: fmt.Sprint(rng.IntN(20)), CSeq: 1 + rng.IntN(3),
			Params: params[rng.IntN(len(params))], CallID: fmt.Sprint("call", rng.IntN(4)), More: "Expires: 20\r\n",
		}
		switch rng.IntN(16) {
		case 0:
			c.Open()
		case 1:
			c.FIN(d)
		case 2:
			c.Close(event.Side(d), event.How(1+rng.IntN(3)))
		case 3:
			c.Data(d, "\r\n\r\n")
		case 4, 5:
			c.Data(d, "\r\n")
		case 6:
			c.Segment(d, c.SeqIn+uint32(rng.IntN(300)), "out of order")
		case 7, 8:
			text := m.String()
			c.Data(d, text[:len(text)/2])
			c.Data(d, text[len(text)/2:])
		case 9, 10, 11:
			c.Data(d, m.Reply([]int{100, 180, 200, 200, 486}[rng.IntN(5)]).String())
		case 12:
			c.Data(d, m.String())
			s.Last().Lost = true
		default:
			c.Data(d, m.String())
		}
		s.Wait(time.Microsecond) // no two at the same time: a pong comes after its ping
		if step%2 == 0 {
			s.Wait([]time.Duration{0, time.Millisecond, 700 * time.Millisecond, 3 * time.Second, 6 * time.Second,
				33 * time.Second, 4 * time.Minute, 6 * time.Minute}[rng.IntN(8)])
		}
	}
	return s
}

func reportJSON(t *testing.T, s *script.Script, tick func(c *Core, from, to event.Time)) string {
	t.Helper()
	c := New(Config{Started: script.Start})
	last := script.Start
	for i := range s.Events {
		e := s.Events[i]
		tick(c, last, e.Time)
		last = e.Time
		e.Payload = bytes.Clone(e.Payload)
		c.Handle(&e)
		for i := range e.Payload { // the bytes are the source's again
			e.Payload[i] = '!'
		}
	}
	tick(c, last, s.Now)
	var b bytes.Buffer
	c.Finish(s.Now)
	if err := c.Report(s.Now).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTicksDoNotMatter: the report is the same however often time is told.
func TestTicksDoNotMatter(t *testing.T) {
	for seed := range uint64(300) {
		s := chaos(rand.New(rand.NewPCG(seed, 1)))
		never := reportJSON(t, s, func(*Core, event.Time, event.Time) {})
		for name, tick := range map[string]func(c *Core, from, to event.Time){
			"at every event": func(c *Core, _, to event.Time) { c.Tick(to) },
			"every 250 ms": func(c *Core, from, to event.Time) {
				for ; from < to; from = from.Add(250 * time.Millisecond) {
					c.Tick(from)
				}
			},
		} {
			if got := reportJSON(t, s, tick); got != never {
				t.Fatalf("seed %d, ticks %s:\n%s", seed, name, diff(never, got))
			}
		}
	}
}

// diff is the first line that differs.
func diff(a, b string) string {
	la, lb := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range min(len(la), len(lb)) {
		if !bytes.Equal(la[i], lb[i]) {
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, la[i], lb[i])
		}
	}
	return "one is longer"
}
