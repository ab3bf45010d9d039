// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"bytes"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Asked is what the request said that its responses are compared with; what
// it offers is in Offer.
type Asked struct {
	Call     uint64 // which Call-ID, see negotiate.CallOf
	CSeq     uint32
	Size     uint32 // bytes on the wire
	Vias     uint16
	RPortN   uint16 // of RPortValued
	Port     uint16 // of the sent-by, 0 if it names none
	RPort    RPort
	SentBy   Host
	InDialog bool // it has a To tag
}

// RPort is how a Via has rport (RFC 3581 section 3).
type RPort uint8

const (
	RPortNone   RPort = iota
	RPortBare         // asks for the source port
	RPortValued       // with a port
	RPortBad          // anything else
)

// RPortOf reads the rport of via.
func RPortOf(via *sipparse.Via) RPort {
	switch {
	case !via.RPort.Present:
		return RPortNone
	case !via.RPort.HasValue:
		return RPortBare
	case via.RPort.Valid && via.RPort.N > 0:
		return RPortValued
	}
	return RPortBad
}

// Host is what the host of a sent-by is to the address that the request came
// from.
type Host uint8

const (
	HostSource Host = iota // that address
	HostOther              // another address
	HostName               // a name
)

// HostOf compares the host of a sent-by, received or maddr with addr.
func HostOf(host []byte, addr netip.Addr) Host {
	var b [64]byte
	if bytes.Equal(host, addr.AppendTo(b[:0])) {
		return HostSource
	}
	if len(host) == 0 || len(host) > 45 || bytes.IndexByte(host, ':') < 0 && (host[len(host)-1] < '0' || host[len(host)-1] > '9') {
		return HostName // an IPv4 address ends with a digit
	}
	other, err := netip.ParseAddr(string(host))
	switch {
	case err != nil:
		return HostName
	case other.Unmap().WithZone("") == addr.Unmap().WithZone(""):
		return HostSource
	}
	return HostOther
}

func asked(m *message.Message, source netip.Addr) Asked {
	a := Asked{
		Call: negotiate.CallOf(m.CallID), CSeq: m.CSeq.N, Size: uint32(m.Size), Vias: uint16(min(m.Vias, 1<<16-1)),
		Port: m.Via.Port, RPort: RPortOf(&m.Via), SentBy: HostOf(m.Via.Host, source), InDialog: len(m.ToTag) > 0,
	}
	if a.RPort == RPortValued {
		a.RPortN = uint16(m.Via.RPort.N)
	}
	return a
}

// Relayed is a response that a proxy on this host received to a request that
// it forwards, the newest one: what its Vias were without the proxy's own.
type Relayed struct {
	Tag      uint64 // which To tag, see TagOf
	Received uint64 // which received the first has, 0 if none
	Rest     uint64 // all else that the Vias say
	Status   uint16
	Vias     uint16 // 0 if there was no response
}
