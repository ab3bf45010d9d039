// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

var transportNames = [...]string{event.TCP: "tcp", event.TLS: "tls", event.UDP: "udp"}

// report is the connection's line as of now.
func (conn *connection) report(now event.Time) report.Connection {
	e := conn.evidence(now)
	line := report.Connection{
		ID:           "c" + number(conn.ID),
		Transport:    transportNames[conn.Transport],
		Local:        conn.Local.String(),
		Remote:       conn.Remote.String(),
		Peer:         conn.Row.Name,
		Initiator:    conn.sideName(conn.Initiator),
		Opened:       instant(conn.OpenedAt),
		Closed:       instant(conn.ClosedAt),
		Class:        conn.classLine(&e),
		Messages:     conn.Messages,
		Transactions: conn.Sent.N + conn.Received.N,

		BytesSent:     max(conn.counts.BytesSent, conn.bytesOut, conn.sealedBytes(event.Out)),
		BytesReceived: max(conn.counts.BytesReceived, conn.bytesIn, conn.sealedBytes(event.In)),
		LostBytes:     conn.lostBytes,
		Retransmits:   conn.counts.Retransmits,
		Incomplete:    conn.Incomplete,
		Findings:      []int{},
	}
	owner := conn.owner()
	if owner.PID != 0 {
		line.Process = &report.Process{PID: owner.PID, Name: owner.Name}
	}
	if in := conn.container(); in != nil {
		line.Container = &report.Container{
			ID: in.ID, Name: orNull(in.Name), PodUID: orNull(in.PodUID), Pod: orNull(in.Pod), Namespace: orNull(in.Namespace),
		}
	}
	if conn.handshake > 0 {
		line.HandshakeSeconds = report.Seconds(conn.handshake)
	}
	if conn.counts.SRTT > 0 {
		line.SRTTSeconds = report.Seconds(conn.counts.SRTT)
	}
	if conn.ClosedAt != 0 || conn.EndedAt != 0 {
		line.Close = conn.closeLine()
	} else {
		line.PendingTransactions = conn.tx.Pending(now)
		if idle := conn.silence(now); idle >= 0 {
			line.IdleSeconds = report.Seconds(idle)
		}
	}
	switch conn.Initiator {
	case event.Local:
		line.RequestsBack = report.Ref(conn.Received.N)
	case event.Remote:
		line.RequestsBack = report.Ref(conn.Sent.N)
	}
	line.Negotiated = conn.negotiated(&e)
	line.Keepalives = conn.keepaliveLine(now)
	if conn.Transport == event.TLS {
		line.TLS = conn.tlsLine()
	}
	line.History = conn.history()
	if conn.upkeep != nil {
		line.Keepalives.Injected = conn.upkeep.Own
	}
	line.Upkeep = conn.upkeepLine(now)
	return line
}

// orNull is null for what is not known.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// classLine adds to the reasons why another class was expected, if it was.
func (conn *connection) classLine(e *class.Evidence) report.Class {
	observed := class.Of(e)
	line := report.Class{Observed: observed.String(), Because: class.Because(e)}
	expected, why := conn.expected(e)
	if expected == class.Undetermined {
		return line
	}
	line.Expected = report.Ref(expected.String())
	if expected != observed && why != "" {
		line.Because = append(line.Because, "expected "+expected.String()+": "+why)
	}
	return line
}

func (conn *connection) closeLine() *report.Close {
	c := &report.Close{By: conn.closer(), PendingTransactions: int(conn.Pending), Exiting: conn.Exiting}
	if conn.How != event.HowUnknown {
		c.How = report.Ref(howNames[conn.How])
	}
	if conn.Idle >= 0 {
		c.IdleSeconds = report.Seconds(conn.Idle)
	}
	return c
}

func (conn *connection) keepaliveLine(now event.Time) report.Keepalives {
	k, byLength := conn.beats()
	if k == nil {
		return report.Keepalives{}
	}
	if conn.ClosedAt != 0 {
		now = conn.ClosedAt
	}
	in, out := k.Sent(event.In), k.Sent(event.Out)
	line := report.Keepalives{
		PingsSent:     out.Pings,
		PingsReceived: in.Pings,
		PongsSent:     out.Pongs,
		PongsReceived: in.Pongs,
		StunSent:      out.Stun,
		StunReceived:  in.Stun,
		StunAnswered:  in.Answers + out.Answers,
		Unanswered:    k.Unanswered(now),
		ToldByLength:  byLength,
	}
	if v, ok := k.Intervals(); ok {
		line.IntervalSeconds = &report.Interval{Min: v.Min.Seconds(), Median: v.Median.Seconds(), Max: v.Max.Seconds()}
	}
	return line
}

func (conn *connection) negotiated(e *class.Evidence) (n report.Negotiated) {
	s := conn.Neg
	if s == nil {
		return n
	}
	if s.Alias.By != 0 {
		n.Alias = conn.aliasLine(&s.Alias)
	}
	if k, d, ok := s.Keep(); ok {
		n.Keep = conn.keepLine(&k, d)
	}
	if s.Persistent.By != 0 {
		n.Persistent = conn.persistentLine(&s.Persistent, e)
	}
	if s.Outbound.By != 0 {
		n.Outbound = &report.Outbound{Offered: true, Agreed: s.Outbound.Agreed}
		if s.Outbound.FlowTimer.Valid {
			n.Outbound.FlowTimerSeconds = report.Ref(s.Outbound.FlowTimer.N)
		}
	}
	return n
}

func (conn *connection) aliasLine(a *negotiate.Alias) *report.Alias {
	line := &report.Alias{
		OfferedBy: conn.dirSide(a.By), TLS: conn.Transport == event.TLS, Used: a.Used, Outcome: a.Outcome(),
	}
	port := a.Port
	switch {
	case port != 0:
	case line.TLS:
		port = 5061
	default:
		port = 5060
	}
	line.SentBy = netip.AddrPortFrom(conn.Address(side(a.By)).Addr(), port).String()
	return line
}

func (conn *connection) keepLine(k *negotiate.Keep, d event.Direction) *report.Keep {
	line := &report.Keep{Offered: true, Direction: "local-sends", Until: instant(k.Until)}
	switch {
	case conn.Sideless:
		line.Direction = "unknown"
	case d == event.In:
		line.Direction = "peer-sends"
	}
	switch k.Answer {
	case negotiate.Agreed:
		line.Agreed, line.Seconds = report.Ref(true), report.Ref(k.Seconds)
	case negotiate.Refused:
		line.Agreed = report.Ref(false)
	}
	switch k.Scope {
	case negotiate.ScopeRegistration:
		line.Scope = report.Ref("registration")
	case negotiate.ScopeDialog:
		line.Scope = report.Ref("dialog")
	}
	return line
}

func (conn *connection) persistentLine(p *negotiate.Persistent, e *class.Evidence) *report.Persistent {
	outcome := p.Outcome(e.End, e.ByOther)
	line := &report.Persistent{OfferedBy: conn.dirSide(p.By), Outcome: outcome.String()}
	if outcome != negotiate.Countered && outcome != negotiate.Declined {
		line.Until = instant(p.Until())
	}
	switch o := &p.Offer; {
	case o.PTCP:
		line.Via = report.Ref("ptcp")
	case o.ViaFlag:
		line.Via = report.Ref("parameter")
	}
	switch o := &p.Offer; {
	case o.Required:
		line.OptionTag = report.Ref("required")
	case o.ProxyReq:
		line.OptionTag = report.Ref("proxy-required")
	case o.Supported:
		line.OptionTag = report.Ref("supported")
	}
	if p.HasTimeout {
		line.TimeoutSeconds = report.Ref(p.Timeout)
	}
	if p.Countered {
		line.MinPersistenceSeconds = report.Ref(p.Min)
	}
	if p.HasRefused {
		line.RefusedSeconds = report.Ref(p.Refused)
	}
	return line
}
