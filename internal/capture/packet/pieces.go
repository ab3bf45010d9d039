// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// pieceWait is how long a datagram may take to be completed: Linux gives
	// IPv4 30 s, IPv6 60 s (RFC 8200 section 4.5).
	pieceWait = 60 * time.Second
	// piecesMax and pieceBytesMax bound what waits; datagramMax is the longest
	// datagram that the header can tell of.
	piecesMax     = 4096
	pieceBytesMax = 4 << 20
	datagramMax   = 65535
)

// pieces puts fragmented datagrams together. Fragments that overlap make a
// datagram worthless (RFC 5722); one that comes twice does not.
type pieces struct {
	waiting map[pieceKey]*partial
	order   []*partial // by age
	bytes   int
}

// pieceKey is what fragments of one datagram have in common (RFC 791 section
// 3.2, RFC 8200 section 4.5).
type pieceKey struct {
	src, dst netip.Addr
	id       uint32
	protocol layers.IPProtocol // IPv4 only: in IPv6 later fragments may name another
}

type partial struct {
	key    pieceKey
	since  event.Time
	parts  []part // by offset
	bytes  int
	total  int // 0 until the last fragment is there
	spoilt bool
	done   bool

	protocol layers.IPProtocol // of the first fragment
}

type part struct {
	offset, length int
	data           []byte // shorter than length if the capture cut it
}

// join takes in a fragment. If it completes its datagram, ip becomes that.
func (p *pieces) join(ip *datagram, now event.Time, stats *Stats) bool {
	p.expire(now, stats)
	end := ip.offset + ip.length
	if end > datagramMax || ip.more && ip.length%8 != 0 || ip.length == 0 {
		stats.Unreadable++
		return false
	}
	k := pieceKey{ip.src, ip.dst, ip.id, 0}
	if ip.src.Is4() {
		k.protocol = ip.protocol
	}
	w := p.waiting[k]
	if w == nil {
		w = &partial{key: k, since: now}
		if p.waiting == nil {
			p.waiting = make(map[pieceKey]*partial)
		}
		p.waiting[k] = w
		p.order = append(p.order, w)
	}
	if ip.offset == 0 {
		w.protocol = ip.protocol
	}
	if !w.spoilt {
		p.add(w, ip, end)
	}
	for len(p.order) > piecesMax || p.bytes > pieceBytesMax {
		p.giveUp(p.order[0], stats)
		p.order = p.order[1:]
	}
	if w.spoilt || w.done || !w.whole() {
		return false
	}
	ip.protocol, ip.length, ip.piece = w.protocol, w.total, false
	ip.payload = w.content()
	p.remove(w)
	return true
}

func (p *pieces) add(w *partial, ip *datagram, end int) {
	at, same := slices.BinarySearchFunc(w.parts, ip.offset, func(x part, offset int) int { return x.offset - offset })
	switch {
	case same && w.parts[at].length == ip.length:
		return
	case same,
		at > 0 && w.parts[at-1].offset+w.parts[at-1].length > ip.offset,
		at < len(w.parts) && w.parts[at].offset < end,
		w.total != 0 && (end > w.total || !ip.more && end != w.total),
		!ip.more && len(w.parts) > 0 && w.parts[len(w.parts)-1].offset+w.parts[len(w.parts)-1].length > end:
		w.spoilt = true
		p.bytes -= w.bytes
		w.parts, w.bytes = nil, 0
		return
	}
	if !ip.more {
		w.total = end
	}
	w.parts = slices.Insert(w.parts, at, part{ip.offset, ip.length, slices.Clone(ip.payload)})
	w.bytes += len(ip.payload)
	p.bytes += len(ip.payload)
}

// whole says whether no byte of w is missing.
func (w *partial) whole() bool {
	next := 0
	for _, x := range w.parts {
		if x.offset != next {
			return false
		}
		next += x.length
	}
	return w.total != 0 && next == w.total
}

// content is the datagram up to the first byte that the capture cut off.
func (w *partial) content() []byte {
	b := make([]byte, 0, w.total)
	for _, x := range w.parts {
		b = append(b, x.data...)
		if len(x.data) < x.length {
			break
		}
	}
	return b
}

func (p *pieces) remove(w *partial) {
	w.done = true // stays in order until its time
	p.bytes -= w.bytes
	w.parts, w.bytes = nil, 0
	delete(p.waiting, w.key)
}

func (p *pieces) giveUp(w *partial, stats *Stats) {
	if w.done {
		return
	}
	stats.Fragments++
	p.remove(w)
}

func (p *pieces) expire(now event.Time, stats *Stats) {
	for len(p.order) > 0 && (p.order[0].done || now.Sub(p.order[0].since) >= pieceWait) {
		p.giveUp(p.order[0], stats)
		p.order = p.order[1:]
	}
}

func (p *pieces) drop(stats *Stats) {
	for _, w := range p.order {
		p.giveUp(w, stats)
	}
	p.order = nil
}
