// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"bytes"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// asks returns what a new REGISTER asks for, nil for all else.
func asks(x *rule.Scene) *registration.Request {
	if x.Msg.Method != sipparse.MethodRegister || x.Verdict != transaction.Fresh {
		return nil
	}
	return x.Tx.Binds
}

// answers returns what the REGISTER asked for whose final response is looked
// at, nil for all else.
func answers(x *rule.Scene) *registration.Request {
	if x.Msg.Method != sipparse.MethodRegister || x.Verdict != transaction.Final {
		return nil
	}
	return x.Tx.Binds
}

func ok2xx(x *rule.Scene) bool { return x.Msg.Status/100 == 2 }

// requires says whether a response has Require: outbound.
func requires(m *message.Message) bool { return m.Require&message.Outbound != 0 }

// supports says whether the REGISTER listed outbound in Supported.
func supports(r *registration.Request) bool { return r.Supported&message.Outbound != 0 }

// reaches says whether the registrar may apply outbound to r: it came from the
// UA itself, or the first hop marked the Path (RFC 5626 section 6).
func reaches(r *registration.Request) bool { return r.Direct || r.PathOB }

// ua is the side of the UA that wrote a REGISTER's Contact: its sender, or
// unknown if the REGISTER came through others. ok is false for a REGISTER that
// this host passes on: it was judged where it came in.
func ua(x *rule.Scene, r *registration.Request) (side event.Side, ok bool) {
	switch {
	case r.Direct:
		return fact.Side(r.Dir), true
	case x.Tx != nil && x.Tx.Upstream() != nil:
		return event.Unknown, false
	}
	return event.Unknown, true
}

// registrar is the side that answers r. ok is false if a proxy on this host
// passes the answer on.
func registrar(x *rule.Scene, r *registration.Request) (side event.Side, ok bool) {
	return rule.Opposite(fact.Side(r.Dir)), !x.Tx.Forwarded
}

// server is the address that REGISTERs in direction d go to on conn, and
// client the one they come from.
func server(conn *fact.Conn, d event.Direction) netip.AddrPort {
	return conn.Address(rule.Opposite(fact.Side(d)))
}

func client(conn *fact.Conn, d event.Direction) netip.AddrPort {
	return conn.Address(fact.Side(d))
}

// field returns the n-th line of the field, n counting from 0, as evidence;
// "no NAME" if there is none.
func field(m *message.Message, id sipparse.HeaderID, n int) string {
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return "no " + id.String()
	}
	for p.Next() {
		h := p.Field()
		if h.ID != id {
			continue
		}
		if n == 0 {
			return string(h.Name) + ": " + string(h.Value)
		}
		n--
	}
	return "no " + id.String()
}

// contact returns the n-th Contact value, counting from 0, as evidence.
func contact(m *message.Message, n int) string {
	var a sipparse.Address
	if !nth(m, sipparse.HeaderContact, n, &a) {
		return "no Contact"
	}
	return "Contact: " + string(a.Raw)
}

// nth reads the n-th address of the fields of a name.
func nth(m *message.Message, id sipparse.HeaderID, n int, a *sipparse.Address) bool {
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return false
	}
	for p.Next() {
		h := p.Field()
		if h.ID != id {
			continue
		}
		for list := h.Addresses(); list.Next(a); n-- {
			if n == 0 {
				return true
			}
		}
	}
	return false
}

// target is the Request-URI of a request.
func target(m *message.Message, u *sipparse.URIParts) bool {
	var p sipparse.Parser
	start, err := p.Start(m.Head)
	if err != nil || !start.Request {
		return false
	}
	sipparse.ParseURI(start.URI, u)
	return len(u.Host) > 0
}

// forming says whether the request would form a dialog.
func forming(m *message.Message) bool {
	switch m.Method {
	case sipparse.MethodInvite, sipparse.MethodSubscribe, sipparse.MethodRefer:
		return len(m.ToTag) == 0
	}
	return false
}

// alike says whether two connections belong to programs of one name, as far as
// is known: the workers of a server are several processes.
func alike(a, b *fact.Conn) bool {
	return a.NetNS == b.NetNS && (a.Owner.PID == 0 || b.Owner.PID == 0 || a.Owner.Name == b.Owner.Name)
}

// waitsForPong says whether a keep-alive that went in direction d has had no
// answer, so that its sender may take the flow for dead.
func unanswered(c *fact.Conn, now event.Time) bool {
	return c.Alive != nil && c.Alive.Unanswered(now) > 0
}

// lost says whether the source lost anything since t: what did not happen may
// only not have been seen.
func lost(x *rule.Scene, since event.Time) bool { return x.LostAt != 0 && x.LostAt >= since }

func digits(b []byte) bool {
	return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0
}
