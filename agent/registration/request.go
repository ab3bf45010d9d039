// SPDX-License-Identifier: Apache-2.0

// Package registration knows which bindings (RFC 3261 section 10, RFC 5626
// section 6) were made through this host, and over which flow each was made
// last, as REGISTER requests and the 2xx that answer them say.
//
// A host sees a binding once for each hop: a proxy receives the REGISTER and
// sends it on. The two are different bindings here, as their flows are.
package registration

import (
	"hash/maphash"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// maxContacts is how many Contact values of a message are read.
const maxContacts = 16

// Request is what a REGISTER asks for. Its transaction carries it to the
// response.
type Request struct {
	Dir       event.Direction
	Direct    bool   // from the UA itself: one Via
	Forwarded bool   // a proxy on this host sent it on
	AOR       uint64 // of To
	From      uint64 // that of From: another one for third parties
	Call      uint64 // see negotiate.CallOf
	Supported message.Tags
	Path      uint64 // which Path, all its URIs; 0 if there is none
	PathTop   uint64 // which topmost Path URI
	PathAddr  uint64 // its user, host and port, see AOROf
	PathOB    bool   // any Path URI has ob
	PathTopOB bool   // the topmost one has
	Contacts  []Contact

	expires sipparse.NumParam // header field
	room    [1]Contact
}

// Read returns what the REGISTER m, which went in direction d, asks for.
func Read(m *message.Message, d event.Direction) *Request {
	r := &Request{
		Dir: d, Direct: m.Vias == 1, Supported: m.Supported, PathOB: m.PathOB,
		Call: negotiate.CallOf(m.CallID), expires: m.Expires,
	}
	r.Contacts = r.room[:0]
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return r
	}
	var a sipparse.Address
	var paths maphash.Hash
	paths.SetSeed(seed)
	for p.Next() {
		h := p.Field()
		switch h.ID {
		case sipparse.HeaderTo:
			h.Address(&a)
			r.AOR = AOROf(&a.URIParts)
		case sipparse.HeaderFrom:
			h.Address(&a)
			r.From = AOROf(&a.URIParts)
		case sipparse.HeaderContact:
			r.Contacts = contacts(r.Contacts, h)
		case sipparse.HeaderPath:
			for list := h.Addresses(); list.Next(&a); {
				paths.Write(a.URI)
				paths.WriteByte(',')
				if r.PathTop == 0 {
					r.PathTop, r.PathAddr, r.PathTopOB = URIOf(&a.URIParts), AOROf(&a.URIParts), a.OB
				}
			}
		}
	}
	if r.PathTop != 0 {
		r.Path = paths.Sum64()
	}
	return r
}

func contacts(to []Contact, h *sipparse.Header) []Contact {
	var a sipparse.Address
	for list := h.Addresses(); len(to) < maxContacts && list.Next(&a); {
		var c Contact
		c.read(&a)
		to = append(to, c)
	}
	return to
}

// Seconds is how long c is to be bound: what it says itself, or the Expires
// header field; ok is false if neither says, and the registrar chooses
// (RFC 3261 section 10.2.1.1).
func (r *Request) Seconds(c *Contact) (n uint32, ok bool) {
	if c.Expires.Valid {
		return c.Expires.N, true
	}
	return r.expires.N, r.expires.Valid
}

// Removes says whether the request ends c's binding.
func (r *Request) Removes(c *Contact) bool {
	n, ok := r.Seconds(c)
	return ok && n == 0
}

// Outbound returns the first contact that is to be bound by RFC 5626, or nil.
func (r *Request) Outbound() *Contact {
	for i := range r.Contacts {
		if c := &r.Contacts[i]; c.Outbound() && !r.Removes(c) {
			return c
		}
	}
	return nil
}

// RegID says whether any contact has a reg-id, of whatever value.
func (r *Request) RegID() bool {
	for i := range r.Contacts {
		if r.Contacts[i].RegID.Present {
			return true
		}
	}
	return false
}
