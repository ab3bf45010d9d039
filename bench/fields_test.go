// SPDX-License-Identifier: Apache-2.0

package bench

import "github.com/viaduct-project/viaduct/sipparse"

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
	supported, require     sipparse.Options
	proxyRequire           sipparse.Options
	unsupported            sipparse.Options
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
			h.ReadCSeq(&m.cseq)
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
			m.supported = h.Options()
		case sipparse.HeaderRequire:
			m.require = h.Options()
		case sipparse.HeaderProxyRequire:
			m.proxyRequire = h.Options()
		case sipparse.HeaderUnsupported:
			m.unsupported = h.Options()
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
