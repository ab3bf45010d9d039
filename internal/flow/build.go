// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// What one flow may come to, so that a small file cannot fill the memory.
const (
	maxActions = 10_000 // and as many rounds of repeats
	maxBytes   = 16 << 20
	maxLasting = 30 * 24 * time.Hour
)

// listener is an address that something listens on.
type listener struct {
	over event.Transport
	addr netip.AddrPort
}

// builder turns steps into actions.
type builder struct {
	now     time.Duration
	actions []action
	rounds  int // of all repeats
	bytes   int
	conns   map[string]*conn
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
		conns: make(map[string]*conn),
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

func (b *builder) do(a action) {
	a.at = b.now
	b.bytes += len(a.data)
	b.actions = append(b.actions, a)
}

func (b *builder) step(st *Step) error {
	switch st.Verb {
	case "#", "profile":
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
	case st.What == "lost":
		b.do(action{kind: loses, conn: c, side: st.From, size: number(st.Args, 0)})
		return nil
	}
	data, err := b.payload(st, c)
	if err != nil {
		return err
	}
	if c.transport == event.UDP && len(data) > maxSize {
		return fault("%s: %d bytes do not fit into a datagram", st.What, len(data))
	}
	b.do(action{kind: sends, conn: c, side: st.From, data: data, split: st.intOption("split", 1), seen: st.intOption("seen", -1)})
	return nil
}

// live returns the connection of a step, which must be able to carry it.
func (b *builder) live(st *Step) (*conn, error) {
	c := b.conns[st.Conn]
	switch {
	case c == nil:
		return nil, fault("there is no connection %q: declare it first, like tcp %s in", st.Conn, st.Conn)
	case c.closed:
		return nil, fault("connection %s is closed; declare it again for a new one", st.Conn)
	case !c.opened:
		return nil, fault("connection %s is not open: write open %s", st.Conn, st.Conn)
	case st.From != event.Unknown && c.finished[index(st.From)] && st.What != "rst":
		return nil, fault("this side has sent its FIN on %s and can send no more", st.Conn)
	}
	if c.transport == event.UDP {
		if st.Verb == "stop" {
			return nil, fault("%s is UDP: it has no end but silence, or unlisten udp %s", st.Conn, c.local)
		}
		if st.intOption("split", 1) > 1 {
			return nil, fault("%s is UDP: a datagram cannot be split", st.Conn)
		}
	}
	return c, nil
}

func (b *builder) ending(st *Step, c *conn) error {
	switch st.What {
	case "timeout":
		b.close(c, event.Local, event.Timeout)
	case "rst":
		b.close(c, st.From, event.RST)
	case "fin", "close":
		c.finished[index(st.From)] = true
		b.do(action{kind: finishes, conn: c, side: st.From})
		by := st.From
		if st.What == "fin" {
			if !c.finished[index(other(st.From))] {
				return nil
			}
			by = other(st.From) // whose FIN was the first
		} else if c.finished[index(other(st.From))] {
			by = other(st.From)
		} else {
			b.do(action{kind: finishes, conn: c, side: other(st.From)})
		}
		b.close(c, by, event.FIN)
	}
	return nil
}

func (b *builder) close(c *conn, by event.Side, how event.How) {
	c.closed = true
	b.do(action{kind: closes, conn: c, side: by, how: how})
}

// address reads ADDRESS:PORT, or ADDRESS alone if port is not 0.
func address(text string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil && port != 0 && a.Zone() == "" {
		return netip.AddrPortFrom(a, port), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return a, fault("%q is no address: write 192.0.2.1:5060 or [2001:db8::1]:5060", text)
	}
	return a, nil
}

func process(args []string, or event.Process) (event.Process, error) {
	p := or
	if v, ok := option(args, "process"); ok {
		p.Name = v
	}
	if v, ok := option(args, "pid"); ok {
		n, err := strconv.ParseUint(v, 10, 22)
		if err != nil || n == 0 {
			return p, fault("pid=%s is not a process id", v)
		}
		p.PID = uint32(n)
	}
	return p, nil
}

func (b *builder) host(st *Step) error {
	if st.Verb == "exit" {
		owner, err := process(st.Args, event.Process{Name: "proxy"})
		b.do(action{kind: exits, owner: owner})
		return err
	}
	a := action{kind: listens, over: event.TCP}
	if st.Args[0] == "udp" {
		a.over = event.UDP
	}
	var err error
	if a.addr, err = address(st.Args[1], 0); err != nil {
		return err
	}
	owner, key := holder, listener{a.over, a.addr}
	if st.Verb == "unlisten" {
		a.kind = unlistens
		if known, ok := b.listeners[key]; ok {
			owner = known
		}
	}
	a.owner, err = process(st.Args[2:], owner)
	b.listeners[key] = a.owner
	b.do(a)
	return err
}

// payload returns the bytes that a step sends.
func (b *builder) payload(st *Step, c *conn) ([]byte, error) {
	switch st.What {
	case "ping":
		return []byte("\r\n\r\n"), nil
	case "pong":
		return []byte("\r\n"), nil
	case "raw", "filler":
		text, err := strconv.Unquote(st.Args[0])
		return []byte(text), err
	case "stun":
		return b.stun(st, c)
	case "again":
		m := c.last[index(st.From)]
		if name, ok := option(st.Args, "re"); ok {
			m = b.named[name]
		}
		if m == nil {
			return nil, fault("again: this side has sent no message on %s; name one with re=", c.name)
		}
		return bytes.Clone(m.wire), nil
	}
	m, err := b.compose(st, c)
	if err != nil {
		return nil, err
	}
	m.wire = []byte(m.text.String())
	if n := st.intOption("size", 0); n > 0 {
		if n < len(m.wire) {
			return nil, fault("size=%d: the message has %d bytes already", n, len(m.wire))
		}
		m.fill(n)
	}
	if name, ok := option(st.Args, "as"); ok {
		b.named[name] = m
	}
	c.last[index(st.From)] = m
	return m.wire, nil
}

// fill makes the message n bytes long with a header field that means nothing.
func (m *message) fill(n int) {
	const name = "Subject"
	if missing := n - len(m.wire) - len(name+": \r\n"); missing > 0 {
		m.text.Add(name, "%s", strings.Repeat("x", missing))
	}
	m.wire = []byte(m.text.String())
}
