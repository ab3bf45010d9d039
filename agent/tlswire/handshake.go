// SPDX-License-Identifier: Apache-2.0

package tlswire

import "golang.org/x/crypto/cryptobyte"

// Messages of the handshake (RFC 5246 section 7.4).
const (
	clientHello        = 1
	serverHello        = 2
	certificate        = 11
	certificateRequest = 13
	serverHelloDone    = 14
)

// messageMax bounds what is kept of a message that is not complete; the
// longest ones are chains of certificates.
const messageMax = 64 << 10

// Handshake reads the clear part of a connection's handshake into its Session.
// The two sides are numbered as the caller likes, 0 and 1; who is the client is
// found. Messages go in the order in which each side sent them; between the
// sides an order that the protocol does not allow loses what cannot be made
// sense of. The zero value is ready.
type Handshake struct {
	Session

	sides  [2]half
	client int8 // 1 + its number, 0 if not known
	over   bool
}

// half is what one side is about to send.
type half struct {
	partial []byte // of a message
	blind   bool   // encrypted from here on, or not to be read
}

// Over says that nothing more will be read.
func (h *Handshake) Over() bool {
	return h.over || h.sides[0].blind && h.sides[1].blind
}

// FromClient says that the side is the client's, as far as is known.
func (h *Handshake) FromClient(side int) bool { return h.client == int8(1+side) }

// Alert takes note of an alert. Those that end a session are encrypted; in TLS
// 1.3 their type is too, so that they are not heard of here.
func (h *Handshake) Alert(side int) {
	if h.sides[side].blind {
		h.Alerted[side] = true
	}
}

// Lost says that some of what the side sent in the handshake is missing.
func (h *Handshake) Lost(side int) {
	h.Missed[side] = true
	h.shut(side)
}

func (h *Handshake) shut(side int) {
	h.sides[side] = half{blind: true}
}

// Content takes what the side sent in records of the type.
func (h *Handshake) Content(side int, kind uint8, b []byte) {
	s := &h.sides[side]
	switch {
	case s.blind || h.over:
	case kind == handshakeRecord:
		h.messages(side, b)
	case kind == ChangeCipherSpec && h.Version != TLS13:
		h.encrypted(side)
	}
}

// encrypted notes what can be said now that the side has told its secret: in
// TLS 1.2 the server comes to that without a ServerHelloDone only if it goes
// on with an earlier session (RFC 5246 section 7.3).
func (h *Handshake) encrypted(side int) {
	whole := len(h.sides[side].partial) == 0
	if h.client == int8(2-side) && h.Version != 0 && h.Resumed == Unknown && whole {
		h.Resumed = Yes
	}
	h.shut(side)
}

func (h *Handshake) messages(side int, b []byte) {
	s := &h.sides[side]
	if len(s.partial) > 0 {
		s.partial = append(s.partial, b...)
		b = s.partial
	}
	for len(b) >= 4 && !s.blind && !h.over {
		length := 4 + (int(b[1])<<16 | int(b[2])<<8 | int(b[3]))
		if length > messageMax {
			h.shut(side)
			return
		}
		if length > len(b) {
			break
		}
		if !h.message(side, b[0], cryptobyte.String(b[4:length])) {
			h.shut(side)
			return
		}
		b = b[length:]
	}
	if s.blind || h.over {
		return
	}
	s.partial = append(s.partial[:0], b...)
}

// message is false if it cannot be read.
func (h *Handshake) message(side int, kind uint8, m cryptobyte.String) bool {
	if kind == clientHello {
		if h.client == int8(2-side) || h.Version != 0 {
			return false // only one side is the client, and asks before it is answered
		}
		h.client = int8(1 + side)
		return h.clientHello(m)
	}
	switch fromClient := h.client == int8(1+side); {
	case h.client == 0:
		return kind == serverHello && h.answered(side, m) // the ClientHello was not seen
	case kind == serverHello && !fromClient:
		return h.answered(side, m)
	case kind == certificate && fromClient:
		return h.clientShows(m)
	case kind == certificate:
		return h.serverShows(m)
	case kind == certificateRequest && !fromClient:
		h.Client = ClientAsked
	case kind == serverHelloDone && !fromClient:
		if h.Client == ClientUnknown {
			h.Client = ClientNotAsked
		}
		h.Resumed = No
	}
	return true
}

// answered takes the ServerHello, behind which TLS 1.3 is all encrypted.
func (h *Handshake) answered(side int, m cryptobyte.String) bool {
	if !h.serverHello(m) {
		return false
	}
	h.client = int8(2 - side)
	h.over = h.Version == TLS13
	return true
}

// leaf reads the first certificate of RFC 5246 section 7.4.2; none says that
// the list is empty.
func leaf(m cryptobyte.String) (der []byte, none, ok bool) {
	var list, first cryptobyte.String
	if !m.ReadUint24LengthPrefixed(&list) || !m.Empty() {
		return nil, false, false
	}
	if list.Empty() {
		return nil, true, true
	}
	ok = list.ReadUint24LengthPrefixed(&first)
	return first, false, ok
}

func (h *Handshake) clientShows(m cryptobyte.String) bool {
	der, none, ok := leaf(m)
	switch {
	case !ok || h.Client != ClientAsked:
		return false
	case none:
		h.Client = ClientNone
	default:
		h.Client, h.ClientNames = ClientGiven, readNames(der)
	}
	return true
}

func (h *Handshake) serverShows(m cryptobyte.String) bool {
	der, none, ok := leaf(m)
	if ok && !none {
		h.ServerNames = readNames(der)
	}
	return ok
}
