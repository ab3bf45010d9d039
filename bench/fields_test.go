// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"

	"github.com/viaduct-project/viaduct/sipparse"
)

// tagSet are the option tags that speak about connections.
type tagSet uint8

func readTags(h *sipparse.Header) (set tagSet) {
	l := h.Tags()
	for tag := l.Next(); tag != nil; tag = l.Next() {
		switch {
		case bytes.EqualFold(tag, []byte("outbound")):
			set |= 1
		case bytes.EqualFold(tag, []byte("path")):
			set |= 2
		case bytes.EqualFold(tag, []byte("persistence")):
			set |= 4
		}
	}
	return set
}

// fields are the fields that a connection watcher reads of a message.
type fields struct {
	request                bool
	method                 sipparse.Method
	methodName, uri        []byte
	status                 int
	vias                   [4]sipparse.Via
	nvias                  int
	callID                 []byte
	cseq                   sipparse.CSeq
	fromTag, toTag         []byte
	contact, more          sipparse.Address
	contacts               int
	path                   sipparse.Address
	supported, require     tagSet
	proxyRequire           tagSet
	unsupported            tagSet
	expires, contentLength sipparse.NumParam
	flowTimer              sipparse.NumParam
	persistent, minPersist sipparse.NumParam
}

func (m *fields) read(msg []byte) error {
	var p sipparse.Parser
	start, err := p.Start(msg)
	if err != nil {
		return err
	}
	m.request, m.method, m.methodName = start.Request, start.Method, start.MethodName
	m.uri, m.status = start.URI, start.Status
	m.nvias, m.contacts = 0, 0
	for p.Next() {
		h := p.Field()
		switch h.ID {
		case sipparse.HeaderVia:
			l := h.Vias()
			for m.nvias < len(m.vias) && l.Next(&m.vias[m.nvias]) {
				m.nvias++
			}
		case sipparse.HeaderCallID:
			m.callID = h.Value
		case sipparse.HeaderCSeq:
			m.cseq = h.CSeq()
		case sipparse.HeaderFrom:
			m.fromTag = h.Tag()
		case sipparse.HeaderTo:
			m.toTag = h.Tag()
		case sipparse.HeaderContact:
			l := h.Addresses()
			if m.contacts == 0 && l.Next(&m.contact) {
				m.contacts++
			}
			for l.Next(&m.more) {
				m.contacts++
			}
		case sipparse.HeaderPath:
			l := h.Addresses()
			l.Next(&m.path)
		case sipparse.HeaderSupported:
			m.supported = readTags(h)
		case sipparse.HeaderRequire:
			m.require = readTags(h)
		case sipparse.HeaderProxyRequire:
			m.proxyRequire = readTags(h)
		case sipparse.HeaderUnsupported:
			m.unsupported = readTags(h)
		case sipparse.HeaderExpires:
			m.expires = sipparse.ParseDelta(h.Value)
		case sipparse.HeaderContentLength:
			m.contentLength = sipparse.ParseDelta(h.Value)
		case sipparse.HeaderFlowTimer:
			m.flowTimer = sipparse.ParseDelta(h.Value)
		case sipparse.HeaderPersistentTimeout:
			m.persistent = sipparse.ParseDelta(h.Value)
		case sipparse.HeaderMinPersistence:
			m.minPersist = sipparse.ParseDelta(h.Value)
		}
	}
	return nil
}
