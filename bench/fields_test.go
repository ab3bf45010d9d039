// SPDX-License-Identifier: Apache-2.0

package bench

import "github.com/viaduct-project/viaduct/sipparse"

// fields are the fields that a connection watcher reads of a message.
type fields struct {
	start                  sipparse.StartLine
	vias                   [4]sipparse.Via
	nvias                  int
	callID                 []byte
	cseq                   sipparse.CSeq
	fromTag, toTag         []byte
	contact                sipparse.Address
	route, recordRoute     sipparse.Address
	path                   sipparse.Address
	supported, require     bool
	proxyRequire           bool
	expires, contentLength sipparse.NumParam
	flowTimer              sipparse.NumParam
	persistent, minPersist sipparse.NumParam
}

func (m *fields) read(msg []byte) error {
	var p sipparse.Parser
	var err error
	if m.start, err = p.Start(msg); err != nil {
		return err
	}
	m.nvias = 0
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
			l.Next(&m.contact)
		case sipparse.HeaderRoute:
			l := h.Addresses()
			l.Next(&m.route)
		case sipparse.HeaderRecordRoute:
			l := h.Addresses()
			l.Next(&m.recordRoute)
		case sipparse.HeaderPath:
			l := h.Addresses()
			l.Next(&m.path)
		case sipparse.HeaderSupported:
			m.supported = sipparse.HasTag(h.Value, "outbound")
		case sipparse.HeaderRequire:
			m.require = sipparse.HasTag(h.Value, "outbound")
		case sipparse.HeaderProxyRequire:
			m.proxyRequire = sipparse.HasTag(h.Value, "outbound")
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
