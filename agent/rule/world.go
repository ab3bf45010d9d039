// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// World is what checks may look up beyond the connection at hand.
type World struct {
	Txs       *transaction.Table
	Dialogs   *dialog.Table
	Bindings  *registration.Table
	Outgoing  *fact.Index     // open connections that this host opened
	Listeners *fact.Listeners // sockets that accept, as far as they are known
	// Ends returns what a connection has in the tables of transactions and
	// dialogs: empty ones once it is retired.
	Ends func(*fact.Conn) (*transaction.Owner, *dialog.Owner)
	// Reverse returns a connection between the same two servers that the other
	// side opened, newest first seen, or nil. It may have closed since.
	Reverse func(*fact.Conn) *fact.Conn
	// Expected is the class that a connection should have, by the policy or by
	// what its neighbours negotiated.
	Expected func(*fact.Conn, event.Time) class.Class
	Profile  Profile
	// CheckProtected is how often a protected connection is looked at: the
	// application may undo what was set.
	CheckProtected time.Duration
	LostAt         event.Time // when the source last said that it had lost something, 0 if it never did
}

// Profile adapts the rules to a site. The zero value judges by the documents.
type Profile struct {
	NAT      bool // peers are behind NATs, as clients of a provider are: reuse without agreement is expected
	Draft01  bool // the persistent-connection draft's version 01 binds in full
	Flows    int  // outbound flows that an instance must have (RFC 5626 section 4.2.1); zero judges nothing
	Swamping Swamping
	// MaxPersistent is how many connections one peer may keep here by an offer
	// of persistent, 0 for any number.
	MaxPersistent int
	Domains       []string // that this host serves, if it is a virtual server for several
}

// Swamping is when a peer opens too many connections; zero judges nothing.
type Swamping struct {
	PerMinute int // connections opened
}
