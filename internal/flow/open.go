// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

var (
	here   = netip.MustParseAddr("192.0.2.1")
	there  = netip.MustParseAddr("198.51.100.7")
	holder = event.Process{PID: 4242, Name: "proxy"}
)

// declare makes a connection and, unless it is told otherwise, opens it.
func (b *builder) declare(st *Step) error {
	if old := b.conns[st.Conn]; old != nil && !old.closed {
		return fault("%s is there already and not closed", st.Conn)
	}
	c := &Conn{Name: st.Conn, Transport: event.TCP}
	switch st.Verb {
	case "tls":
		c.Transport = event.TLS
	case "udp":
		c.Transport = event.UDP
	}
	switch st.What {
	case "in":
		c.Initiator = event.Remote
	case "out":
		c.Initiator = event.Local
	}
	b.conns[c.Name] = c
	if err := b.addresses(st, c); err != nil {
		return err
	}
	b.ids++
	c.ID = b.ids
	var err error
	if c.Owner, err = process(st.Args, holder); err != nil {
		return err
	}
	return b.begin(st, c)
}

// begin says what became of the declared connection at once.
func (b *builder) begin(st *Step, c *Conn) error {
	how := event.HowUnknown
	states := 0
	for word, h := range map[string]event.How{
		"refused": event.Refused, "timeout": event.Timeout, "unreachable": event.Unreachable,
		"midlife": 0, "noopen": 0,
	} {
		if has(st.Args, word) {
			states++
			how = h
		}
	}
	c.MidLife = has(st.Args, "midlife")
	switch {
	case states > 1:
		return fault("%s: only one of midlife, noopen, refused, timeout, unreachable", c.Name)
	case has(st.Args, "noopen"):
	case how != event.HowUnknown:
		c.closed = true
		b.do(Action{Act: Fails, Conn: c, How: how})
	default:
		c.opened = true
		b.do(Action{Act: Opens, Conn: c})
	}
	if c.Transport == event.TLS {
		return b.shake(st, c)
	}
	return nil
}

func (b *builder) open(st *Step) error {
	c := b.conns[st.Conn]
	if c == nil || c.opened || c.closed {
		return fault("open %s: declare it first with noopen", st.Conn)
	}
	c.opened = true
	b.do(Action{Act: Opens, Conn: c})
	return nil
}

// addresses fills in what the step does not say: the listening end has the
// standard port, the other one the next ephemeral port.
func (b *builder) addresses(st *Step, c *Conn) error {
	for _, end := range []struct {
		side event.Side
		key  string
		host netip.Addr
		addr *netip.AddrPort
	}{
		{event.Local, "local", here, &c.Local},
		{event.Remote, "remote", there, &c.Remote},
	} {
		port := defaultPort(c.Transport)
		if c.Initiator == end.side {
			b.used[end.side]++
			port = b.used[end.side]
		}
		*end.addr = netip.AddrPortFrom(end.host, port)
		if v, ok := option(st.Args, end.key); ok {
			var err error
			if *end.addr, err = address(v, port); err != nil {
				return err
			}
		}
	}
	if c.Local.Addr().Is4() != c.Remote.Addr().Is4() {
		return fault("%s: %s and %s are of different IP versions; give local= and remote=", c.Name, c.Local, c.Remote)
	}
	return nil
}
