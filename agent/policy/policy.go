// SPDX-License-Identifier: Apache-2.0

// Package policy is what the operator wants of each peer's connections: of
// which class they should be, how long they may idle, how many there may be,
// and what viaduct may do about it. It decides nothing at packet rate: a
// connection is matched when something about it becomes known.
//
// A Policy is read-only once it is made, and safe for concurrent use then.
package policy

import (
	"net/netip"
	"time"
)

// Other is the name of the peer that no row matches.
const Other = "other"

// Policy is one file.
type Policy struct {
	Ports    []uint16 // that carry SIP for sure
	Peers    []Peer   // in the order of the file; the first that matches wins
	Fallback Peer     // Other
	index    *index
}

// Names are those of the rows.
func (p *Policy) Names() []string {
	all := make([]string, len(p.Peers))
	for i := range p.Peers {
		all[i] = p.Peers[i].Name
	}
	return all
}

// Peer is one row.
type Peer struct {
	Name       string
	Match      Match
	Class      Class
	Enforce    Mode
	Ephemeral  Ephemeral
	Persistent Persistent
	Keepalive  Keepalive
	Limits     Limits
}

// Match says which connections belong to the row; an empty list matches all.
type Match struct {
	CIDRs      []netip.Prefix // of the remote address
	Ports      []uint16       // where the accepting side listens; of UDP either side's
	Transports []string       // tcp, tls, udp, ws, wss
	Initiator  string         // any, local, remote
	Process    []string       // names of the local process, with * and ?
	Pod        []string       // uid or name of the pod, or namespace/name, with * and ?
	Container  []string       // id or name of the container, with * and ?
	SentBy     []string       // host in the peer's Via, with * and ?
}

// Class that a row expects.
type Class uint8

const (
	Negotiated Class = iota // what the neighbours agreed
	Unidirectional
	Bidirectional
	Persist
)

// Mode is what may be done about what is wrong.
type Mode uint8

const (
	Observe Mode = iota // report
	DryRun              // report what would be done, too
	Enforce             // do it
)

// Closing is how a connection is ended.
type Closing uint8

const (
	Gentle Closing = iota // shutdown: the application reads the end of the stream
	Hard                  // a reset, at once
	Never
)

// Ephemeral is for connections that nobody promised to keep.
type Ephemeral struct {
	IdleTimeout time.Duration // 0: as long as it likes
	Close       Closing
}

// Persistent is for those that were promised, or that the row expects to be.
type Persistent struct {
	MaxConnections int           // from one address; -1: any number
	MinTimeout     time.Duration // bounds of Persistent-Timeout, 0: none
	MaxTimeout     time.Duration
	TCPKeepalive   TCPKeepalive
	UserTimeout    time.Duration // TCP_USER_TIMEOUT, 0: not set
}

// TCPKeepalive is what is set on the socket; a zero Idle sets nothing.
type TCPKeepalive struct {
	Idle     time.Duration
	Interval time.Duration
	Probes   int
}

// Keepalive says whether viaduct sends keep-alives.
type Keepalive struct {
	Inject             Inject
	Method             Method
	Interval           time.Duration // 0: what was agreed, or the RFC's default
	CloseOnFailure     bool
	SwallowStunAnswers bool
}

// Inject is for whom.
type Inject uint8

const (
	InjectNever Inject = iota
	InjectAgreed
	InjectAlways
)

// Method is by what.
type Method uint8

const (
	MethodAuto Method = iota
	MethodTCP
	MethodCRLF
	MethodSTUN
)

// Limits are per source address within the peer; 0 is no limit.
type Limits struct {
	ConnectsPerSecond float64
	Burst             int
	MaxConnections    int
	In, Out           bool // which connects they are about
}

// Any says whether there is a limit at all.
func (l *Limits) Any() bool { return l.ConnectsPerSecond > 0 || l.MaxConnections > 0 }
