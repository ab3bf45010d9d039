// SPDX-License-Identifier: Apache-2.0

// Package negotiate keeps what the two neighbours of a connection said about
// it: keep (RFC 6223), alias (RFC 5923), persistent
// (draft-jain-sipping-persistent-conn-reqs) and outbound (RFC 5626).
//
// Offers are read from requests, answers from the responses of the same
// transaction. The trap is the echo: a server returns the Via of the request
// as it came (RFC 3261 section 8.2.6.2), so `alias`, `persistent` and a bare
// `keep` in a response say nothing, and `keep=30` says something only if the
// request's was bare.
package negotiate

import (
	"github.com/viaduct-project/viaduct/agent/lasting"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Scope is what a keep-alive agreement belongs to.
type Scope uint8

const (
	ScopeNone Scope = iota // the request cannot carry the negotiation, RFC 6223 section 4.2
	ScopeRegistration
	ScopeDialog
)

// Offer is what one request offers; the transaction carries it to its
// responses. The zero value offers nothing.
type Offer struct {
	Label       message.Label
	Call        uint64 // which Call-ID, see CallOf
	InDialog    bool   // the request has a To tag
	KeepSeen    bool   // keep in whatever form, also where it is no offer
	KeepBare    bool
	KeepValued  bool       // keep=N in a request: an offer whose answer proves nothing
	KeepLower   bool       // a Via below the topmost has keep with a value
	Agreed      *Agreement `json:"-"` // that another transaction had made for the dialog when this one was answered with a value
	Repeats     bool       // keep for a dialog for which it is agreed, RFC 6223 section 4.3
	Alias       bool
	Port        uint16 // of the sent-by, 0 if it names none
	Outbound    bool   // REGISTER with reg-id and +sip.instance
	Binding     uint64 // which registration a REGISTER is about, if an agreement may hang on it
	Leaves      bool   // REGISTER that takes a binding away
	ContactOB   bool   // dialog-forming request with ob in its Contact URI
	ViaFlag     bool   // `persistent` in the Via
	PTCP        bool   // sent-protocol SIP/2.0/PTCP
	Supported   bool   // option tag persistence, by header
	Required    bool
	ProxyReq    bool
	HasTimeout  bool
	TimeoutSecs uint32
}

// CallOf maps a Call-ID to the number that stands for it.
func CallOf(id []byte) uint64 { return lasting.Hash(id) }

// Read returns the offer that the request m makes on this hop. ACK and CANCEL
// repeat the INVITE's topmost Via (RFC 3261 sections 9.1 and 17.1.1.3), so
// what they carry is inherited and no offer.
func Read(m *message.Message) Offer {
	o := Offer{Label: m.Label(), InDialog: len(m.ToTag) > 0, KeepSeen: m.Via.Keep.Present, KeepLower: m.LowerKeep}
	if !m.Request || m.Method == sipparse.MethodAck || m.Method == sipparse.MethodCancel {
		return o
	}
	if m.Via.Keep.Present {
		o.KeepBare = !m.Via.Keep.HasValue && !Malformed(&m.Via)
		_, o.KeepValued = Value(&m.Via)
	}
	o.Alias = m.Via.Alias
	if m.Via.HasPort {
		o.Port = m.Via.Port
	}
	o.ViaFlag = m.Via.Persistent
	o.PTCP = m.Via.Transport == sipparse.TransportPTCP
	o.Supported = m.Supported&message.Persistence != 0
	o.Required = m.Require&message.Persistence != 0
	o.ProxyReq = m.ProxyRequire&message.Persistence != 0
	if o.Persistent() && m.PersistentTimeout.Valid {
		o.HasTimeout, o.TimeoutSecs = true, m.PersistentTimeout.N
	}
	switch m.Method {
	case sipparse.MethodRegister:
		o.Outbound = m.Contact.RegID && m.Contact.Instance
		o.Leaves = m.Contact.Expires.Valid && m.Contact.Expires.N == 0 ||
			!m.Contact.Expires.Present && m.Expires.Valid && m.Expires.N == 0
	case sipparse.MethodInvite, sipparse.MethodSubscribe, sipparse.MethodRefer:
		o.ContactOB = m.Contact.OB
	}
	if o.Any() || m.Method == sipparse.MethodRegister {
		o.Call = CallOf(m.CallID)
	}
	return o
}

// Persistent says whether the offer asks for a persistent connection.
func (o *Offer) Persistent() bool {
	return o.ViaFlag || o.PTCP || o.Supported || o.Required || o.ProxyReq
}

// Any says whether anything is offered.
func (o *Offer) Any() bool {
	return o.KeepBare || o.KeepValued || o.Alias || o.Outbound || o.ContactOB || o.Persistent()
}

// scope is RFC 6223 section 4.2.2 for registrations, and section 4.2.3 for
// dialogs: the requests that form a dialog or refresh its target.
func (o *Offer) scope() Scope {
	switch o.Label.Method {
	case sipparse.MethodRegister:
		return ScopeRegistration
	case sipparse.MethodInvite, sipparse.MethodSubscribe, sipparse.MethodRefer:
		return ScopeDialog
	case sipparse.MethodUpdate, sipparse.MethodNotify:
		if o.InDialog {
			return ScopeDialog
		}
	}
	return ScopeNone
}

// Carries says whether the request can carry the negotiation of keep.
func (o *Offer) Carries() bool { return o.scope() != ScopeNone }
