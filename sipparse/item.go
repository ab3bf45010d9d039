// SPDX-License-Identifier: Apache-2.0

package sipparse

// ItemKind says what a piece of a stream, or a datagram, is.
type ItemKind uint8

const (
	// ItemMessage is a message: Head, Body, BodyLength. Code says what is
	// wrong with its framing, and then Length is a guess.
	ItemMessage ItemKind = iota + 1
	// ItemPing is a double CRLF between messages (RFC 5626 section 4.4.1).
	ItemPing
	// ItemPong is a single CRLF between messages: the answer to a ping, or
	// padding.
	ItemPong
	// ItemFiller is a run of one byte between messages that is no keep-alive
	// of any RFC; Filler says which.
	ItemFiller
	// ItemSTUN is a STUN message (RFC 8489) between SIP messages.
	ItemSTUN
	// ItemDefect says that the bytes are no message though they should be;
	// Code says why. A Length of 0 means that an ItemSkipped says later how
	// far it went.
	ItemDefect
	// ItemSkipped are bytes that were passed over on the way to the next
	// message start.
	ItemSkipped
	// ItemGap are bytes that the caller said are lost. Code is CodeGapInBody
	// if they belong to the body of the message before.
	ItemGap
)

var itemKindNames = [...]string{"none", "message", "ping", "pong", "filler", "stun", "defect", "skipped", "gap"}

// String returns the kind in lower case.
func (k ItemKind) String() string {
	if int(k) < len(itemKindNames) {
		return itemKindNames[k]
	}
	return "unknown"
}

// Filler says what an ItemFiller is made of.
type Filler uint8

const (
	FillerNone  Filler = iota
	FillerCR           // CR without LF
	FillerLF           // LF without CR
	FillerNUL          // zero bytes: the NAT ping of some proxies
	FillerSpace        // SP and HTAB
	FillerJaK          // the datagram "jaK": the ping of some phones
)

var fillerNames = [...]string{"none", "cr", "lf", "nul", "space", "jak"}

// String returns the kind of filler in lower case.
func (k Filler) String() string {
	if int(k) < len(fillerNames) {
		return fillerNames[k]
	}
	return "unknown"
}

// Item is one piece of a stream, or one datagram. Pieces come in the order of
// the stream; Offset never decreases, and Length covers every byte once,
// except that an ItemGap may lie within the Length of a message.
type Item struct {
	Kind   ItemKind
	Filler Filler
	Code   Code
	// Recovered: the message was found by looking for a start line in bytes
	// whose framing was lost, so it could be the content of another.
	Recovered bool
	Offset    int64 // of the first byte, from the start of the stream
	Length    int64 // bytes, body included
	// Head is the message from its start line to its empty line, or the first
	// 8 bytes of a STUN message in a stream; Body is nil if bodies are dropped.
	// Both are valid until the next call of a method of the Framer, or as long
	// as the datagram.
	Head, Body []byte
	// BodyLength is the length of the body as framed, whether given or not.
	BodyLength int64
}
