// SPDX-License-Identifier: Apache-2.0

// Package sipparse reads SIP (RFC 3261) from bytes that somebody else owns,
// at the price of what is asked for and no more.
//
// There are two halves. [Parser] walks one message: start line, then header
// fields one by one, each with a [HeaderID]; the value of a field is split
// further only when asked: [Header.Vias], [Header.Addresses], [ParseCSeq],
// [Header.Tags], [Header.Options], [ParseDelta]. [Framer] cuts a stream (TCP, TLS) into
// messages, keep-alives (RFC 5626 section 4.4.1) and what is neither;
// [FrameDatagram] does the same for one UDP datagram. [Check] reads all
// of a message for its defects.
//
// Lenient and exact: what can be read is read, and what was wrong is recorded
// as a [Defect], with a stable [Code] and the offset of the byte. Nothing
// here panics, and nothing allocates by a number found in a message; parsing
// allocates nothing at all, framing only to hold a message head that arrived
// in pieces.
//
// No byte is copied: every []byte in a result points into the input, has the
// escapes and the folds of the input still in it, and is valid as long as the
// input is. Values are safe to copy; no type here is safe for concurrent use
// by itself, and none has state outside itself.
//
// The trap: results of [Framer.Next] point either into the chunk that was
// pushed last or into the framer's own buffer, and that buffer goes back to a
// pool at the next call.
package sipparse
