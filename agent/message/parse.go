// SPDX-License-Identifier: Apache-2.0

package message

import (
	"bytes"

	"github.com/viaduct-project/viaduct/sipparse"
)

// Parse reads head into m, all of whose fields it sets. It returns false if
// the bytes are no SIP message at all; a message with faults is read as far as
// it can be. Of a field that may stand once the first counts.
func (m *Message) Parse(head []byte) bool {
	*m = Message{Head: head, Size: len(head)}
	var p sipparse.Parser
	start, err := p.Start(head)
	if err != nil {
		return false
	}
	m.Request, m.Method, m.MethodName, m.Status = start.Request, start.Method, start.MethodName, start.Status
	for p.Next() {
		h := p.Field()
		switch h.ID {
		case sipparse.HeaderVia:
			m.via(h)
		case sipparse.HeaderCallID:
			if m.CallID == nil {
				m.CallID = h.Value
			}
		case sipparse.HeaderCSeq:
			if !m.CSeq.Valid {
				h.ReadCSeq(&m.CSeq)
			}
		case sipparse.HeaderFrom:
			if m.FromTag == nil {
				m.FromTag = h.Tag()
			}
		case sipparse.HeaderTo:
			if m.ToTag == nil {
				m.ToTag = h.Tag()
			}
		case sipparse.HeaderContact:
			m.contact(h)
		case sipparse.HeaderPath:
			m.path(h)
		case sipparse.HeaderSupported:
			m.Supported |= h.Options()
		case sipparse.HeaderRequire:
			m.Require |= h.Options()
		case sipparse.HeaderProxyRequire:
			m.ProxyRequire |= h.Options()
		case sipparse.HeaderUnsupported:
			m.Unsupported |= h.Options()
		case sipparse.HeaderContentLength:
			delta(&m.Length, h)
		case sipparse.HeaderExpires:
			delta(&m.Expires, h)
		case sipparse.HeaderFlowTimer:
			delta(&m.FlowTimer, h)
		case sipparse.HeaderPersistentTimeout:
			delta(&m.PersistentTimeout, h)
		case sipparse.HeaderMinPersistence:
			delta(&m.MinPersistence, h)
		case sipparse.HeaderSubscriptionState:
			m.Ended = m.Ended || terminated(h.Value)
		case sipparse.HeaderOther:
			// Version 01 of the draft spells Require so.
			if bytes.EqualFold(h.Name, []byte("Required")) {
				m.Require |= h.Options() & Persistence
			} else if bytes.EqualFold(h.Name, []byte("Proxy-Required")) {
				m.ProxyRequire |= h.Options() & Persistence
			}
		}
	}
	m.BodyAt = p.BodyOffset()
	if !m.Request {
		m.Method, m.MethodName = m.CSeq.Method, m.CSeq.MethodName
	}
	return true
}

// via keeps the topmost value and counts the others: `keep`, `alias` and `persistent` on the others
// belong to other hops.
func (m *Message) via(h *sipparse.Header) {
	list := h.Vias()
	if !m.TopVia {
		if m.TopVia = list.Next(&m.Via); !m.TopVia {
			return
		}
		m.Vias = 1
	}
	if m.Vias == 1 {
		if !list.Next(&m.Second) {
			return
		}
		m.Vias = 2
		m.LowerKeep = m.Second.Keep.HasValue
	}
	if list.More() {
		m.more(list)
	}
}

// more counts the Vias below the second.
func (m *Message) more(list sipparse.ViaList) {
	var v sipparse.Via
	for list.Next(&v) {
		m.Vias++
		m.LowerKeep = m.LowerKeep || v.Keep.HasValue
	}
}

func (m *Message) contact(h *sipparse.Header) {
	var a sipparse.Address
	for list := h.Addresses(); list.Next(&a); {
		m.Contacts++
		if m.Contacts == 1 {
			m.Contact = Contact{
				RegID:    a.RegID.Valid,
				Instance: len(a.Instance) > 0,
				OB:       a.OB,
				Expires:  a.Expires,
			}
		}
	}
}

func (m *Message) path(h *sipparse.Header) {
	var a sipparse.Address
	for list := h.Addresses(); list.Next(&a); {
		m.PathOB = m.PathOB || a.OB
	}
}

func delta(n *sipparse.NumParam, h *sipparse.Header) {
	if !n.Present {
		*n = sipparse.ParseDelta(h.Value)
	}
}

// terminated reads Subscription-State (RFC 6665 section 4.1.3).
func terminated(value []byte) bool {
	state, _, _ := bytes.Cut(value, []byte(";"))
	return bytes.EqualFold(bytes.TrimSpace(state), []byte("terminated"))
}
