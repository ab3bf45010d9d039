// SPDX-License-Identifier: Apache-2.0

// Package event defines the one language that every source of traffic speaks
// to the core: the live kernel, a capture file and a test produce the same
// events for the same traffic.
//
// Events describe one socket of this host at a time. "Local" is that socket,
// "remote" the other end; a connection whose two ends live on the host is two
// sockets, hence two connections, each seen from its own side.
package event

import (
	"net/netip"
	"time"
)

// Time is an instant in nanoseconds since the Unix epoch. The zero value means
// "not known", never 1970. It is an integer because the core keeps several
// instants for each of up to a million connections.
type Time int64

// At converts t, whose monotonic reading is dropped.
func At(t time.Time) Time { return Time(t.UnixNano()) }

// Go returns t as a time.Time in UTC.
func (t Time) Go() time.Time { return time.Unix(0, int64(t)).UTC() }

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Kind says which of an Event's fields are set, beside those that every kind
// has: Kind, Time, Socket, Transport, Local, Remote.
type Kind uint8

const (
	// Opened: a connection is there. Initiator, Handshake, MidLife, Owner,
	// NetNS, Cgroup, and on TCP, unless MidLife, NextIn and NextOut.
	Opened Kind = iota + 1
	// Data: bytes of a TCP stream, or one datagram. Direction, Payload,
	// Length, on TCP Seq. Socket is 0 for bytes that rode on the last ACK of
	// a handshake: they came in before the connection's own Opened and belong
	// to the connection that opens with the same Local, Remote and NetNS.
	Data
	// HalfClosed: the first FIN of the connection; Direction says whose (In:
	// the remote side sent it).
	HalfClosed
	// Closed: the socket is gone, or the connect failed. By, How, Figures,
	// and everything that Opened carries, so that a Closed whose Opened was
	// lost still tells the whole story. A Closed without a Remote port is a
	// listener's.
	Closed
	// Owner: the process that holds the socket became known or changed.
	Owner
	// Figures: what the kernel counts for a socket that is still open.
	Figures
	// Listening: a socket accepts connections (TCP) or is bound (UDP) at
	// Local. Owner, NetNS, Cgroup.
	Listening
	// Record: part of a TLS connection's stream as it is on the wire.
	// Direction, Seq, Length, Payload. There are two kinds:
	//
	//   - A record of application data: Seq is that of its header, Length
	//     that of the whole record, of which some may be on its way still, and
	//     Payload is the header: type 23, two bytes of version, two bytes of
	//     length, which is Length-5; and as much of the next 16 bytes as the
	//     segment had, which nobody can read, but which no other record has.
	//   - Anything else, whole: records of the handshake, alerts, and what does
	//     not begin with a record's header because the beginning was in
	//     another segment.
	//
	// Plaintext of TLS, where it can be had, is Data, with a Seq of its own.
	// Socket is 0 as for Data.
	Record
	// ClosureAlert: the TLS library of this host's end has sent its closure
	// alert, which in TLS 1.3 does not show on the wire. Direction.
	ClosureAlert
)

// Transport is what carries SIP. TLS is TCP whose first bytes were a TLS
// record, or that nothing was sent on and whose port is a TLS port.
type Transport uint8

const (
	TCP Transport = iota + 1
	TLS
	UDP
)

// Direction is seen from the local socket.
type Direction uint8

const (
	In Direction = iota + 1
	Out
)

// Side names one of the two ends, or says that the evidence is missing.
type Side uint8

const (
	Unknown Side = iota
	Local
	Remote
)

// How is the manner of an ending.
type How uint8

const (
	HowUnknown  How = iota
	FIN             // closed by a FIN
	RST             // closed by a reset
	Timeout         // no answer from the other side
	Refused         // connect answered by a reset
	Unreachable     // connect answered by ICMP, or by the routing table
	Expired         // a UDP flow that fell silent, or a close that was missed
)

// Process is the holder of a socket, in the first (host) pid namespace. PID 0
// means that it is not known.
type Process struct {
	PID  uint32
	Name string
}

// Container is where a process lives, if in a container, and what that is
// called; what is not known is empty. It does not change once it is made.
type Container struct {
	ID        string
	Name      string
	PodUID    string // of Kubernetes, as all below
	Pod       string
	Namespace string
}

// Counts are the kernel's figures of one TCP socket since it was opened.
type Counts struct {
	BytesSent     uint64 // acknowledged by the peer
	BytesReceived uint64
	Retransmits   uint32 // segments sent again by this side
	Probes        uint8  // of this side's TCP, since the peer was last heard: keep-alives, and of a window of zero
	SRTT          time.Duration
}

// Event is one thing that happened to one socket. Sources reuse it: Payload
// is the source's memory and valid until the handler returns.
type Event struct {
	Kind      Kind
	Transport Transport
	Direction Direction
	Initiator Side
	By        Side
	How       How
	MidLife   bool // the socket is older than the observation
	Exiting   bool // HalfClosed, Closed: the local process was exiting when it ended the connection
	Failed    bool // Closed: the connect never succeeded
	ByAgent   bool // HalfClosed, Closed: viaduct itself ended the connection; By is Local then
	Lost      bool // Data, Record: the source lost bytes of this socket just before this event
	Own       bool // Data: viaduct itself sent these bytes, or (UDP, STUN) they answer what it sent
	// Sideless: the source does not know which end is this host's, so Local is
	// only where the initiator stands, or who was seen to send first. Set on
	// every event of such a socket, or on none.
	Sideless bool

	Time      Time
	Socket    uint64 // socket cookie, unique on the host until reboot
	NetNS     uint64 // network namespace cookie, 0 if not known
	Cgroup    uint64 // cgroup v2 id, 0 if not known
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Owner     Process
	Container *Container    // of whoever holds the socket, nil if none is known
	OpenedAt  Time          // SYN sent or received; 0 if not known
	Handshake time.Duration // 0 if not known

	Seq     uint32 // sequence number of Payload's first byte
	NextIn  uint32 // sequence number of the first byte the remote side may send
	NextOut uint32 // same for the local side
	Length  int    // bytes on the wire; more than len(Payload) if cut
	Payload []byte

	IdleIn  time.Duration // Closed, Figures: since the last byte came in; negative if none ever did
	IdleOut time.Duration
	Counts  Counts
}
