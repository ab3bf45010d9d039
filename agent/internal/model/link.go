// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// link is a connection, or the UDP flow.
type link struct {
	w      *World
	opener *party
	conn   *script.Conn
	open   bool
	last   event.Time // message
	busy   int        // transactions and dialogs that use it
	kept   bool       // promised to be kept
	asked  int        // requests that were seen and have no final response
	beats  [2]keeper  // by index of the sender
}

// path is where p sends a request: a connection that it opened itself, as
// RFC 3261 section 18 has it, or the one that both agreed to share.
func (p *party) path() *link {
	w := p.w
	if !w.stream() {
		if w.flow == nil {
			w.flow = &link{w: w, open: true, conn: w.script.UDP(w.parties[0].addr.String(), w.parties[1].addr.String())}
		}
		return w.flow
	}
	if shared := p.peer.link; !p.own && p.peer.reg.shares() && shared != nil && shared.open {
		return shared
	}
	if p.link == nil || !p.link.open {
		p.link = p.connect()
	}
	return p.link
}

// connect opens a connection from p to the other's listener.
func (p *party) connect() *link {
	w := p.w
	p.port = 40000 + (p.port+1)%20000
	from := netip.AddrPortFrom(p.addr.Addr(), p.port)
	local, remote := from, p.peer.addr
	if p.side == event.Remote {
		local, remote = remote, local
	}
	l := &link{w: w, opener: p, open: true, last: w.Now, conn: w.script.TCP(p.side, local.String(), remote.String())}
	l.conn.Transport = w.cfg.Transport
	l.conn.SeqIn, l.conn.SeqOut = w.rng.Uint32(), w.rng.Uint32()
	l.conn.Open()
	w.links[l.conn.Socket] = l
	w.flush()
	l.watch()
	return l
}

// watch closes the connection once it has been of no use for a while: never
// before 64*T1 have passed since the last message (RFC 3261 section 18).
func (l *link) watch() {
	if l.w.cfg.Idle {
		return
	}
	l.w.after(l.w.between(33*time.Second, 90*time.Second), func() {
		switch {
		case !l.open:
		case l.busy == 0 && l.w.Now.Sub(l.last) < 30*time.Second && !l.opener.reg.uses(l) && l.w.commits("TP-01"):
			l.close(l.opener)
		case l.busy > 0 || l.kept || l.opener.reg.uses(l) || l.w.Now.Sub(l.last) < 33*time.Second:
			l.watch()
		default:
			l.close(l.opener)
		}
	})
}

// close ends the connection by a FIN of p, which the other answers.
func (l *link) close(p *party) {
	l.open = false
	delete(l.w.links, l.conn.Socket)
	l.conn.FIN(p.dir)
	l.w.flush()
	l.w.after(time.Millisecond, func() {
		l.conn.Close(p.side, event.FIN)
		l.w.flush()
	})
}

// put sends bytes of p, in up to three segments on a stream.
func (l *link) put(p *party, b string) {
	if l.w.stream() && l.w.chance(10) && len(b) > 3 {
		cut := 1 + l.w.rng.IntN(len(b)-2)
		l.conn.Data(p.dir, b[:cut])
		l.conn.Data(p.dir, b[cut:])
	} else {
		l.conn.Data(p.dir, b)
	}
	l.last = l.w.Now
	l.w.flush()
}

// via is the topmost Via of a request of p.
func (l *link) via(p *party, branch string) string {
	via := fmt.Sprintf("SIP/2.0/%s %s;branch=%s", l.protocol(), p.addr, branch)
	if !l.w.stream() {
		via += ";rport"
	}
	return via
}

func (l *link) protocol() string {
	switch l.w.cfg.Transport {
	case event.UDP:
		return "UDP"
	case event.TLS:
		return "TLS"
	}
	return "TCP"
}

// End has the connection closed by the observer, and returns why that is wrong,
// if it is.
func (w *World) End(socket uint64) string {
	l := w.links[socket]
	switch {
	case l == nil:
		return "there is no such connection"
	case l.asked > 0:
		return "a transaction is pending"
	case w.Now.Sub(l.last) < 32*time.Second:
		return "the last message was " + w.Now.Sub(l.last).String() + " ago"
	}
	l.close(w.parties[0])
	return ""
}
