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
	c := &conn{name: st.Conn, transport: event.TCP, step: *st}
	switch st.Verb {
	case "tls":
		c.transport = event.TLS
	case "udp":
		c.transport = event.UDP
	}
	switch st.What {
	case "in":
		c.initiator = event.Remote
	case "out":
		c.initiator = event.Local
	}
	b.conns[c.name] = c
	if err := b.addresses(st, c); err != nil {
		return err
	}
	b.ids++
	c.id = b.ids
	var err error
	if c.owner, err = process(st.Args, holder); err != nil {
		return err
	}
	return b.begin(st, c)
}

// begin says what became of the declared connection at once.
func (b *builder) begin(st *Step, c *conn) error {
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
	c.midLife = has(st.Args, "midlife")
	switch {
	case states > 1:
		return fault("%s: only one of midlife, noopen, refused, timeout, unreachable", c.name)
	case has(st.Args, "noopen"):
	case how != event.HowUnknown:
		c.closed = true
		b.do(action{kind: fails, conn: c, how: how})
	default:
		c.opened = true
		b.do(action{kind: opens, conn: c})
	}
	return nil
}

func (b *builder) open(st *Step) error {
	c := b.conns[st.Conn]
	if c == nil || c.opened || c.closed {
		return fault("open %s: declare it first with noopen", st.Conn)
	}
	c.opened = true
	b.do(action{kind: opens, conn: c})
	return nil
}

// addresses fills in what the step does not say: the listening end has the
// standard port, the other one the next ephemeral port.
func (b *builder) addresses(st *Step, c *conn) error {
	for _, end := range []struct {
		side event.Side
		key  string
		host netip.Addr
		addr *netip.AddrPort
	}{
		{event.Local, "local", here, &c.local},
		{event.Remote, "remote", there, &c.remote},
	} {
		port := defaultPort(c.transport)
		if c.initiator == end.side {
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
	if c.local.Addr().Is4() != c.remote.Addr().Is4() {
		return fault("%s: %s and %s are of different IP versions; give local= and remote=", c.name, c.local, c.remote)
	}
	return nil
}
