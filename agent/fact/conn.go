// SPDX-License-Identifier: Apache-2.0

// Package fact holds what the core knows of a connection, as the rules read
// it. The core alone writes it.
package fact

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Conn is one TCP socket or one UDP flow of this host.
type Conn struct {
	ID     uint64
	Socket uint64 // cookie
	NetNS  uint64
	Local  netip.AddrPort
	Remote netip.AddrPort
	Owner  event.Process
	Inside *event.Container // nil if none is known

	First    event.Time    // when the core met it
	OpenedAt event.Time    // 0 if not known
	ClosedAt event.Time    // 0 while open
	EndedAt  event.Time    // first FIN or RST, 0 before
	LastIn   event.Time    // last byte, 0 if none
	LastOut  event.Time    // last byte, 0 if none
	LastSIP  [2]event.Time // last SIP message by direction, see [Conn.LastMessage]
	Idle     time.Duration // at EndedAt, negative if not known
	Pending  int32         // transactions without final response at EndedAt

	Transport event.Transport
	Initiator event.Side
	By        event.Side // who ended it
	How       event.How

	MidLife     bool    // older than the observation, as far as is known
	Established bool    // its opening was seen
	Failed      bool    // a connect that failed
	Incomplete  bool    // bytes were lost
	Hole        [2]bool // by direction: bytes are missing so far; a segment may yet bring them
	Sideless    bool    // which end is this host's is not known: Local is the initiator, or who sent first
	ByAgent     bool    // viaduct ended it, as its policy says
	Exiting     bool    // its process was exiting, or giving up its listeners, when it closed the connection

	indexed bool // in an Index

	Messages   report.Messages
	Sent       class.Requests
	Received   class.Requests
	Registered message.Label // first REGISTER of the initiator

	TLS   *tlswire.Session // what the handshake showed, sides by direction; nil if no record was seen
	Neg   *negotiate.State // nil if nothing was offered
	Alive *keepalive.State // nil if there were no keep-alives
	Peer  *peer.Peer       // nil once retired

	Row    *policy.Peer // of the operator's policy, never nil
	SentBy string       // host in the Via of the peer's requests, if the policy asks for it

	Notes *note.Pad // of the rules

	nextThere, prevThere *Conn
}

// Whole says that all of the connection was seen: rules that need its
// beginning, or every byte of it, judge only such ones.
func (c *Conn) Whole() bool { return !c.MidLife && !c.Incomplete }

// Missing says that bytes were lost or are missing so far: whoever judges what
// did not happen has to wait or be silent.
func (c *Conn) Missing() bool { return c.Incomplete || c.Hole[0] || c.Hole[1] }

// LastMessage is when the last SIP message went either way, 0 if none did.
func (c *Conn) LastMessage() event.Time { return max(c.LastSIP[0], c.LastSIP[1]) }

// Stream says whether the transport is a byte stream.
func (c *Conn) Stream() bool { return c.Transport != event.UDP }

// Open says whether neither side has begun to end it.
func (c *Conn) Open() bool { return c.EndedAt == 0 && c.ClosedAt == 0 }

// Address is that of the given end.
func (c *Conn) Address(s event.Side) netip.AddrPort {
	if s == event.Remote {
		return c.Remote
	}
	return c.Local
}

// Side is the end that sends in direction d.
func Side(d event.Direction) event.Side {
	switch d {
	case event.In:
		return event.Remote
	case event.Out:
		return event.Local
	}
	return event.Unknown
}
