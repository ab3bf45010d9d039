// SPDX-License-Identifier: Apache-2.0

package track

import (
	"bytes"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
)

// How much text tells that bytes are not encrypted: by chance, one segment of
// five million begins with so much. Where the capture cut the segment, less
// must do, which one of two thousand has.
const (
	textBytes    = 16
	textBytesCut = 8
)

// settle looks what a connection on a port for SIP carries, and says whether
// that is known now. Of one that is older than the capture the first bytes may
// be the middle of anything: what shows neither a record's header nor text is
// passed over, as what went before it was.
func (t *Tracker) settle(c *conn, p *packet.Packet) bool {
	switch first := firstSeen(p, c.midLife); {
	case first == isTLS:
		c.verdict, c.spoke = isTLS, true
		t.tellAll(c, p.Time) // again, now as TLS
	case first == isSIP:
		c.spoke = true
	}
	return c.spoke
}

// firstSeen judges a segment before which none told anything. At the beginning
// of a connection any record's header is one, as a server answers with an alert
// to whoever says nothing.
func firstSeen(p *packet.Packet, midLife bool) verdict {
	b := p.Payload
	header := len(b) >= 3 && b[1] == 3 && b[0] >= tlsFirst && b[0] <= tlsApplication
	if !midLife {
		if header {
			return isTLS
		}
		return isSIP
	}
	if length, _ := tlsRecord(b); length > 0 || header && b[2] <= 4 && len(b) < tlsHeader {
		return isTLS
	}
	enough := textBytes
	if len(b) < p.Length {
		enough = textBytesCut
	}
	switch {
	case len(b) >= enough && isText(b[:min(len(b), textBytes)]),
		len(b) == p.Length && bytes.HasPrefix(b, []byte("\r\n")) && len(bytes.Trim(b, "\r\n")) == 0, // keep-alives
		bytes.Contains(b, []byte("SIP/2.0")):
		return isSIP
	}
	return undecided
}

func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}
