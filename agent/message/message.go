// SPDX-License-Identifier: Apache-2.0

// Package message reads out of one SIP message what the core decides by, in
// one pass over its header fields.
package message

import (
	"strconv"

	"github.com/viaduct-project/viaduct/sipparse"
)

// Tags is a set of the option tags that speak about connections.
type Tags = sipparse.Options

const (
	Outbound    = sipparse.OptionOutbound    // RFC 5626
	Path        = sipparse.OptionPath        // RFC 3327
	Persistence = sipparse.OptionPersistence // draft-jain-sipping-persistent-conn-reqs
)

// Label names a message in a report: the method and the number of its CSeq.
type Label struct {
	Method sipparse.Method
	CSeq   uint32
}

func (l Label) String() string {
	return l.Method.String() + " (CSeq " + strconv.FormatUint(uint64(l.CSeq), 10) + ")"
}

// Contact is what the first Contact value says about flows; Contacts counts
// all values.
type Contact struct {
	RegID    bool // reg-id, RFC 5626 section 4.2.1
	Instance bool // +sip.instance
	OB       bool // ob as a parameter of the URI
	Expires  sipparse.NumParam
}

// Message is one SIP message. Its byte slices point into the bytes it was read
// from.
type Message struct {
	Head       []byte // all of it up to the body; a datagram's body too
	Size       int    // bytes on the wire, body included
	Request    bool
	Method     sipparse.Method // of a response: the CSeq's
	MethodName []byte
	Status     int
	Via        sipparse.Via // topmost; only that one speaks about this hop
	Second     sipparse.Via // below the topmost, if Vias > 1
	TopVia     bool         // there is one
	Vias       int          // values, topmost included
	LowerKeep  bool         // a Via below the topmost has keep with a value
	CallID     []byte
	FromTag    []byte
	ToTag      []byte
	CSeq       sipparse.CSeq
	Contact    Contact
	Contacts   int
	PathOB     bool // any Path URI has ob

	Supported    Tags
	Require      Tags
	ProxyRequire Tags
	Unsupported  Tags

	Length            sipparse.NumParam // Content-Length
	BodyAt            int               // where the body begins in Head, or would
	Expires           sipparse.NumParam
	FlowTimer         sipparse.NumParam
	PersistentTimeout sipparse.NumParam
	MinPersistence    sipparse.NumParam
	Ended             bool // Subscription-State: terminated
}

// Label returns the message's label.
func (m *Message) Label() Label { return Label{Method: m.Method, CSeq: m.CSeq.N} }

// Usable says whether the message has what a transaction is known by
// (RFC 3261 section 17.1.3): a topmost Via with a host and a CSeq.
func (m *Message) Usable() bool { return m.TopVia && len(m.Via.Host) > 0 && m.CSeq.Valid }
