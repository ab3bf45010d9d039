// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/lasting"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// negotiating returns what is negotiated on conn, made when first needed.
func (c *Core) negotiating(conn *connection, t event.Time) *negotiate.State {
	if conn.Neg == nil {
		conn.Neg = &negotiate.State{Holder: conn}
	}
	c.agreements.Prune(conn.Neg, t)
	return conn.Neg
}

// keepAsked shows a request to the agreements about keep-alives; tx is nil for
// an ACK, which offers nothing.
func (c *Core) keepAsked(conn *connection, d event.Direction, t event.Time, m *message.Message, tx *transaction.Transaction) {
	switch {
	case tx != nil && tx.Binds != nil:
		if o := &tx.Offer; o.KeepSeen || c.agreements.Registrations() > 0 {
			o.Binding = registrationKey(tx)
			c.agreements.Refreshing(o.Binding, t)
		}
		return
	case len(m.ToTag) == 0 || c.agreements.Len() == 0:
		return
	}
	if key := agreedIn(d, m); c.agreements.Has(key) {
		stands := c.agreements.Follow(key, d, c.negotiating(conn, t), neighbour(&conn.Conn, d), t)
		if tx != nil {
			tx.Offer.Repeats = stands && tx.Offer.KeepSeen
		}
		if m.Method == sipparse.MethodBye { // RFC 3261 section 15.1.1: as soon as it is sent
			c.agreements.End(key, t)
		}
	}
	if key := turned(&conn.Conn, d, m); c.agreements.Has(key) {
		c.agreements.Follow(key, opposite(d), nil, negotiate.Neighbour{}, t)
		if m.Method == sipparse.MethodBye {
			c.agreements.End(key, t)
		}
	}
}

// keepAnswered shows a response to the agreements. d is the direction of its
// request.
func (c *Core) keepAnswered(d event.Direction, t event.Time, tx *transaction.Transaction, m *message.Message) {
	o := &tx.Offer
	if !o.KeepSeen && o.Binding == 0 && c.agreements.Len() == 0 {
		return
	}
	key := agreedIn(d, m)
	if o.KeepSeen || o.Binding != 0 {
		r := negotiate.Reply{
			At: t, Dir: d, Offer: o, Msg: m, State: tx.Conn.Neg, To: neighbour(tx.Conn, d), Dialog: key, Tx: tx.Key.Hash | 1,
		}
		if tx.Binds != nil && m.Status/100 == 2 {
			r.Until = c.registeredUntil(tx.Binds, t, m)
		}
		c.agreements.Answered(&r)
	}
	c.keepOver(key, t, o, m)
	c.keepOver(turned(tx.Conn, d, m), t, o, m)
}

// keepOver ends what was agreed for a dialog that the response ends, or will.
func (c *Core) keepOver(key uint64, t event.Time, o *negotiate.Offer, m *message.Message) {
	switch {
	case !c.agreements.Has(key):
	case o.InDialog && (m.Status == 481 || m.Status == 408): // RFC 3261 section 12.2.1.2
		c.agreements.End(key, t)
	case m.Method == sipparse.MethodSubscribe && m.Status/100 == 2 && m.Expires.Valid:
		c.agreements.Subscribed(key, t.Add(time.Duration(m.Expires.N)*time.Second))
	}
}

// agreedIn is what the agreements know the dialog of m by, whose request went
// in direction d; 0 if m belongs to none.
func agreedIn(d event.Direction, m *message.Message) uint64 {
	if d == event.Out {
		return dialog.Lasting(m.CallID, m.FromTag, m.ToTag)
	}
	return dialog.Lasting(m.CallID, m.ToTag, m.FromTag)
}

// turned is agreedIn where the other end has the local place on this
// connection than on the one where the dialog began: so it is where sides are
// not known, and each has opened a connection. It is 0 where that cannot be.
func turned(conn *fact.Conn, d event.Direction, m *message.Message) uint64 {
	if !conn.Sideless {
		return 0
	}
	return agreedIn(opposite(d), m)
}

// registrationKey says which registration a REGISTER refreshes, wherever it
// goes. Call-ID alone is not enough: a user agent may use one for all its
// accounts (RFC 3261 section 10.2) and all its flows (RFC 5626 section 4.2.1).
// The hops of one REGISTER on this host differ in how many Vias they have.
func registrationKey(tx *transaction.Transaction) uint64 {
	b := tx.Binds
	var regID uint64 // a REGISTER without a contact only asks
	if len(b.Contacts) > 0 {
		regID = 1 + uint64(b.Contacts[0].RegID.N)
	}
	return lasting.Numbers(b.Call, b.AOR, regID, uint64(b.Dir), uint64(tx.Asked.Vias)) | 1
}

// registeredUntil is when the registration ends that the 2xx m confirms, or 0
// if m does not say so for certain.
func (c *Core) registeredUntil(b *registration.Request, t event.Time, m *message.Message) event.Time {
	seconds := m.Expires
	for i := range c.bound.Listed {
		if l := &c.bound.Listed[i]; l.Expires.Valid && (m.Contacts == 1 || len(b.Contacts) > 0 && l.URI == b.Contacts[0].URI) {
			seconds = l.Expires
		}
	}
	if !seconds.Valid {
		return 0
	}
	return t.Add(time.Duration(seconds.N) * time.Second)
}

// neighbour is where conn's requests of direction d go. Only one port of a
// stream is a server's; a UDP keep-alive is bound for one.
func neighbour(conn *fact.Conn, d event.Direction) negotiate.Neighbour {
	n := negotiate.Neighbour{NetNS: conn.NetNS, Addr: conn.Remote.Addr()}
	switch {
	case conn.Transport == event.UDP && d == event.Out, conn.Stream() && conn.Initiator == event.Local:
		n.Port = conn.Remote.Port()
	case conn.Transport == event.UDP, conn.Initiator == event.Remote:
		n.Port, n.Ours = conn.Local.Port(), true
	}
	return n
}
