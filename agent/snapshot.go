// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// otherPeer is the name of a peer that no policy names.
const otherPeer = "other"

// Report says what was seen up to now, which it lets time pass to. Connections
// come by when they opened, those of unknown age first.
func (c *Core) Report(now event.Time) *report.Report {
	c.Tick(now)
	all := c.all()
	r := &report.Report{
		Schema:      report.Schema,
		Source:      c.cfg.Source,
		Started:     c.cfg.Started.Go(),
		Ended:       now.Go(),
		Connections: make([]report.Connection, 0, len(all)),
		Peers:       make([]report.Peer, 0, c.peers.Len()),
		Findings:    []report.Finding{},
		Actions:     []report.Action{},
		Features:    map[string]string{},
		Lost:        c.losses(),
	}
	of := c.findings(r)
	for _, conn := range all {
		line := c.report(conn, now)
		line.Findings = append(line.Findings, of[conn.ID]...)
		if line.Class.Observed == class.Persistent.String() {
			r.Summary.Persistent++
		}
		r.Connections = append(r.Connections, line)
	}
	r.Summary.Connections = len(all)
	for _, a := range c.acts.order {
		r.Actions = append(r.Actions, *a)
	}
	for _, p := range c.peers.All() {
		r.Peers = append(r.Peers, peerLine(p))
	}
	return r
}

func (c *Core) all() []*connection {
	all := make([]*connection, 0, len(c.tcp)+len(c.flows)+c.closed.len())
	all = append(all, c.closed.records...)
	for _, conn := range c.tcp {
		all = append(all, conn)
	}
	for _, conn := range c.flows {
		all = append(all, conn)
	}
	slices.SortFunc(all, func(a, b *connection) int {
		return cmp.Or(cmp.Compare(a.began(), b.began()), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// began is what connections are ordered by.
func (conn *connection) began() event.Time {
	if conn.OpenedAt == 0 && !conn.MidLife {
		return conn.First
	}
	return conn.OpenedAt
}

func (c *Core) losses() report.Lost {
	l := c.lost
	l.RingFull, l.MapFull, l.QueueOverrun = c.source.RingFull, c.source.MapFull, c.source.QueueOverrun
	l.CaptureDropped, l.Unreadable, l.Fragments = c.source.CaptureDropped, c.source.Unreadable, c.source.Fragments
	l.Unclaimed = c.early.Unclaimed
	l.Evicted = c.evictions().Total()
	return l
}

func (c *Core) evictions() metrics.Evicted {
	e := c.evicted
	e.Transactions, e.Dialogs, e.Pairs = c.txs.Evicted, c.dialogs.Evicted, c.peers.Evicted
	e.Bindings = c.bound.Evicted
	e.Findings, e.Timers = c.rules.Findings.Dropped, c.rules.Dropped
	e.Agreements = c.agreements.Evicted
	e.Notes = c.rules.Evicted() + c.programs.Evicted
	return e
}

func (conn *connection) evidence(now event.Time) class.Evidence {
	m := &conn.Messages
	e := class.Evidence{
		Transport:  conn.Transport,
		Initiator:  conn.Initiator,
		MidLife:    conn.MidLife,
		Failed:     conn.Failed,
		Sent:       conn.Sent,
		Received:   conn.Received,
		Messages:   m.RequestsSent + m.RequestsReceived + m.ResponsesSent + m.ResponsesReceived,
		Registered: conn.Registered,
		Dialogs:    conn.dialogs.Ended,
		Outlived:   conn.outlived,
		Negotiated: conn.Neg,
		Sideless:   conn.Sideless,
		Local:      conn.Local,
		Remote:     conn.Remote,
		End:        now,
	}
	if conn.Alive != nil {
		in, out := conn.Alive.Sent(event.In), conn.Alive.Sent(event.Out)
		e.Keepalives = in.Pings + in.Stun + out.Pings + out.Stun
	}
	if conn.EndedAt != 0 {
		e.End = conn.EndedAt
		if conn.Neg != nil && conn.By != event.Unknown {
			e.ByOther = conn.By != side(conn.Neg.Persistent.By)
		}
	}
	return e
}

func peerLine(p *peer.Peer) report.Peer {
	line := report.Peer{
		Name:                  otherPeer,
		Address:               p.Address.String(),
		ConnectionsOpened:     p.Opened,
		ConnectionsReused:     p.Reused,
		ConnectFailures:       p.Failures,
		Requests:              p.Requests,
		RequestsReused:        p.Again,
		HandshakeSecondsSpent: p.Handshake.Seconds(),
		DuplicatePairs:        p.Pairs,
		AvoidableHandshakes:   p.Churn.Handshakes,
		AvoidableSeconds:      p.Churn.Spent.Seconds(),
	}
	if b := p.Beats; b != nil {
		line.Keepalives = &report.Cadence{
			Intervals: b.N, MeanSeconds: b.Mean().Seconds(), LongestSeconds: b.Max.Seconds(), Late: b.Late,
		}
		if b.Promised > 0 {
			line.Keepalives.PromisedSeconds = report.Ref(b.Promised)
		}
	}
	if p.Carriers > 0 {
		line.RequestsPerConnection = float64(p.Requests) / float64(p.Carriers)
	}
	if idle, ok := p.IdleTimeout(event.Remote); ok {
		line.IdleTimeoutSecondsInferred, line.IdleTimeoutCloses = report.Seconds(idle.After), idle.Closes
	}
	if idle, ok := p.IdleTimeout(event.Local); ok {
		line.LocalIdleTimeoutSecondsInferred, line.LocalIdleTimeoutCloses = report.Seconds(idle.After), idle.Closes
	}
	return line
}

func instant(t event.Time) *time.Time {
	if t == 0 {
		return nil
	}
	return report.Ref(t.Go())
}

// sideName names a side of conn, if it has any.
func (conn *connection) sideName(s event.Side) string {
	if conn.Sideless {
		s = event.Unknown
	}
	return [...]string{"unknown", "local", "remote"}[s]
}

func (conn *connection) dirSide(d event.Direction) *string {
	if d == 0 {
		return nil
	}
	return report.Ref(conn.sideName(side(d)))
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

var howNames = [...]string{
	event.FIN: "fin", event.RST: "rst", event.Timeout: "timeout",
	event.Refused: "refused", event.Unreachable: "unreachable", event.Expired: "expired",
}
