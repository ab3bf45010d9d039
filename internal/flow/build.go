// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// What one flow may come to, so that a small file cannot fill the memory.
const (
	maxActions = 10_000 // and as many rounds of repeats
	maxBytes   = 16 << 20
	maxLasting = 30 * 24 * time.Hour
)

// builder turns steps into actions.
type builder struct {
	now     time.Duration
	actions []Action
	rounds  int // of all repeats
	bytes   int
	conns   map[string]*Conn
	ids     int
	used    map[event.Side]uint16 // ephemeral ports given out

	listeners map[listener]event.Process

	named    map[string]*message
	requests []*message // in order
	calls    []*call
	numbered int // calls that got a number for a name
	branches int
	stuns    int
}

// build fills in the actions of a section.
func (s *Section) build() error {
	b := &builder{
		conns: make(map[string]*Conn),
		used:  map[event.Side]uint16{event.Local: 41000, event.Remote: 40000},
		named: make(map[string]*message),

		listeners: make(map[listener]event.Process),
	}
	if err := b.steps(s.Steps); err != nil {
		return err
	}
	s.actions, s.end = b.actions, b.now
	return nil
}

func (b *builder) steps(steps []Step) error {
	for i := range steps {
		st := &steps[i]
		if err := b.step(st); err != nil {
			if _, ok := err.(*problem); ok {
				return err
			}
			return &problem{st.Line, err}
		}
		if len(b.actions) > maxActions || b.bytes > maxBytes || b.now > maxLasting {
			return wrong(st.Line, "the flow is too long: more than %d actions, %d bytes or %s", maxActions, maxBytes, maxLasting)
		}
	}
	return nil
}

func (b *builder) do(a Action) {
	a.At = b.now
	b.bytes += len(a.Data)
	b.actions = append(b.actions, a)
}

func (b *builder) step(st *Step) error {
	switch st.Verb {
	case "#", "profile", "policy":
		return nil
	case "+":
		b.now += st.Wait
		return nil
	case "repeat":
		for range st.Times {
			if b.rounds++; b.rounds > maxActions {
				return fault("repeat: more than %d rounds in all", maxActions)
			}
			if err := b.steps(st.Steps); err != nil {
				return err
			}
		}
		return nil
	case "tcp", "tls", "udp":
		return b.declare(st)
	case "open":
		return b.open(st)
	case "listen", "unlisten", "exit":
		return b.host(st)
	}
	c, err := b.live(st)
	if err != nil {
		return err
	}
	switch {
	case st.Verb == "stop":
		return b.ending(st, c)
	case st.What == "alert":
		return b.alert(st, c)
	case st.What == "lost":
		b.do(Action{Act: Loses, Conn: c, Side: st.From, Size: number(st.Args, 0)})
		return nil
	}
	data, err := b.payload(st, c)
	if err != nil {
		return err
	}
	if c.Transport == event.UDP && len(data) > maxSize {
		return fault("%s: %d bytes do not fit into a datagram", st.What, len(data))
	}
	b.do(Action{Act: Sends, Conn: c, Side: st.From, Data: data, Split: st.intOption("split", 1), Seen: st.intOption("seen", -1), Own: has(st.Args, "own")})
	return nil
}

// live returns the connection of a step, which must be able to carry it.
func (b *builder) live(st *Step) (*Conn, error) {
	c := b.conns[st.Conn]
	switch {
	case c == nil:
		return nil, fault("there is no connection %q: declare it first, like tcp %s in", st.Conn, st.Conn)
	case c.closed:
		return nil, fault("connection %s is closed; declare it again for a new one", st.Conn)
	case !c.opened:
		return nil, fault("connection %s is not open: write open %s", st.Conn, st.Conn)
	case st.From != event.Unknown && c.finished[Index(st.From)] && st.What != "rst":
		return nil, fault("this side has sent its FIN on %s and can send no more", st.Conn)
	}
	if c.Transport == event.UDP {
		if st.Verb == "stop" {
			return nil, fault("%s is UDP: it has no end but silence, or unlisten udp %s", st.Conn, c.Local)
		}
		if st.intOption("split", 1) > 1 {
			return nil, fault("%s is UDP: a datagram cannot be split", st.Conn)
		}
	}
	return c, nil
}

func (b *builder) ending(st *Step, c *Conn) error {
	switch st.What {
	case "timeout":
		b.close(c, event.Local, event.Timeout)
	case "rst":
		b.close(c, st.From, event.RST)
	case "fin", "close":
		c.finished[Index(st.From)] = true
		b.do(Action{Act: Finishes, Conn: c, Side: st.From})
		by := st.From
		if st.What == "fin" {
			if !c.finished[Index(Other(st.From))] {
				return nil
			}
			by = Other(st.From) // whose FIN was the first
		} else if c.finished[Index(Other(st.From))] {
			by = Other(st.From)
		} else {
			b.do(Action{Act: Finishes, Conn: c, Side: Other(st.From)})
		}
		b.close(c, by, event.FIN)
	}
	return nil
}

func (b *builder) close(c *Conn, by event.Side, how event.How) {
	c.closed = true
	b.do(Action{Act: Closes, Conn: c, Side: by, How: how})
}
