// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Act is what happens. Steps become actions once, when the file is read; every
// player plays the same actions.
type Act uint8

const (
	Opens     Act = iota + 1
	Fails         // a connect; How
	Sends         // Side, Data, Split, Seen
	Seals         // Side, Data: records of TLS as they are on the wire
	Loses         // Side; Size bytes of it were not seen
	Finishes      // Side sends its FIN and may still receive
	Closes        // the connection is gone; Side ended it, How. After both FINs, if by FIN
	Listens       // Over, Addr, Owner
	Unlistens     // Over, Addr, Owner
	Exits         // Owner
)

// Action is one thing that happens.
type Action struct {
	At    time.Duration // since the flow's start
	Act   Act
	Conn  *Conn
	Side  event.Side
	Data  []byte
	Split int  // segments that Data goes in
	Seen  int  // bytes of Data that the observer has; -1 is all
	Own   bool // viaduct sends it for this host's process, or it answers that
	Size  int
	How   event.How
	Addr  netip.AddrPort
	Over  event.Transport
	Owner event.Process
}

// Segments cuts the data into as many parts as it is to go in, of about the
// same size.
func (a *Action) Segments() [][]byte {
	n := max(1, min(a.Split, len(a.Data)))
	size := (len(a.Data) + n - 1) / n
	var parts [][]byte
	for rest := a.Data; len(rest) > 0; {
		cut := min(size, len(rest))
		parts = append(parts, rest[:cut])
		rest = rest[cut:]
	}
	return parts
}

// Conn is one connection or UDP flow.
type Conn struct {
	Name          string
	ID            int // from 1, in order of declaration
	Transport     event.Transport
	Local, Remote netip.AddrPort
	Initiator     event.Side
	Owner         event.Process
	MidLife       bool

	shown          string // version of TLS whose handshake is seen
	opened, closed bool
	finished       [2]bool // by side
	last           [2]*message
	stunID         [2][12]byte
}

// FirstSeq returns the sequence numbers of the first bytes, by side. Those of
// the local side wrap soon.
func (c *Conn) FirstSeq() [2]uint32 {
	return [2]uint32{uint32(4294967000 - c.ID), uint32(1000 * c.ID)}
}

// Index of a side in an array of two.
func Index(s event.Side) int { return int(s) - int(event.Local) }

// Other is the side at the other end.
func Other(s event.Side) event.Side { return event.Local + event.Remote - s }

// Address of the side's end.
func (c *Conn) Address(s event.Side) netip.AddrPort {
	if s == event.Local {
		return c.Local
	}
	return c.Remote
}

// sentBy is where the side listens: its own end, unless that is the ephemeral
// port of a connect.
func (c *Conn) sentBy(s event.Side) netip.AddrPort {
	a := c.Address(s)
	if c.Transport != event.UDP && c.Initiator == s {
		return netip.AddrPortFrom(a.Addr(), defaultPort(c.Transport))
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
