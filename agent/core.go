// SPDX-License-Identifier: Apache-2.0

// Package agent is the core: it takes events in and says what the neighbours
// of this host do with their connections. It does no I/O, reads no clock,
// starts no goroutine and needs no privilege; the same events give the same
// report, whether the kernel, a capture file or a test sent them.
//
// A Core is not safe for concurrent use: the caller serialises. Time passes
// only as events and ticks say.
package agent

import (
	"math/rand/v2"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/early"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/history"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/agent/stream"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Core holds the state of all connections.
type Core struct {
	cfg      Config
	counters metrics.Counters
	late     metrics.Histogram // from when viaduct's keep-alives were due until they were sent
	by       *metrics.Peers    // counters by peer of the policy
	tallies  tallies
	evicted  metrics.Evicted
	unasked  uint64      // see Unasked
	lost     report.Lost // what the core counts itself
	source   Lost        // what the source counts
	missed   uint64      // closes that only a recount found
	now      event.Time  // newest that was heard of

	tcp     map[uint64]*connection
	flows   map[flowKey]*connection
	sockets map[uint64]*socket // UDP
	lastID  uint64

	open    chain.Chain[connection] // TCP, by last activity
	udp     chain.Chain[connection] // flows, by last activity
	closing chain.Chain[connection] // TCP, by close
	closed  ring
	met     order
	past    history.Budget
	// forgotten is up to which of closed, by the order in which they came, have
	// no history any more.
	forgotten uint64

	waiting []*connection // something is held in their streams

	txs        *transaction.Table
	dialogs    *dialog.Table
	agreements *negotiate.Agreements
	bound      *registration.Table
	peers      *peer.Table
	early      *early.Table

	outgoing  *fact.Index
	listeners *fact.Listeners
	rules     *rule.Engine
	scene     rule.Scene // of the moment
	acts      acts
	beats     agenda          // connections that are kept alive, by what is due
	writes    bool            // keep-alives are to be written to some socket
	programs  assist.Programs // that were seen on this host
	rand      *rand.Rand

	resume  map[flowKey]*saved.Connection // left by an earlier agent, no event was about it so far
	resumed event.Time                    // when it was restored

	budget  stream.Budget
	framing [2]sipparse.FramerOptions // known start, unknown start

	msg   message.Message // of the moment
	local netip.AddrPort  // and, if it is a datagram, this host's end of it
}

type flowKey struct {
	socket uint64
	remote netip.AddrPort
}

// New returns a Core without connections.
func New(cfg Config) *Core {
	cfg = cfg.withDefaults()
	c := &Core{
		cfg:        cfg,
		by:         metrics.NewPeers(cfg.MaxMetricPeers),
		late:       metrics.Lateness(),
		tcp:        make(map[uint64]*connection),
		flows:      make(map[flowKey]*connection),
		sockets:    make(map[uint64]*socket),
		closed:     ring{limit: cfg.MaxClosed},
		past:       history.Budget{Limit: cfg.MaxHistory},
		txs:        transaction.New(cfg.MaxTransactions),
		dialogs:    dialog.New(cfg.MaxDialogs),
		agreements: negotiate.NewAgreements(cfg.MaxDialogs),
		bound:      registration.New(cfg.MaxBindings),
		peers:      peer.NewTable(cfg.MaxPeers),
		early:      early.New(),
		rand:       rand.New(cfg.Random),
		budget:     stream.Budget{Limit: cfg.MaxHeldBytes},

		outgoing:  fact.NewIndex(),
		listeners: fact.NewListeners(),
	}
	c.txs.Unanswered = c.judgeUnanswered
	c.rules = rule.NewEngine(&rule.World{
		Txs: c.txs, Dialogs: c.dialogs, Bindings: c.bound, Outgoing: c.outgoing, Listeners: c.listeners,
		Ends: c.ends, Reverse: c.reverse, Expected: c.expectedOf, Profile: cfg.Profile,
		CheckProtected: cfg.CheckProtected,
	}, rules.Catalogue(), cfg.MaxFindings)
	c.rules.Settle = c.settleFor
	c.rules.Findings.Tell = c.raised
	c.tallies.judged = c.judgedKinds()
	c.agreements.Changed = func(holder any) { c.stale(holder.(*connection)) }
	c.by.Use(cfg.Policy.Names())
	options := sipparse.FramerOptions{MaxMessage: cfg.MaxMessage, DropBody: true}
	c.framing[0] = options
	options.Resync = true
	c.framing[1] = options
	return c
}

// Handle takes one event. The event and its payload are the caller's again
// when it returns.
func (c *Core) Handle(e *event.Event) {
	if int(e.Kind) < len(c.counters.Events) {
		c.counters.Events[e.Kind]++
	}
	if (e.Kind == event.Data || e.Kind == event.Record || e.Kind == event.ClosureAlert) && e.Direction != event.In && e.Direction != event.Out {
		return // bytes that went nowhere: the source is at fault, its own counters tell
	}
	c.now = max(c.now, e.Time)
	if len(c.tallies.stale) >= maxStale {
		c.tallyUp(c.now, maxDue)
	}
	c.unanswered(e.Time)
	c.rules.Advance(e.Time.Add(-timerSlack))
	if e.Transport == event.UDP {
		c.handleUDP(e)
		return
	}
	switch e.Kind {
	case event.Opened:
		c.opened(e)
	case event.Data:
		c.segment(e)
	case event.Record:
		c.record(e)
	case event.ClosureAlert:
		if conn := c.tcp[e.Socket]; conn != nil && conn.TLS != nil {
			conn.TLS.Alerted[index(e.Direction)] = true
		}
	case event.HalfClosed:
		c.halfClosed(e)
	case event.Closed:
		c.closedEvent(e)
	case event.Listening:
		c.listeners.Add(e.Socket, e.NetNS, true, e.Local, e.Owner)
	case event.Owner:
		if conn := c.tcp[e.Socket]; conn != nil {
			conn.setOwner(e)
			c.place(conn)
		}
	case event.Figures:
		if conn := c.tcp[e.Socket]; conn != nil {
			conn.figures(e)
			conn.setContainer(e)
			c.place(conn)
		}
	}
}

// SetLost tells what the source has lost so far.
func (c *Core) SetLost(l Lost) {
	if l != c.source {
		c.rules.World.LostAt = c.now
	}
	c.source = l
}

// Sizes returns how many entries each table holds.
func (c *Core) Sizes() metrics.Sizes {
	segments, opened := c.early.Len()
	return metrics.Sizes{
		Connections:  len(c.tcp),
		Flows:        len(c.flows),
		Sockets:      len(c.sockets),
		Transactions: c.txs.Len(),
		Dialogs:      c.dialogs.Len(),
		Bindings:     c.bound.Len(),
		Agreements:   c.agreements.Len(),
		HeldBytes:    c.budget.Used,
		Waiting:      len(c.waiting),
		Early:        segments,
		Opened:       opened,
		Pairs:        c.peers.Pairs(),
		Closed:       c.closed.len(),
		Peers:        c.peers.Len(),
		Findings:     c.rules.Findings.Len(),
		Timers:       c.rules.Timers(),
	}
}
