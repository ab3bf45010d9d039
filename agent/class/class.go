// SPDX-License-Identifier: Apache-2.0

// Package class says what a connection is used as, in the terms of
// draft-jain-sipping-persistent-conn-reqs section 3, and why.
package class

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Class of a connection.
type Class uint8

const (
	Undetermined Class = iota
	Unidirectional
	Bidirectional
	Persistent
	Classes
)

var names = [Classes]string{"undetermined", "unidirectional-ephemeral", "bidirectional-ephemeral", "persistent"}

func (c Class) String() string { return names[c] }

// Requests are the new requests of one side: retransmissions, ACK and CANCEL
// belong to others and do not count.
type Requests struct {
	N        uint32
	First    message.Label
	InDialog bool // First had a To tag
}

// Evidence is all that the class depends on.
type Evidence struct {
	Transport  event.Transport
	Initiator  event.Side
	MidLife    bool // older than the observation
	Failed     bool // never established
	Sent       Requests
	Received   Requests
	Messages   uint32 // complete ones, responses too
	Keepalives uint32
	Registered message.Label // first REGISTER of the initiator, zero if there was none
	Dialogs    uint32        // ended on this connection
	Outlived   bool          // a request followed after one of them had ended
	Negotiated *negotiate.State
	Sideless   bool           // local and remote are places, not sides: the reasons name addresses
	Local      netip.AddrPort // for these
	Remote     netip.AddrPort
	ByOther    bool       // the side that did not offer persistent closed first
	End        event.Time // the close, or now
}

// Of decides the class; the first test that holds wins.
func Of(e *Evidence) Class {
	switch {
	case e.Failed || e.Messages == 0:
		return Undetermined
	case e.persistent() || e.outbound() || e.dialogFlow():
		return Persistent
	case e.aliased():
		return Bidirectional
	case e.Sent.N > 0 && e.Received.N > 0:
		return Bidirectional
	case e.MidLife:
		return Undetermined
	}
	return Unidirectional
}

// originator says whether direction d may be the initiator's: an offer of the
// accepting side says nothing about who keeps the connection.
func (e *Evidence) originator(d event.Direction) bool {
	return e.Initiator == event.Unknown || e.Initiator == sideOf(d)
}

func sideOf(d event.Direction) event.Side {
	switch d {
	case event.In:
		return event.Remote
	case event.Out:
		return event.Local
	}
	return event.Unknown
}

// persistent: offered by the originator and honoured.
func (e *Evidence) persistent() bool {
	n := e.Negotiated
	return n != nil && n.Persistent.By != 0 && e.originator(n.Persistent.By) &&
		n.Persistent.Outcome(e.End, e.ByOther) == negotiate.Honoured
}

// outbound: a flow of RFC 5626 is kept for the life of its registration.
func (e *Evidence) outbound() bool {
	n := e.Negotiated
	return n != nil && n.Outbound.Agreed && e.originator(n.Outbound.By)
}

// dialogFlow: RFC 5626 section 4.3, a dialog asks for its flow by ob.
func (e *Evidence) dialogFlow() bool {
	n := e.Negotiated
	return n != nil && n.Outbound.Dialog && e.originator(n.Outbound.DialogBy)
}

// aliased: alias is defined for TLS only (RFC 5923 section 3).
func (e *Evidence) aliased() bool {
	n := e.Negotiated
	return n != nil && n.Alias.By != 0 && e.Transport == event.TLS && e.originator(n.Alias.By)
}

// name says who a side is.
func (e *Evidence) name(s event.Side) string {
	switch {
	case s == event.Unknown:
		return "unknown"
	case e.Sideless && s == event.Local:
		return e.Local.String()
	case e.Sideless:
		return e.Remote.String()
	case s == event.Local:
		return "local"
	}
	return "remote"
}

// sides returns what the initiator and what the acceptor sent.
func (e *Evidence) sides() (initiator, acceptor *Requests) {
	if e.Initiator == event.Remote {
		return &e.Received, &e.Sent
	}
	return &e.Sent, &e.Received
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }
