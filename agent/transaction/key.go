// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"bytes"
	"hash/maphash"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/sipparse"
)

var seed = maphash.MakeSeed()

const cookie = "z9hG4bK" // RFC 3261 section 8.1.1.7

// Key is what a transaction is known by wherever it is seen: branch and sent-by
// of the topmost Via (Hash), and the method (RFC 3261 section 17.1.3). ACK has
// INVITE's. Hops differ in it, as each writes a Via of its own.
type Key struct {
	Hash   uint64
	Method sipparse.Method
}

// KeyOf returns the key of the transaction that m, which must be usable,
// belongs to.
func KeyOf(m *message.Message) Key { return KeyBy(m, &m.Via) }

// KeyBy is KeyOf for another Via of m: with the second one of a request that a
// proxy forwards, it is the key of the request that the proxy received.
func KeyBy(m *message.Message, via *sipparse.Via) Key {
	k := Key{Method: m.Method}
	if k.Method == sipparse.MethodAck {
		k.Method = sipparse.MethodInvite
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(via.Branch)
	h.WriteByte(0)
	h.Write(via.Host)
	h.WriteByte(byte(via.Port >> 8))
	h.WriteByte(byte(via.Port))
	if m.Method == sipparse.MethodUnknown {
		h.Write(m.CSeq.MethodName)
	}
	if len(via.Branch) <= len(cookie) || !bytes.EqualFold(via.Branch[:len(cookie)], []byte(cookie)) {
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

// Invite is the key of the INVITE that a CANCEL with the key k cancels: it has
// the same topmost Via (RFC 3261 section 9.1).
func (k Key) Invite() Key { return Key{k.Hash, sipparse.MethodInvite} }

// TagOf maps a tag to a number that stands for it within this process.
func TagOf(tag []byte) uint64 { return maphash.Bytes(seed, tag) }
