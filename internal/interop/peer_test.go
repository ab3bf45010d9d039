// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// kind is what a peer saw arrive, or end.
type kind string

const (
	opened  kind = "opened"
	sip     kind = "sip"
	ping    kind = "ping" // double CRLF
	pong    kind = "crlf" // lone CRLF
	stun    kind = "stun"
	other   kind = "other"
	ended   kind = "fin"
	aborted kind = "rst"
)

type item struct {
	at   time.Time
	flow *flow
	kind kind
	message
}

// peer is a scripted SIP element: it keeps all that arrives, in order and with
// the time, and answers requests as told.
type peer struct {
	*lab
	side
	answer func(*flow, message) message // "" for none
	pongs  bool                         // answer keep-alives, too

	mu    sync.Mutex
	items []item
}

// flow is one connection of a peer, or one remote address over UDP.
type flow struct {
	peer          *peer
	transport     string
	local, remote netip.AddrPort
	conn          net.Conn
	datagrams     *net.UDPConn
}

// newPeer plays on s; without an answer it says 200 to every request but ACK.
func (l *lab) newPeer(s side, answer func(*flow, message) message) *peer {
	if answer == nil {
		answer = func(_ *flow, m message) message { return accepted(m) }
	}
	return &peer{lab: l, side: s, answer: answer}
}

// accepted is the 200 of a registrar, for REGISTER, and of anyone else.
func accepted(m message, more ...string) message {
	if m.method() == "ACK" {
		return ""
	}
	if m.method() == "REGISTER" {
		more = append(more, "Contact: "+m.field("contact"))
		if m.field("expires") != "" {
			more = append(more, "Expires: "+m.field("expires"))
		}
	}
	return m.reply("200 OK", more...)
}

// listen takes TCP connections and datagrams on a port.
func (p *peer) listen(port uint16) {
	p.Helper()
	local := netip.AddrPortFrom(p.addr, port)
	p.in(p.T, func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		listener, err := config.Listen(context.Background(), "tcp", local.String())
		if err != nil {
			p.Fatal(err)
		}
		p.Cleanup(func() { listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				p.stream(c)
			}
		}()
	})
	p.datagrams(port)
}

// dial connects to a program under test, over TCP.
func (p *peer) dial(remote netip.AddrPort) *flow {
	p.Helper()
	var f *flow
	p.until(patience, func() string {
		var err error
		p.in(p.T, func() {
			var c net.Conn
			if c, err = net.Dial("tcp", remote.String()); err == nil {
				f = p.stream(c)
			}
		})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	return f
}

func (p *peer) handle(f *flow, m message) {
	p.saw(f, sip, m)
	if m.method() != "" {
		if reply := p.answer(f, m); reply != "" {
			f.send(string(reply))
		}
	}
}

func (p *peer) saw(f *flow, k kind, m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.items = append(p.items, item{time.Now(), f, k, m})
	switch {
	case !p.pongs:
	case k == ping && f.conn != nil:
		f.send("\r\n")
	case k == stun && m[0] == 0: // a request
		f.send(bindingSuccess(m, f.remote))
	}
}

// send writes bytes; that the program has closed meanwhile shows elsewhere.
func (f *flow) send(b string) {
	if f.conn != nil {
		f.conn.Write([]byte(b))
	} else {
		f.datagrams.WriteToUDPAddrPort([]byte(b), f.remote)
	}
}

// datagrams is a bound socket.
func (p *peer) datagrams(port uint16) *net.UDPConn {
	p.Helper()
	var c *net.UDPConn
	p.in(p.T, func() {
		var err error
		if c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr, port))); err != nil {
			p.Fatal(err)
		}
	})
	p.Cleanup(func() { c.Close() })
	go p.receive(c)
	return c
}
