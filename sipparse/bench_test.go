// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"os"
	"testing"
)

// readInvite returns a 790-byte INVITE with three Via fields.
func readInvite(tb testing.TB) []byte {
	msg, err := os.ReadFile("testdata/bench/invite.sip")
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}

// viaductFields are the fields that a connection watcher reads of a message.
type viaductFields struct {
	request                bool
	method                 Method
	methodName, uri        []byte
	status                 int
	vias                   [4]Via
	nvias                  int
	callID                 []byte
	cseq                   CSeq
	fromTag, toTag         []byte
	contact, more          Address
	contacts               int
	path                   Address
	supported, require     Options
	proxyRequire           Options
	unsupported            Options
	expires, contentLength NumParam
	flowTimer              NumParam
	persistent, minPersist NumParam
}

func (m *viaductFields) read(msg []byte) error {
	var p Parser
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
		case HeaderVia:
			l := h.Vias()
			for m.nvias < len(m.vias) && l.Next(&m.vias[m.nvias]) {
				m.nvias++
			}
		case HeaderCallID:
			m.callID = h.Value
		case HeaderCSeq:
			h.ReadCSeq(&m.cseq)
		case HeaderFrom:
			m.fromTag = h.Tag()
		case HeaderTo:
			m.toTag = h.Tag()
		case HeaderContact:
			l := h.Addresses()
			if m.contacts == 0 && l.Next(&m.contact) {
				m.contacts++
			}
			for l.Next(&m.more) {
				m.contacts++
			}
		case HeaderPath:
			l := h.Addresses()
			l.Next(&m.path)
		case HeaderSupported:
			m.supported = h.Options()
		case HeaderRequire:
			m.require = h.Options()
		case HeaderProxyRequire:
			m.proxyRequire = h.Options()
		case HeaderUnsupported:
			m.unsupported = h.Options()
		case HeaderExpires:
			m.expires = ParseDelta(h.Value)
		case HeaderContentLength:
			m.contentLength = ParseDelta(h.Value)
		case HeaderFlowTimer:
			m.flowTimer = ParseDelta(h.Value)
		case HeaderPersistentTimeout:
			m.persistent = ParseDelta(h.Value)
		case HeaderMinPersistence:
			m.minPersist = ParseDelta(h.Value)
		}
	}
	return nil
}

func BenchmarkFields(b *testing.B) {
	msg := readInvite(b)
	var m viaductFields
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.read(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHeaders(b *testing.B) {
	msg := readInvite(b)
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		var p Parser
		if _, err := p.Start(msg); err != nil {
			b.Fatal(err)
		}
		for p.Next() {
		}
	}
}

func BenchmarkFramer(b *testing.B) {
	stream := bytes.Repeat(readInvite(b), 80) // one 64 KiB super-segment
	for name, opts := range map[string]*FramerOptions{"keep": nil, "drop": {DropBody: true}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			f := NewFramer(opts)
			var item Item
			for b.Loop() {
				f.Push(stream)
				for f.Next(&item) {
					if item.Kind != ItemMessage {
						b.Fatalf("%v", item.Kind)
					}
				}
			}
		})
	}
}
