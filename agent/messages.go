// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// message takes one message, given by its head, that went in direction d. If
// its start was found in bytes whose framing was lost, or after a gap, the
// beginning of the start line may be missing, which the CSeq shows.
func (c *Core) message(conn *connection, d event.Direction, t event.Time, head []byte, size int, recovered bool) {
	m := &c.msg
	doubtful := recovered || conn.Incomplete || conn.MidLife
	if !m.Parse(head) || doubtful && m.Request && !bytes.Equal(m.MethodName, m.CSeq.MethodName) {
		conn.Messages.Malformed++
		c.lost.ParseErrors++
		return
	}
	if c.cfg.Heard != nil {
		c.cfg.Heard(Heard{Conn: &conn.Conn, Local: c.localEnd(conn), Direction: d, Time: t, Head: head})
	}
	m.Size = size
	c.count(conn, d, m)
	c.stale(conn)
	conn.LastSIP[index(d)] = max(conn.LastSIP[index(d)], t)
	if !m.Usable() {
		conn.Messages.Malformed++
		c.lost.ParseErrors++
		return
	}
	if m.Request {
		c.request(conn, d, t, m)
	} else {
		c.response(conn, d, t, m)
	}
	c.reviewAfter(conn, d, t)
}

func (c *Core) count(conn *connection, d event.Direction, m *message.Message) {
	kind := metrics.Request
	switch {
	case m.Request && d == event.Out:
		conn.Messages.RequestsSent++
	case m.Request:
		conn.Messages.RequestsReceived++
	case d == event.Out:
		kind = metrics.Response
		conn.Messages.ResponsesSent++
	default:
		kind = metrics.Response
		conn.Messages.ResponsesReceived++
	}
	method := m.Method
	if int(method) >= metrics.Methods {
		method = sipparse.MethodUnknown
	}
	c.counters.Messages[conn.Transport][d][kind][method]++
}

func (c *Core) request(conn *connection, d event.Direction, t event.Time, m *message.Message) {
	tx, verdict := c.txs.Request(&conn.tx, transaction.KeyOf(m), d, m, t)
	switch verdict {
	case transaction.Retransmission:
		conn.Messages.Retransmissions++
	case transaction.Fresh:
		tx.Offer, tx.Local = negotiate.Read(m), c.localEnd(conn)
		if m.Method == sipparse.MethodRegister {
			tx.Binds = registration.Read(m, d)
		}
		if m.Method != sipparse.MethodCancel {
			c.askedBehind(conn, tx)
			c.keepAsked(conn, d, t, m, tx)
			c.newRequest(conn, d, t, m, &tx.Offer)
		}
	case transaction.Ack:
		if tx == nil {
			c.keepAsked(conn, d, t, m, nil)
		} else {
			c.confirmsNothing(tx)
		}
	}
	if m.Method == sipparse.MethodNotify && m.Ended {
		c.dialogEnded(conn, d, t, m)
	}
	c.judgeMessage(rule.Request, conn, d, t, tx, verdict)
}

// newRequest takes the first copy of a request that opens a transaction of its
// own; ACK and CANCEL belong to another.
func (c *Core) newRequest(conn *connection, d event.Direction, t event.Time, m *message.Message, o *negotiate.Offer) {
	if conn.Transport == event.UDP && len(m.ToTag) == 0 {
		conn.beginsWith(d) // a request within a dialog: the flow is older
	}
	p := conn.Peer
	p.Requests++
	switch conn.Sent.N + conn.Received.N {
	case 0:
		p.Carriers++
	case 1:
		p.Reused++
		fallthrough
	default:
		p.Again++
	}
	requests := &conn.Sent
	if d == event.In {
		requests = &conn.Received
	}
	if requests.N == 0 {
		*requests = class.Requests{First: m.Label(), InDialog: len(m.ToTag) > 0}
	}
	requests.N++
	if m.Method == sipparse.MethodRegister && conn.Registered.Method == 0 && conn.Initiator == side(d) {
		conn.Registered = m.Label()
	}
	conn.dialogs.Expire(c.dialogs, t, func(g *dialog.Dialog) { c.judgeDialog(rule.DialogOff, conn, 0, t, g) })
	conn.outlived = conn.outlived || conn.dialogs.Ended > 0
	if conn.Neg != nil && conn.EndedAt == 0 { // what goes to a half that closed shows nothing
		conn.Neg.Used(d, t, m.Label(), negotiate.CallOf(m.CallID))
	}
	if o.Any() {
		c.negotiating(conn, t).Offered(d, t, o)
	}
	if d == event.In {
		c.named(conn, m)
		if !conn.joined {
			c.learnSentBy(conn, m)
		}
	}
	if conn.joined && !conn.carried {
		conn.carried = true
		p.Carried(conn.pairPort, conn.Initiator == event.Local, conn.Established, conn.handshake)
	}
	c.place(conn)
}

func (c *Core) response(conn *connection, d event.Direction, t event.Time, m *message.Message) {
	request := opposite(d)
	tx, verdict := c.txs.Response(&conn.tx, transaction.KeyOf(m), request, m.Status, transaction.TagOf(m.ToTag), t)
	switch verdict {
	case transaction.Retransmission:
		conn.Messages.Retransmissions++
		c.judgeMessage(rule.Response, conn, d, t, tx, verdict)
		return
	case transaction.Unmatched:
		c.answersNothing(conn, t, m)
		c.judgeMessage(rule.Response, conn, d, t, tx, verdict)
		return
	}
	if tx.Conn.Neg != nil {
		tx.Conn.Neg.Answered(request, t, &tx.Offer, m)
		c.stale(tx.Conn.Neg.Holder.(*connection))
	}
	if tx.Binds != nil && m.Status/100 == 2 {
		tx.Binds.Forwarded = tx.Forwarded
		c.bound.Answered(tx.Binds, tx.Conn, m, t)
	}
	c.answeredBehind(tx)
	c.keepAnswered(request, t, tx, m)
	if other := c.known(tx.Conn); other != nil && other != conn {
		c.reviewAfter(other, 0, t)
	}
	if verdict == transaction.Final {
		c.followDialog(c.asked(tx, conn), request, t, m)
	}
	c.judgeMessage(rule.Response, conn, d, t, tx, verdict)
}

// asked is the connection that tx's request went on, if it is there to have a
// dialog; else conn, on which the response came.
func (c *Core) asked(tx *transaction.Transaction, conn *connection) *connection {
	if tx.Conn == &conn.Conn {
		return conn
	}
	if other := c.known(tx.Conn); other != nil && other.Open() {
		return other
	}
	return conn
}

// followDialog follows dialogs through final responses: a 2xx to INVITE or
// SUBSCRIBE forms one (RFC 3261 section 12.1), any final response to BYE ends
// it (section 15.1.1), and a subscription ends with its time. d is the
// direction of the request.
func (c *Core) followDialog(conn *connection, d event.Direction, t event.Time, m *message.Message) {
	id, ok := dialogOf(d, m)
	if !ok {
		return
	}
	switch m.Method {
	case sipparse.MethodInvite:
		if m.Status/100 == 2 {
			c.dialogBegan(conn, d, t, 0, id)
		}
	case sipparse.MethodSubscribe:
		switch {
		case m.Status/100 != 2 || !m.Expires.Valid:
		case m.Expires.N == 0:
			c.dialogEnded(conn, d, t, m)
		default:
			c.dialogBegan(conn, d, t, t.Add(time.Duration(m.Expires.N)*time.Second), id)
		}
	case sipparse.MethodBye:
		c.dialogEnded(conn, d, t, m)
	}
}

// dialogOf is the dialog of m, whose request went in direction d: From is its
// sender's side.
func dialogOf(d event.Direction, m *message.Message) (dialog.ID, bool) {
	if d == event.Out {
		return dialog.Of(m.CallID, m.FromTag, m.ToTag)
	}
	return dialog.Of(m.CallID, m.ToTag, m.FromTag)
}

func (c *Core) dialogBegan(conn *connection, d event.Direction, t, until event.Time, id dialog.ID) {
	if g, fresh := c.dialogs.Begin(&conn.dialogs, id, d, t, until); fresh {
		c.judgeDialog(rule.DialogOn, conn, d, t, g)
	}
}

func (c *Core) dialogEnded(conn *connection, d event.Direction, t event.Time, m *message.Message) {
	id, ok := dialogOf(d, m)
	if !ok {
		return
	}
	if c.agreements.Len() > 0 {
		c.agreements.End(agreedIn(d, m), t)
		c.agreements.End(turned(&conn.Conn, d, m), t)
	}
	if ended := c.dialogs.End(id, t); ended != nil {
		c.judgeDialog(rule.DialogOff, conn, d, t, ended)
	}
	if !conn.Sideless {
		return
	}
	id, _ = dialogOf(opposite(d), m) // as in turned
	if ended := c.dialogs.End(id, t); ended != nil {
		c.judgeDialog(rule.DialogOff, conn, opposite(d), t, ended)
	}
}
