// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var afterClose = rule.Rule{
	ID:       "AL-10",
	Source:   "RFC 5923 section 8.3",
	Severity: rule.Advice,
	Fault:    "receiver of the close",
	Asks:     "Who was told that the other side closes starts no new transaction on the connection.",
	Broken:   "A new request goes out on a connection that the other side has closed",
	Silent:   "TLS closure alerts cannot be seen without the TLS library's probes; a FIN is judged instead, hence advice. What was sent within 100 ms of it (two seconds for the peer) may have crossed it. Aliased connections of this host are AL-25's, offers of persistent PERS-05's.",
	Check:    rule.Check{Only: rule.New | rule.Over, Request: startsLate},
}

var oldPort = rule.Rule{
	ID:       "AL-24",
	Source:   "RFC 5923 section 8.2",
	Severity: rule.Violation,
	Fault:    "server (acceptor)",
	Asks:     "When an aliased connection is gone, the way back is to the port of the sent-by, or 5061 if it has none; the port that the client sent from does not count.",
	Broken:   "A new connection goes to the port that the client had sent from",
	Silent:   "Peers. Judged at the first request on the new connection: if a Route or the Request-URI names that port, it is right.",
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Beginning, Request: toOldPort},
}

var deadConnection = rule.Rule{
	ID:       "AL-25",
	Source:   "RFC 5923 sections 8.1 and 8.2",
	Severity: rule.Violation,
	Fault:    "request sender (either side)",
	Asks:     "When an aliased connection has gone, the next request goes over a new one to the same address.",
	Broken:   "A request is written to an aliased connection that has gone, and no new one is tried",
	Silent:   "Peers, and requests that are given up without being written. An attempt within 32 s is enough, whatever becomes of it. What was written within 100 ms of the close may have crossed it.",
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Over | rule.Secured, Request: noNewConnection},
}

var lateAck = rule.Rule{
	ID:       "AL-26",
	Source:   "RFC 5923 section 8.1",
	Severity: rule.Advice,
	Fault:    "client (originator)",
	Asks:     "If the aliased connection closed after the INVITE, the ACK for its rejection goes over a new one.",
	Broken:   "An INVITE was rejected on another connection after its own had closed, and has no ACK",
	Silent:   "CANCEL: whether the caller gave up is not known. Judged only if the rejection was seen, ten seconds later.",
	Check:    rule.Check{Response: rejectedElsewhere, Request: acknowledged},
}

// crossing is how long after a FIN the other side may not have seen it.
func crossing(writer event.Side) time.Duration {
	if writer == event.Local {
		return 100 * time.Millisecond
	}
	return 2 * time.Second
}

// late says whether the writer sends a new request though the other side's FIN
// has reached it.
func late(x *rule.Scene) bool {
	c := x.Conn
	return c.EndedAt != 0 && c.How == event.FIN && own(x) && x.Msg.Method != sipparse.MethodAck &&
		c.By == x.Reader() && x.Now.Sub(c.EndedAt) > crossing(x.Writer()) && c.Whole()
}

func startsLate(x *rule.Scene) {
	if x.Conn.EndedAt == 0 || !late(x) || x.Conn.PersistentBy() == x.Writer() ||
		x.Writer() == event.Local && x.Conn.AliasBy() != event.Unknown {
		return
	}
	x.Raise(x.Writer(), "%s %s after the FIN of the other side", x.Msg.Label(), x.Now.Sub(x.Conn.EndedAt).Round(time.Millisecond))
}

// attempt is a new connection that somebody should try.
type attempt struct{ made bool }

// mustConnect notes that this host has to connect anew: the connection that it
// wrote a request to has gone.
func (m *mind) mustConnect(x *rule.Scene) {
	c := x.Conn
	if c.EndedAt == 0 || c.AliasBy() == event.Unknown || x.Writer() != event.Local || c.PersistentBy() == event.Local || !late(x) {
		return
	}
	to := resolved(x)
	if m.retries[to] == nil {
		room(m, m.retries)
		a := &attempt{}
		for other := range x.Outgoing.To(to) {
			a.made = other.OpenedAt >= c.EndedAt
			break // the newest
		}
		m.retries[to] = a
	}
}

// resolved is where this host's requests for the other side of an aliased
// connection go.
func resolved(x *rule.Scene) netip.AddrPort {
	if x.Conn.Initiator == event.Local {
		return x.Conn.Remote
	}
	return goodFor(x.Conn)
}

func (m *mind) tried(to netip.AddrPort) {
	if a := m.retries[to]; a != nil {
		a.made = true
	}
}

func noNewConnection(x *rule.Scene) {
	if x.Conn.EndedAt == 0 || x.Conn.Transport != event.TLS || x.Writer() != event.Local || !late(x) {
		return
	}
	m := x.Mine.(*mind)
	to := resolved(x)
	a := m.retries[to]
	if a == nil {
		return
	}
	label, since := x.Msg.Label(), x.Now.Sub(x.Conn.EndedAt).Round(time.Millisecond)
	x.After(transaction.Timeout, func(x *rule.Scene) {
		if m.retries[to] == a {
			delete(m.retries, to)
		}
		if !a.made {
			x.Raise(event.Local, "%s written %s after the peer's FIN, no connection to %s tried", label, since, to)
		}
	})
}

// once is an aliased connection that ended: from where the peer had sent, and
// where it says that it listens.
type once struct {
	from uint16
	good uint16
	at   event.Time
}

// remember is for connections that the peer opened.
func (m *mind) remember(x *rule.Scene) {
	c := x.Conn
	if good := c.AliasPort(); good != c.Remote.Port() {
		room(m, m.gone)
		m.gone[c.Remote.Addr()] = once{c.Remote.Port(), good, x.Now}
	}
}

func toOldPort(x *rule.Scene) {
	m := x.Mine.(*mind)
	c := x.Conn
	if len(m.gone) == 0 || x.Dir != event.Out || c.Initiator != event.Local || c.Transport == event.UDP || c.Sent.N != 1 || !own(x) {
		return
	}
	old, known := m.gone[c.Remote.Addr()]
	if !known || c.Remote.Port() != old.from {
		return
	}
	hop, ok := message.NextHop(x.Msg.Head)
	if !ok || hop.HasPort && hop.Port != old.good {
		return
	}
	x.Raise(event.Local, "%s went to %s, the alias was for port %d", x.Msg.Label(), c.Remote, old.good)
}

// ackWithin is when an ACK is missing: nothing but the network delays it.
const ackWithin = 10 * time.Second

func rejectedElsewhere(x *rule.Scene) {
	if x.Verdict != transaction.Final || !x.Tx.Elsewhere || x.Msg.Method != sipparse.MethodInvite || x.Msg.Status < 300 ||
		x.Tx.Conn.AliasBy() != side(x.Tx.Dir) || x.Tx.Conn.EndedAt == 0 || !x.Tx.Conn.Whole() || !x.Conn.Whole() {
		return
	}
	m, key, dir := x.Mine.(*mind), x.Tx.Key, x.Tx.Dir
	status, label := x.Msg.Status, x.Msg.Label()
	room(m, m.unacked)
	m.unacked[key] = dir
	x.After(ackWithin, func(x *rule.Scene) {
		if _, missing := m.unacked[key]; missing {
			delete(m.unacked, key)
			x.Raise(side(dir), "%d for %s, no ACK within %s", status, label, ackWithin)
		}
	})
}

func acknowledged(x *rule.Scene) {
	m := x.Mine.(*mind)
	if len(m.unacked) == 0 || x.Msg.Method != sipparse.MethodAck {
		return
	}
	if key := transaction.KeyOf(x.Msg); m.unacked[key] == x.Dir {
		delete(m.unacked, key)
	}
}
