// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// What a UA does when a registrar puts it off.

// place is a server: the same address may be UDP and TCP.
type place struct {
	addr   netip.AddrPort
	stream bool
}

func placeOf(c *fact.Conn, d event.Direction) place { return place{server(c, d), c.Stream()} }

// retryAfter is until when a registration has to wait for a server.
type retryAfter struct {
	server place
	until  event.Time
}

// retryAfterOf reads the Retry-After of a response.
func retryAfterOf(x *rule.Scene) (d time.Duration, ok bool) {
	var p sipparse.Parser
	if _, err := p.Start(x.Msg.Head); err != nil {
		return 0, false
	}
	for p.Next() {
		if h := p.Field(); h.ID == sipparse.HeaderRetryAfter {
			n := sipparse.ParseDelta(h.Value)
			return time.Duration(n.N) * time.Second, n.Valid
		}
	}
	return 0, false
}

var keepsFlow = rule.Rule{
	ID:       "OB-29",
	Source:   "RFC 5626 section 4.2.2",
	Severity: rule.Advice,
	Fault:    "registering UA",
	Asks:     "A refresh that is refused for the moment, as by 503 with Retry-After, is no reason to close the flow.",
	Broken:   "A UA closed its flow because a refresh was put off",
	Silent:   "Other refusals than 503 with Retry-After, 401, 407 and 423; a close later than 32 s, or by the server; a process that was exiting; a keep-alive without an answer; UDP.",
	Check: rule.Check{Ended: func(x *rule.Scene) {
		if x.Conn.Notes == nil || x.Conn.Exiting || !x.Conn.Whole() {
			return
		}
		n := note.Of[connNote](x.Conn.Notes, note.Outbound)
		if n == nil || n.deferred == 0 || x.Now.Sub(n.deferred) > stay || unanswered(x.Conn, x.Now) {
			return
		}
		for _, b := range x.Bindings.Over(x.Conn) {
			if b.Direct && b.Outbound && b.Alive(x.Now) && fact.Side(b.Dir) == x.Conn.By {
				x.Raise(x.Conn.By, "closed %s after %d to a refresh of reg-id %d", x.Now.Sub(n.deferred).Round(time.Millisecond), n.status, b.RegID)
				return
			}
		}
	}},
}

var honoursWait = rule.Rule{
	ID:       "OB-30",
	Source:   "RFC 5626 sections 4.2.1 and 4.5, RFC 3261 section 21.5.4",
	Severity: rule.Advice,
	Fault:    "registering UA",
	Asks:     "After 503 with Retry-After a UA sends the server no new request before that time is over.",
	Broken:   "A UA did not wait as a 503 told it",
	Silent:   "Requests within dialogs, ACK, CANCEL and keep-alives; other servers; other UAs behind the same address; REGISTERs that came through a proxy.",
	Check: rule.Check{Only: rule.New, Request: func(x *rule.Scene) {
		s := x.Mine.(*state)
		if s.retry.len() == 0 || x.Verdict != transaction.Fresh || x.Msg.Method == sipparse.MethodCancel || x.Msg.Vias != 1 || len(x.Msg.ToTag) > 0 {
			return
		}
		if until := waits(x, s); until.Sub(x.Now) > time.Second {
			x.Raise(x.Writer(), "%s %s before the time that Retry-After gave", x.Msg.Label(), until.Sub(x.Now).Round(time.Second))
		}
	}},
}

// waits is until when the sender of x was told to wait, 0 if it was not.
func waits(x *rule.Scene, s *state) event.Time {
	if x.Conn.Notes != nil {
		if n := note.Of[connNote](x.Conn.Notes, note.Outbound); n != nil && n.wait > x.Now && x.Dir == n.waiter {
			return n.wait
		}
	}
	r := x.Tx.Binds
	if r == nil {
		return 0
	}
	for i := range r.Contacts {
		k := registration.KeyOf(r, &r.Contacts[i], x.Conn.NetNS)
		w := s.retry.find(k)
		switch {
		case w == nil || w.server != placeOf(x.Conn, r.Dir):
		case w.until <= x.Now:
			s.retry.drop(k)
		default:
			return w.until
		}
	}
	return 0
}

// putOff notes a final response to a REGISTER that puts the UA off:
// bookkeeping of the family.
func putOff(x *rule.Scene, r *registration.Request) {
	if !r.Direct {
		return
	}
	conn := x.Tx.Conn
	wait, told := time.Duration(0), false
	if x.Msg.Status == 503 {
		wait, told = retryAfterOf(x)
	}
	refresh := false
	for _, b := range x.Bindings.Over(conn) {
		refresh = refresh || b.AOR == r.AOR && b.Dir == r.Dir && b.Outbound
	}
	switch {
	case ok2xx(x):
		if n := note.Of[connNote](conn.Notes, note.Outbound); n != nil {
			n.deferred, n.wait = 0, 0
		}
		return
	case refresh && (told || x.Msg.Status == 401 || x.Msg.Status == 407 || x.Msg.Status == 423):
		n := note.On[connNote](&conn.Notes, note.Outbound)
		n.deferred, n.status = x.Now, x.Msg.Status
	}
	if !told || wait == 0 {
		return
	}
	n := note.On[connNote](&conn.Notes, note.Outbound)
	n.wait, n.waiter = x.Now.Add(wait), r.Dir
	s := x.Mine.(*state)
	for i := range r.Contacts {
		k, until := registration.KeyOf(r, &r.Contacts[i], conn.NetNS), n.wait
		*s.retry.get(k) = retryAfter{placeOf(conn, r.Dir), until}
		x.At(until, func(*rule.Scene) {
			if w := s.retry.find(k); w != nil && w.until <= until {
				s.retry.drop(k)
			}
		})
	}
}

// beats says whether the UA sent keep-alives on its flow, and whether any was
// answered.
func beats(c *fact.Conn, ua event.Direction) (sent, answered bool) {
	if c.Alive == nil {
		return false, false
	}
	own, other := c.Alive.Sent(ua), c.Alive.Sent(event.In+event.Out-ua)
	return own.Pings+own.Stun > 0, other.Pongs+other.Answers > 0
}

// answerable says whether a keep-alive of the kind answers another.
func answerable(k keepalive.Kind) bool {
	return k == keepalive.Pong || k == keepalive.StunResponse
}
