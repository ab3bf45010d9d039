// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// twinWait is how far apart the copies of a packet may be that a capture
	// took on two interfaces, and twinWaitHere on one (a mirror port that sees
	// it come and go). SIP sends nothing again within 500 ms.
	twinWait     = 10 * time.Millisecond
	twinWaitHere = time.Millisecond
	// twinsMax bounds what is remembered.
	twinsMax = 8192
)

// twins finds packets that were captured before: a bridge, a container's
// interface and the host's each show the same one. What a router changes on
// the way (hop limit, traffic class, checksums) does not count.
type twins struct {
	hash       maphash.Hash
	young, old map[uint64]seen
	turned     event.Time // when young was begun
}

type seen struct {
	at    event.Time
	where place
}

func (t *twins) seen(ip *datagram, where place, now event.Time) bool {
	key := t.key(ip)
	if t.young == nil || now.Sub(t.turned) > twinWait || len(t.young) >= twinsMax {
		t.old, t.young = t.young, t.old
		clear(t.young)
		if t.young == nil {
			t.young = make(map[uint64]seen)
		}
		t.turned = now
	}
	before, known := t.young[key]
	if !known {
		before, known = t.old[key]
	}
	if known && within(now.Sub(before.at), before.where, where, ip) {
		return true
	}
	t.young[key] = seen{now, where}
	return false
}

// within says whether two packets with the same content are one. Many have no
// identification of their own (IPv6, what Linux sends with DF set), so one that
// was really sent twice within a millisecond counts as one too.
func within(apart time.Duration, a, b place, ip *datagram) bool {
	if a != b || a.vague && ip.id != 0 {
		return apart <= twinWait
	}
	return apart <= twinWaitHere
}

func (t *twins) key(ip *datagram) uint64 {
	t.hash.Reset()
	var head [48]byte
	src, dst := ip.src.As16(), ip.dst.As16()
	copy(head[:], src[:])
	copy(head[16:], dst[:])
	binary.LittleEndian.PutUint32(head[32:], ip.id)
	binary.LittleEndian.PutUint32(head[36:], uint32(ip.length))
	binary.LittleEndian.PutUint32(head[40:], uint32(ip.offset))
	head[44] = byte(ip.protocol)
	t.hash.Write(head[:])
	b := ip.payload
	at := 0 // of the transport's checksum, which hardware fills in late
	switch ip.protocol {
	case layers.IPProtocolTCP:
		at = 16
	case layers.IPProtocolUDP:
		at = 6
	}
	if at > 0 && ip.offset == 0 && len(b) >= at+2 {
		t.hash.Write(b[:at])
		b = b[at+2:]
	}
	t.hash.Write(b)
	return t.hash.Sum64()
}
