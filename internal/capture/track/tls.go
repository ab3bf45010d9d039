// SPDX-License-Identifier: Apache-2.0

package track

import "github.com/viaduct-project/viaduct/internal/capture/packet"

// What goes up of a TLS stream is what the programs in the kernel send (see
// bpf/include/tls.h): of application data the beginning of each record, of all
// else everything.
const (
	tlsHeader      = 5
	tlsBegin       = tlsHeader + 16 // what is told of application data
	tlsFirst       = 20             // change_cipher_spec; alert and handshake follow
	tlsApplication = 23
	tlsLengthMax   = 16384 + 2048 // RFC 5246 section 6.2.3
	tlsRecordsMax  = 32           // of one segment, in the programs
)

// record is the newest one of application data whose header was told.
type record struct {
	seq    uint32
	length uint32 // with its header; 0 if there was none
}

// tlsRecord returns the length of the record that b begins with, header
// included, 0 if it does not begin with one.
func tlsRecord(b []byte) (length int, application bool) {
	if len(b) < tlsHeader || b[0] < tlsFirst || b[0] > tlsApplication || b[1] != 3 || b[2] > 4 {
		return 0, false
	}
	n := int(b[3])<<8 | int(b[4])
	if n > tlsLengthMax {
		return 0, false
	}
	return tlsHeader + n, b[0] == tlsApplication
}

// records tells of a segment of a TLS stream.
func (t *Tracker) records(c *conn, from int, p *packet.Packet) {
	e := &c.ends[from]
	seq, left, b := p.Seq, p.Length, p.Payload
	if at := seq - e.record.seq; at < e.record.length {
		known := int(e.record.length - at)
		if known >= left {
			return
		}
		seq, left, b = seq+uint32(known), left-known, b[min(known, len(b)):]
	}
	for n := 0; left > 0; n++ {
		length, application := tlsRecord(b)
		switch {
		case length == 0 || n >= tlsRecordsMax:
			t.told(c, from, p, seq, left, b)
			return
		case application:
			e.record = record{seq, uint32(length)}
			t.told(c, from, p, seq, length, b[:min(tlsBegin, length, len(b))])
		default:
			length = min(length, left)
			t.told(c, from, p, seq, length, b[:min(length, len(b))])
		}
		seq, left, b = seq+uint32(length), left-length, b[min(length, len(b)):]
	}
}
