// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// kind is what happens. Steps become actions once, when the file is read;
// every player plays the same actions.
type kind uint8

const (
	opens     kind = iota + 1
	fails          // a connect; how
	sends          // side, data
	loses          // side; size bytes of it were not seen
	finishes       // side sends its FIN and may still receive
	closes         // the connection is gone; side ended it, how
	listens        // addr, owner
	unlistens      // addr, owner
	exits          // owner
)

// action is one thing that happens.
type action struct {
	at    time.Duration // since the flow's start
	kind  kind
	conn  *conn
	side  event.Side
	data  []byte
	split int // segments that data goes in
	seen  int // bytes of data that the observer has; -1 is all
	size  int
	how   event.How
	addr  netip.AddrPort
	over  event.Transport // listens, unlistens
	owner event.Process
}

// conn is one connection or UDP flow.
type conn struct {
	name          string
	id            int // from 1, in order of declaration
	transport     event.Transport
	local, remote netip.AddrPort
	initiator     event.Side
	owner         event.Process
	midLife       bool
	opened        bool
	closed        bool
	finished      [2]bool // by side
	last          [2]*message
	stunID        [2][12]byte
	step          Step // declaration
}

// index of a side in an array of two.
func index(s event.Side) int { return int(s) - int(event.Local) }

func other(s event.Side) event.Side { return event.Local + event.Remote - s }

// address of the side's end.
func (c *conn) address(s event.Side) netip.AddrPort {
	if s == event.Local {
		return c.local
	}
	return c.remote
}

// sentBy is where the side listens: its own end, unless that is the ephemeral
// port of a connect.
func (c *conn) sentBy(s event.Side) netip.AddrPort {
	a := c.address(s)
	if c.transport != event.UDP && c.initiator == s {
		return netip.AddrPortFrom(a.Addr(), defaultPort(c.transport))
	}
	return a
}

func defaultPort(t event.Transport) uint16 {
	if t == event.TLS {
		return 5061
	}
	return 5060
}

// proto is the transport in the Via.
func proto(t event.Transport) string {
	switch t {
	case event.TLS:
		return "SIP/2.0/TLS"
	case event.UDP:
		return "SIP/2.0/UDP"
	}
	return "SIP/2.0/TCP"
}
