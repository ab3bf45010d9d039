// SPDX-License-Identifier: Apache-2.0

// Package traffic makes up SIP traffic for tests of what shows it: as many
// connections as wanted, of the kinds that there are, and hostile ones.
package traffic

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Start is when it begins.
var Start = event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// Traffic is played into a core. Its clock stands still between what happens.
type Traffic struct {
	Core *agent.Core
	Now  event.Time

	sockets uint64
}

// New returns the traffic of a core that keeps histories.
func New(c agent.Config) *Traffic {
	c.Started = Start
	if c.MaxHistory == 0 {
		c.MaxHistory = 32 << 20
	}
	return &Traffic{Core: agent.New(c), Now: Start}
}

// Wait lets time pass, in steps.
func (t *Traffic) Wait(d time.Duration) {
	for step := min(d, time.Second); d > 0; d -= step {
		t.Now = t.Now.Add(min(d, step))
		t.Core.Tick(t.Now)
	}
}

// Conn is one connection of it.
type Conn struct {
	t   *Traffic
	e   event.Event
	seq [2]uint32
}

// Open opens a connection from the given remote address to port 5060 here, or
// if out, to there.
func (t *Traffic) Open(remote string, out bool, process string) *Conn {
	t.sockets++
	c := &Conn{t: t, e: event.Event{
		Transport: event.TCP, Socket: t.sockets, NetNS: 1, Initiator: event.Remote,
		Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort(remote),
		Owner: event.Process{PID: 4242, Name: process}, IdleIn: -1, IdleOut: -1,
	}}
	if out {
		c.e.Initiator, c.e.Local = event.Local, netip.AddrPortFrom(c.e.Local.Addr(), uint16(20000+t.sockets%40000))
	}
	e := c.e
	e.Kind, e.OpenedAt, e.Handshake = event.Opened, t.Now, 1500*time.Microsecond
	c.hand(&e)
	return c
}

func (c *Conn) hand(e *event.Event) {
	e.Time = c.t.Now
	c.t.Core.Handle(e)
}

// Send has bytes go over c, from the remote end or, if out, to it.
func (c *Conn) Send(out bool, b string) *Conn {
	e, n := c.e, 0
	e.Kind, e.Direction = event.Data, event.In
	if out {
		e.Direction, n = event.Out, 1
	}
	e.Payload, e.Length, e.Seq = []byte(b), len(b), c.seq[n]
	c.seq[n] += uint32(len(b))
	c.hand(&e)
	return c
}

// Request has a request go over c, and Answer its response come back. more is
// whole header lines, params are those of the Via.
func (c *Conn) Request(out bool, method, id, params, more string) *Conn {
	return c.Send(out, c.message(out, method+" sip:example.com SIP/2.0", method, id, params, "", more))
}

// Answer answers such a request.
func (c *Conn) Answer(out bool, method, id, status, params, more string) *Conn {
	return c.Send(!out, c.message(out, "SIP/2.0 "+status, method, id, params, ";tag=b"+id, more))
}

func (c *Conn) message(out bool, start, method, id, params, tag, more string) string {
	via := c.e.Remote
	if out {
		via = c.e.Local
	}
	return start + "\r\nVia: SIP/2.0/TCP " + via.String() + ";branch=z9hG4bK" + id + params + "\r\n" +
		"From: <sip:a@example.com>;tag=a" + id + "\r\nTo: <sip:b@example.com>" + tag + "\r\nCall-ID: " + id +
		"\r\nCSeq: 1 " + method + "\r\nMax-Forwards: 70\r\n" + more + "Content-Length: 0\r\n\r\n"
}

// Close ends c by a FIN.
func (c *Conn) Close(by event.Side) { c.end(by, event.FIN) }

func (c *Conn) end(by event.Side, how event.How) {
	e := c.e
	e.Kind, e.By, e.How, e.Handshake = event.Closed, by, how, 1500*time.Microsecond
	c.hand(&e)
}

// Connections plays n of them, of five kinds in turn: a phone that keeps alive
// what it has registered over, one that stopped doing so, a peer that opens a
// connection for each request, one that is refused, and a trunk in use.
func (t *Traffic) Connections(n int) {
	for i := range n {
		addr := fmt.Sprintf("198.51.%d.%d:%d", 100+i/25000%100, 1+i/100%250, 10000+i%50000)
		id := fmt.Sprint("c", i)
		switch i % 5 {
		case 0, 1:
			c := t.Open(addr, false, "kamailio")
			c.Request(false, "REGISTER", id, ";keep", "Supported: outbound, path\r\n"+contact+"\r\n")
			c.Answer(false, "REGISTER", id, "200 OK", ";keep=30", "Require: outbound\r\n"+contact+";expires=3600\r\n")
			for range 2 - i%5*2 {
				c.Send(false, "\r\n\r\n").Send(true, "\r\n")
			}
		case 2:
			c := t.Open(addr, false, "kamailio").Request(false, "OPTIONS", id, "", "").Answer(false, "OPTIONS", id, "200 OK", "", "")
			c.Close(event.Remote)
		case 3:
			t.Open(addr, true, "asterisk").Request(true, "INVITE", id, ";alias", "").Close(event.Remote)
		case 4:
			c := t.Open(addr, true, "asterisk")
			for j := range 1 + i%3 {
				more := fmt.Sprint(id, "-", j)
				c.Request(true, "MESSAGE", more, "", "").Answer(true, "MESSAGE", more, "404 Not Found", "", "")
			}
		}
	}
}

// Hostile plays what would act on who shows it, if it were not shown as text.
func (t *Traffic) Hostile() {
	for i, evil := range Evil {
		c := t.Open(fmt.Sprintf("203.0.113.%d:666", 1+i), false, `<b onmouseover="document.title='owned'">sip</b>`)
		c.Request(false, "OPTIONS", fmt.Sprint("e", i), ";keep="+evil, "User-Agent: "+evil+"\r\n")
		c.Request(false, "OPTIONS", fmt.Sprint("d", i), ";rport;"+evil+"="+evil, "X-"+evil+": "+evil+"\r\n")
		c.Request(false, evil, fmt.Sprint("m", i), "", "")
		c.Close(event.Remote)
	}
}

// Evil are pieces of such messages.
var Evil = []string{
	`"><script>document.title='owned'</script>`,
	`</script><script>document.title='owned'</script><!--`,
	`<img src=x onerror=document.title='owned'>`,
	"\x00\x01\x1b[2J\x7f",
	"\u202egnp.exe\u202c\u2066\u200f",
	"\xff\xfe\xc0\xaf\xed\xa0\x80",
	"]]>&lt;&#x3c;${document.title='owned'}{{7*7}}`",
	strings.Repeat("A<i>\u202e", 64<<10/6),
	"\u2028\u2029\\u003cscript\\u003e",
}
