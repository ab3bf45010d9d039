// SPDX-License-Identifier: Apache-2.0

// Package rule is the language in which the catalogue of rules is written: a
// rule is one entry of a table, with what it asks, who is at fault when it is
// broken, and the checks that find out.
//
// The core brings its own state up to date with what happened, then lets the
// checks look at it. A check reads and raises; it keeps nothing but its
// family's notes. Like the core, nothing here is safe for concurrent use.
package rule

import (
	"io/fs"

	"github.com/viaduct-project/viaduct/agent/note"
)

// Severity of a finding, in rising order.
type Severity uint8

const (
	Info      Severity = iota // worth knowing, nobody's fault
	Advice                    // a SHOULD, or a MUST that the field ignores
	Violation                 // a MUST broken, or a guarantee
)

var severities = [...]string{"info", "advice", "violation"}

func (s Severity) String() string { return severities[s] }

// Standing is what an observer on the host can do about a rule.
type Standing uint8

const (
	// Judged rules raise findings.
	Judged Standing = iota
	// Recognised rules cannot be broken, or not by themselves: they decide
	// the class of a connection, or how other rules judge.
	Recognised
	// Unseen rules cannot be judged from this host: Silent says what is missing.
	Unseen
	// ByPolicy rules need a threshold that only the operator can give.
	ByPolicy
)

var standings = [...]string{"judged", "recognised", "not observable here", "by policy"}

func (s Standing) String() string { return standings[s] }

// Scope is how often one cause is reported.
type Scope uint8

const (
	PerConnection Scope = iota // once a connection, counting up
	PerPeer                    // once a remote address, counting up
)

// Rule is one entry of the catalogue.
type Rule struct {
	ID       string
	Source   string   // document and section
	Severity Severity // that it is raised with, if the check says no other
	Fault    string   // the role at fault, as the document names it
	Asks     string   // what the rule asks for, one or two sentences
	Broken   string   // the finding's summary, one sentence without a full stop; empty unless Judged or ByPolicy
	Silent   string   // when it says nothing though it may be broken, or why it is not judged
	Standing Standing
	Scope    Scope
	Check    Check
}

// Check is what a rule, or the bookkeeping of a family, wants to be called
// for. Any may be nil.
type Check struct {
	// Only limits Request and Response to messages that have all of these. It
	// spares the call and nothing else: about others there is nothing to say.
	Only Traits

	Placed    func(*Scene) // Conn.Row is another one: it was found first, or the policy was read again
	Opened    func(*Scene) // a connection was established, or a UDP flow began; or one older than the observation was found
	Request   func(*Scene) // a request: Msg, Tx, Verdict (Fresh, Retransmission, Ack)
	Response  func(*Scene) // a response: Msg, Tx (nil if Unmatched), Verdict (Provisional, Final, Retransmission, Unmatched)
	TimedOut  func(*Scene) // a request got no final response in time: Tx, Conn is the request's and may be closed
	Beat      func(*Scene) // a keep-alive: Beat
	Defect    func(*Scene) // a fault in the framing of a stream or a datagram: Item
	Ended     func(*Scene) // first FIN or RST, or the end of a UDP flow; Conn.By, Conn.How, Conn.EndedAt are set
	Closed    func(*Scene) // the socket is gone, or a connect failed (Conn.Failed)
	DialogOn  func(*Scene) // a dialog was formed: Dialog
	DialogOff func(*Scene) // it is over: Dialog
	Assisted  func(*Scene) // something came of the keep-alives that viaduct sends: Upkeep
}

// Family is a group of rules that share state.
type Family struct {
	Note  note.Family
	Name  string // as users say it: "RFC 6223: keep"
	Rules []Rule
	Watch Check      // bookkeeping, called before the rules' checks
	New   func() any // state of the family, Scene.Mine; nil if it has none
	// Evicted is what that state has dropped at the limits of its maps; nil if
	// it has none.
	Evicted func(mine any) uint64
	Flows   fs.FS // ID.flow: examples that break and that hold each rule
}
