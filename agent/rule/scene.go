// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Scene is what a check looks at. It is valid during the call only, and so are
// Msg, Tx, Beat.Raw and Item; Conn and Dialog may be kept.
type Scene struct {
	*World
	Now  event.Time      // of what happened, or when a timer was due
	Conn *fact.Conn      // where
	Dir  event.Direction // of what was seen, 0 if nothing was
	// Local is this host's end of the message. A UDP socket that is bound to
	// no address may use several, and Conn.Local is the first of them.
	Local netip.AddrPort

	Msg     *message.Message
	Tx      *transaction.Transaction // of the request, nil if not known
	Verdict transaction.Verdict
	Beat    Beat
	Item    *sipparse.Item
	Inside  int64 // with Item: where the newest ping ends that stood inside a message, 0 if none did
	Dialog  *dialog.Dialog
	Upkeep  Upkeep

	Mine any // state of the rule's family

	engine  *Engine
	rule    *bound
	leaving bool // what is raised against this host waits, see orderly.go
}

// Beat is one keep-alive.
type Beat struct {
	Kind     keepalive.Kind
	Raw      []byte        // of STUN messages and datagrams; of STUN on a stream its first 8 bytes
	Again    bool          // a Binding request that was sent again
	Answered bool          // a pong or Binding response that answers
	RTT      time.Duration // if Answered
}

// Upkeep is what came of a keep-alive that viaduct sent for this host's program.
type Upkeep struct {
	Unanswered bool           // the flow has failed: no answer in time, though the peer is known to answer
	Refused    int            // the flow has failed: the code of a STUN error response
	Before     netip.AddrPort // the flow has failed: what the peer saw of it until then,
	Mapped     netip.AddrPort // and what it sees now
	Harm       assist.Harm    // to the program
	After      time.Duration  // Unanswered: since the keep-alive; Harm: since the pong
	Method     assist.Method
}

// Writer is the side that sent what is looked at.
func (x *Scene) Writer() event.Side { return fact.Side(x.Dir) }

// Reader is the other one.
func (x *Scene) Reader() event.Side { return Opposite(x.Writer()) }

// Opposite is the other side; unknown stays unknown.
func Opposite(s event.Side) event.Side {
	switch s {
	case event.Local:
		return event.Remote
	case event.Remote:
		return event.Local
	}
	return event.Unknown
}

// Raise reports that the rule is broken by party, with its own severity. The
// evidence is the header line or the figures that show it; it is written only
// for the first of a cause, later ones count up.
func (x *Scene) Raise(party event.Side, evidence string, args ...any) {
	x.RaiseFor(0, x.rule.Severity, party, evidence, args...)
}

// RaiseAs is Raise with another severity.
func (x *Scene) RaiseAs(s Severity, party event.Side, evidence string, args ...any) {
	x.RaiseFor(0, s, party, evidence, args...)
}

// RaiseFor tells causes apart: findings of one rule on one connection (or with
// one peer, see Scope) that have different causes are reported separately.
func (x *Scene) RaiseFor(cause uint64, s Severity, party event.Side, evidence string, args ...any) {
	x.engine.raise(x, cause, s, party, func() string {
		if len(args) == 0 {
			return evidence
		}
		return fmt.Sprintf(evidence, args...)
	})
}

// For returns x as the rule with the id sees it, to raise that rule: one look at
// the state of a family may find what several of its rules are about.
func (x *Scene) For(id string) *Scene {
	other := *x
	other.rule = x.engine.byID[id]
	return &other
}

// After calls f when d has passed since Now, with a Scene that has the same
// connection and nothing else. Whatever f depends on may have changed by then:
// the connection may be closed. Set one timer per thing that is watched and
// set it again when it fires, rather than one per message.
func (x *Scene) After(d time.Duration, f func(*Scene)) { x.At(x.Now.Add(d), f) }

// At is After for a time. A time that has passed is due at once.
func (x *Scene) At(t event.Time, f func(*Scene)) { x.engine.timer(t, x.Conn, x.rule, f) }

// Tally counts, for this rule and the connection's peer, and returns how many
// there were so far with this one: for rules that judge a habit.
func (x *Scene) Tally() int { return x.engine.tally(x.rule, x.Conn.Remote.Addr()) }
