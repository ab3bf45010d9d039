// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"bytes"
	"hash/maphash"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var seed = maphash.MakeSeed()

const cookie = "z9hG4bK" // RFC 3261 section 8.1.1.7

// KeyOf returns the key of the transaction that m, which must be usable,
// belongs to. requestDir is the direction of the request: m's own, or for a
// response the opposite.
func KeyOf(m *message.Message, conn uint64, requestDir event.Direction) Key {
	k := Key{Conn: conn, Method: m.Method, Dir: requestDir}
	if k.Method == sipparse.MethodAck {
		k.Method = sipparse.MethodInvite
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(m.Via.Branch)
	h.WriteByte(0)
	h.Write(m.Via.Host)
	h.WriteByte(byte(m.Via.Port >> 8))
	h.WriteByte(byte(m.Via.Port))
	if m.Method == sipparse.MethodUnknown {
		h.Write(m.CSeq.MethodName)
	}
	if len(m.Via.Branch) <= len(cookie) || !bytes.EqualFold(m.Via.Branch[:len(cookie)], []byte(cookie)) {
		// RFC 2543 branches need not be unique: RFC 3261 section 17.2.3 falls
		// back to Call-ID, From tag and CSeq. The To tag is left out because
		// the response adds it, the Request-URI because it has none.
		h.WriteByte(0)
		h.Write(m.CallID)
		h.WriteByte(0)
		h.Write(m.FromTag)
		h.WriteByte(byte(m.CSeq.N >> 24))
		h.WriteByte(byte(m.CSeq.N >> 16))
		h.WriteByte(byte(m.CSeq.N >> 8))
		h.WriteByte(byte(m.CSeq.N))
	}
	k.Hash = h.Sum64()
	return k
}

// TagOf maps a tag to a number that stands for it within this process.
func TagOf(tag []byte) uint64 { return maphash.Bytes(seed, tag) }
