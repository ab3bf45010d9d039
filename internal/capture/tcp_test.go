// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// tcp writes the segments of one connection between two ends.
type tcp struct {
	*capturetest.Writer
	at   event.Time
	a, b netip.AddrPort // a connects
}

type flags = capturetest.Flags

var ack = flags{ACK: true}

func (c *tcp) wait(d time.Duration) { c.at = c.at.Add(d) }

func (c *tcp) fromA(f flags, seq, ack uint32, payload string) {
	c.IP(c.at, c.Segment(c.a, c.b, f, seq, ack, payload))
	c.wait(time.Millisecond)
}

func (c *tcp) fromB(f flags, seq, ack uint32, payload string) {
	c.IP(c.at, c.Segment(c.b, c.a, f, seq, ack, payload))
	c.wait(time.Millisecond)
}

// open is a handshake of 2 ms; a's first byte is 1001, b's 5001.
func (c *tcp) open() {
	c.fromA(flags{SYN: true}, 1000, 0, "")
	c.fromB(flags{SYN: true, ACK: true}, 5000, 1001, "")
	c.fromA(ack, 1001, 5001, "")
}

// tlsRecord returns a record of a TLS stream with n bytes behind its header.
func tlsRecord(kind byte, n int) string {
	return string([]byte{kind, 3, 3, byte(n >> 8), byte(n)}) + strings.Repeat("x", n)
}

// TestTCP: what the events of a connection are, by what was captured of it.
// The local side is b, 192.0.2.1.
func TestTCP(t *testing.T) {
	const high = "192.0.2.1:7000" // a port that nobody named
	for _, tt := range []struct {
		name string
		b    string // default port 5060
		out  bool   // a is this host, b the remote
		play func(c *tcp)
		want []string
	}{
		{"retransmission", "", false, func(c *tcp) {
			c.open()
			c.fromB(ack, 5001, 1001, options)
			c.wait(time.Second)
			c.fromB(ack, 5001, 1001, options)
			c.fromA(ack, 1001, 5040, "")
		}, []string{
			"1 opened by 2 in 1ms", "1 data out 5001 39/39", "1 data out 5001 39/39",
			"1 figures by 0 how 0 sent 39 received 0 resent 1",
		}},
		{"reordering", "", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1011, 5001, options[10:])
			c.fromA(ack, 1001, 5001, options[:10])
			c.fromB(ack, 5001, 1040, "")
		}, []string{
			"1 opened by 2 in 1ms", "1 data in 1011 29/29", "1 data in 1001 10/10",
			"1 figures by 0 how 0 sent 0 received 39 resent 0",
		}},
		{"loss that an acknowledgement shows", "", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, options)
			c.fromB(ack, 5001, 1140, "")
			c.fromA(flags{FIN: true, ACK: true}, 1140, 5001, "")
			c.fromB(flags{FIN: true, ACK: true}, 5001, 1141, "")
			c.fromA(ack, 1141, 5002, "")
		}, []string{
			"1 opened by 2 in 1ms", "1 data in 1001 39/39", "1 half in",
			"1 closed by 2 how 1 sent 0 received 139 resent 0",
		}},
		{"bytes that only their acknowledgement shows", "", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, options)
			c.fromB(ack, 5001, 1140, "")
			c.wait(10 * time.Second)
			c.fromB(ack, 5001, 1140, options)
		}, []string{
			"1 opened by 2 in 1ms", "1 data in 1001 39/39", "1 data in 1140 0/0 lost", "1 data out 5001 39/39",
			"1 figures by 0 how 0 sent 39 received 139 resent 0",
		}},
		{"an acknowledgement in front of its bytes", "", false, func(c *tcp) {
			c.open()
			c.fromB(ack, 5001, 1040, "")
			c.fromA(ack, 1001, 5001, options[:10])
			c.fromA(ack, 1011, 5001, options[10:])
			c.wait(10 * time.Second)
			c.fromB(ack, 5001, 1040, options)
		}, []string{
			"1 opened by 2 in 1ms", "1 data in 1001 10/10", "1 data in 1011 29/29", "1 data out 5001 39/39",
			"1 figures by 0 how 0 sent 39 received 39 resent 0",
		}},
		{"last ACK not captured", "", false, func(c *tcp) {
			c.open()
			c.fromA(flags{FIN: true, ACK: true}, 1001, 5001, "")
			c.fromB(flags{FIN: true, ACK: true}, 5001, 1002, "")
		}, []string{"1 opened by 2 in 1ms", "1 half in", "1 closed by 2 how 1 sent 0 received 0 resent 0"}},
		{"closed here", "", false, func(c *tcp) {
			c.open()
			c.fromB(flags{FIN: true, ACK: true}, 5001, 1001, "")
			c.fromA(flags{FIN: true, ACK: true}, 1001, 5002, "")
		}, []string{"1 opened by 2 in 1ms", "1 half out", "1 closed by 1 how 1 sent 0 received 0 resent 0"}},
		{"half closed", "", false, func(c *tcp) {
			c.open()
			c.fromA(flags{FIN: true, ACK: true}, 1001, 5001, "")
			c.fromB(ack, 5001, 1002, "")
		}, []string{"1 opened by 2 in 1ms", "1 half in", "1 figures by 0 how 0 sent 0 received 0 resent 0"}},
		{"reset", "", false, func(c *tcp) {
			c.open()
			c.fromB(ack, 5001, 1001, options)
			c.fromA(flags{RST: true}, 1001, 0, "")
			c.fromB(ack, 5040, 1001, options) // on its way
		}, []string{"1 opened by 2 in 1ms", "1 data out 5001 39/39", "1 closed by 2 how 2 sent 39 received 0 resent 0"}},
		{"reset after FIN", "", false, func(c *tcp) {
			c.open()
			c.fromB(flags{FIN: true, ACK: true}, 5001, 1001, "")
			c.fromA(flags{RST: true}, 1001, 0, "")
		}, []string{"1 opened by 2 in 1ms", "1 half out", "1 closed by 1 how 1 sent 0 received 0 resent 0"}},
		{"forged reset", "", false, func(c *tcp) {
			c.open()
			c.fromA(flags{RST: true}, 1001+1<<30, 0, "")
			c.fromA(ack, 1001, 5001, options)
		}, []string{"1 opened by 2 in 1ms", "1 data in 1001 39/39", "1 figures by 0 how 0 sent 0 received 39 resent 0"}},
		{"refused", "", true, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.fromB(flags{RST: true, ACK: true}, 0, 1001, "")
		}, []string{"1 closed by 2 how 4 sent 0 received 0 resent 0"}},
		{"refused by us", "", false, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.fromB(flags{RST: true, ACK: true}, 0, 1001, "")
		}, nil},
		{"refused elsewhere", high, true, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.fromB(flags{RST: true, ACK: true}, 0, 1001, "")
		}, nil},
		{"unreachable", "", true, func(c *tcp) {
			syn := c.Segment(c.a, c.b, flags{SYN: true}, 1000, 0, "")
			c.IP(c.at, syn)
			c.IP(c.at, c.Unreachable(syn, false))
		}, []string{"1 closed by 0 how 5 sent 0 received 0 resent 0"}},
		{"port unreachable", "", true, func(c *tcp) {
			syn := c.Segment(c.a, c.b, flags{SYN: true}, 1000, 0, "")
			c.IP(c.at, syn)
			c.IP(c.at, c.Unreachable(syn, true))
		}, []string{"1 closed by 2 how 4 sent 0 received 0 resent 0"}},
		{"unreachable does not end what is established", "", true, func(c *tcp) {
			c.open()
			c.IP(c.at, c.Unreachable(c.Segment(c.a, c.b, flags{SYN: true}, 1000, 0, ""), false))
		}, []string{"1 opened by 1 in 1ms", "1 figures by 0 how 0 sent 0 received 0 resent 0"}},
		{"no answer", "", true, func(c *tcp) {
			for _, wait := range []time.Duration{1, 2, 17} {
				c.fromA(flags{SYN: true}, 1000, 0, "")
				c.wait(wait * time.Second)
			}
			c.IP(c.at, c.Datagram(c.a, netip.AddrPortFrom(c.b.Addr(), 53), "time passes"))
		}, []string{"1 closed by 0 how 3 sent 0 received 0 resent 2"}},
		{"no answer so far", "", true, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.wait(3 * time.Second)
			c.IP(c.at, c.Datagram(c.a, netip.AddrPortFrom(c.b.Addr(), 53), "the capture ends"))
		}, nil},
		{"SYN lost from the capture", "", false, func(c *tcp) {
			c.fromB(flags{SYN: true, ACK: true}, 5000, 1001, "")
			c.fromA(ack, 1001, 5001, options)
		}, []string{"1 opened by 2 in 1ms", "1 data in 1001 39/39", "1 figures by 0 how 0 sent 0 received 39 resent 0"}},
		{"SYN-ACK lost from the capture", "", false, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.fromA(ack, 1001, 5001, options)
			c.fromB(ack, 5001, 1040, options)
		}, []string{"1 opened by 2 in 0s", "1 data in 1001 39/39", "1 data out 5001 39/39",
			"1 figures by 0 how 0 sent 39 received 39 resent 0"}},
		{"never accepted", "", false, func(c *tcp) {
			c.fromA(flags{SYN: true}, 1000, 0, "")
			c.fromB(flags{SYN: true, ACK: true}, 5000, 1001, "")
			c.fromA(flags{RST: true}, 1001, 0, "")
		}, nil},
		{"in mid-stream", "", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "middle of a body")
			c.fromB(flags{FIN: true, ACK: true}, 5001, 1017, "")
		}, []string{"1 opened by 0 in 0s midlife", "1 data in 1001 16/16", "1 half out",
			"1 figures by 0 how 0 sent 0 received 16 resent 0"}},
		{"in mid-life, idle", "", false, func(c *tcp) {
			c.fromA(ack, 1000, 5001, "")
			c.fromB(ack, 5001, 1001, "")
		}, []string{"1 opened by 0 in 0s midlife", "1 figures by 0 how 0 sent 0 received 0 resent 0"}},
		{"port used again", "", false, func(c *tcp) {
			c.open()
			c.fromA(flags{SYN: true}, 9000, 0, "")
			c.fromB(flags{SYN: true, ACK: true}, 7000, 9001, "")
			c.fromA(ack, 9001, 7001, options)
		}, []string{"1 opened by 2 in 1ms", "1 closed by 0 how 6 sent 0 received 0 resent 0",
			"2 opened by 2 in 1ms", "2 data in 9001 39/39", "2 figures by 0 how 0 sent 0 received 39 resent 0"}},
		{"elsewhere, found by content", high, false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, options[:5])
			c.fromA(ack, 1006, 5001, options[5:])
			c.fromB(ack, 5001, 1040, "SIP/2.0 200 OK\r\n\r\n")
		}, []string{"1 opened by 2 in 1ms", "1 data in 1001 5/5", "1 data in 1006 34/34", "1 data out 5001 18/18",
			"1 figures by 0 how 0 sent 18 received 39 resent 0"}},
		{"elsewhere, reordered", high, false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1006, 5001, options[5:])
			c.fromA(ack, 1001, 5001, options[:5])
		}, []string{"1 opened by 2 in 1ms", "1 data in 1006 34/34", "1 data in 1001 5/5",
			"1 figures by 0 how 0 sent 0 received 39 resent 0"}},
		{"elsewhere, in mid-stream", high, false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x01body")
			c.fromA(ack, 1006, 5001, options)
		}, []string{"1 opened by 0 in 0s midlife", "1 data in 1006 39/39",
			"1 figures by 0 how 0 sent 0 received 44 resent 0"}},
		{"elsewhere, no SIP", high, false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, "GET / HTTP/1.1\r\n\r\n")
			c.fromB(ack, 5001, 1019, "HTTP/1.1 200 OK\r\n\r\n")
			c.fromA(ack, 1019, 5020, options)
		}, nil},
		{"TLS", "192.0.2.1:5061", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, "\x16\x03\x01\x02\x00")
			c.fromB(flags{RST: true, ACK: true}, 5001, 1006, "")
		}, []string{"1 opened by 2 in 1ms tls", "1 opened by 2 in 1ms tls", "1 record in 1001 5/5 tls", "1 closed by 1 how 2 sent 0 received 5 resent 0 tls"}},
		{"TLS on the other port", "", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, "\x16\x03\x01\x02\x00")
		}, []string{"1 opened by 2 in 1ms", "1 opened by 2 in 1ms tls", "1 record in 1001 5/5 tls", "1 figures by 0 how 0 sent 0 received 5 resent 0 tls"}},
		{"no TLS on the TLS port", "192.0.2.1:5061", false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, options)
		}, []string{"1 opened by 2 in 1ms tls", "1 data in 1001 39/39", "1 figures by 0 how 0 sent 0 received 39 resent 0"}},
		{"TLS in mid-record", "192.0.2.1:5061", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x80\x81\x82\x83\x84")
			c.fromA(ack, 1006, 5001, tlsRecord(23, 100))
		}, []string{"1 opened by 0 in 0s midlife tls", "1 opened by 0 in 0s midlife tls", "1 record in 1006 21/105 tls", "1 figures by 0 how 0 sent 0 received 110 resent 0 tls"}},
		{"TLS in mid-record on the other port", "", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x80\x81\x82\x83\x84")
			c.fromB(ack, 5001, 1006, tlsRecord(23, 100))
			c.fromA(ack, 1006, 5106, "\x80\x81\x82\x83\x84")
		}, []string{"1 opened by 0 in 0s midlife", "1 opened by 0 in 0s midlife tls", "1 record out 5001 21/105 tls", "1 record in 1006 5/5 tls", "1 figures by 0 how 0 sent 105 received 10 resent 0 tls"}},
		{"in the middle of a binary body on the TLS port", "192.0.2.1:5061", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x80\x81\x82\x83\x84")
			c.fromA(ack, 1006, 5001, "\x80\x81"+options)
			c.fromB(ack, 5001, 1047, "\x80")
		}, []string{"1 opened by 0 in 0s midlife tls", "1 data in 1006 41/41", "1 data out 5001 1/1", "1 figures by 0 how 0 sent 1 received 46 resent 0"}},
		{"in the middle of a message on the TLS port", "192.0.2.1:5061", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "max-forwards: 70\r\n")
		}, []string{"1 opened by 0 in 0s midlife tls", "1 data in 1001 18/18", "1 figures by 0 how 0 sent 0 received 18 resent 0"}},
		{"at a keep-alive", "192.0.2.1:5061", false, func(c *tcp) {
			c.fromB(ack, 5001, 1001, "\r\n\r\n")
			c.fromA(ack, 1001, 5005, "\r\n")
		}, []string{"1 opened by 0 in 0s midlife tls", "1 data out 5001 4/4", "1 data in 1001 2/2", "1 figures by 0 how 0 sent 4 received 2 resent 0"}},
		{"at a keep-alive of TCP", "192.0.2.1:5061", false, func(c *tcp) {
			c.fromB(ack, 5000, 1001, "\x00")
			c.fromA(ack, 1001, 5001, tlsRecord(21, 26))
		}, []string{"1 opened by 0 in 0s midlife tls", "1 opened by 0 in 0s midlife tls", "1 record in 1001 31/31 tls", "1 figures by 0 how 0 sent 1 received 31 resent 0 tls"}},
		{"half a record's header", "", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x17\x03\x03")
			c.fromA(ack, 1004, 5001, tlsRecord(23, 40)[3:])
		}, []string{"1 opened by 0 in 0s midlife", "1 opened by 0 in 0s midlife tls", "1 record in 1001 3/3 tls", "1 record in 1004 42/42 tls", "1 figures by 0 how 0 sent 0 received 45 resent 0 tls"}},
		{"what looks like the beginning of a header", "", false, func(c *tcp) {
			c.fromA(ack, 1001, 5001, "\x17\x03\x03\xff\xff")
			c.fromA(ack, 1006, 5001, options)
		}, []string{"1 opened by 0 in 0s midlife", "1 data in 1006 39/39", "1 figures by 0 how 0 sent 0 received 44 resent 0"}},
		{"TLS records", "192.0.2.1:5061", false, func(c *tcp) {
			c.open()
			long, ping := tlsRecord(23, 3000), tlsRecord(23, 21)
			c.fromA(ack, 1001, 5001, tlsRecord(22, 500)+ping+long[:1000])
			c.fromA(ack, 2532, 5001, long[1000:2000])
			c.fromA(ack, 3532, 5001, long[2000:]+ping[:3])
			c.fromA(ack, 4540, 5001, ping[3:])
			c.fromA(ack, 4563, 5001, ping)
			c.fromA(ack, 2532, 5001, long[1000:2000])
		}, []string{"1 opened by 2 in 1ms tls", "1 opened by 2 in 1ms tls",
			"1 record in 1001 505/505 tls", "1 record in 1506 21/26 tls", "1 record in 1532 21/3005 tls", "1 record in 4537 3/3 tls",
			"1 record in 4540 23/23 tls", "1 record in 4563 21/26 tls", "1 record in 2532 1000/1000 tls",
			"1 figures by 0 how 0 sent 0 received 3588 resent 0 tls"}},
		{"TLS elsewhere", high, false, func(c *tcp) {
			c.open()
			c.fromA(ack, 1001, 5001, "\x16\x03\x01\x02\x00")
			c.fromB(ack, 5001, 1006, options)
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			c := &tcp{Writer: capturetest.New(&b, layers.LinkTypeRaw), at: start, a: phone4, b: proxy4}
			if tt.b != "" {
				c.b = netip.MustParseAddrPort(tt.b)
			}
			tt.play(c)
			o := track.Options{Local: proxies}
			if tt.out {
				o.Local = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			}
			got, _ := read(t, b.Bytes(), o)
			same(t, got, tt.want...)
		})
	}
}

// TestSides: a connection is seen from each end that is this host's, and from
// the initiator's place if none is known to be.
func TestSides(t *testing.T) {
	play := func(local ...string) log {
		var b bytes.Buffer
		c := &tcp{Writer: capturetest.New(&b, layers.LinkTypeRaw), at: start, a: phone4, b: proxy4}
		c.open()
		c.fromA(ack, 1001, 5001, options)
		c.fromB(flags{FIN: true, ACK: true}, 5001, 1040, "")
		c.fromA(flags{FIN: true, ACK: true}, 1040, 5002, "")
		c.fromB(ack, 5002, 1041, "")
		c.IP(c.at, c.Datagram(c.b, c.a, options))
		var o track.Options
		for _, l := range local {
			o.Local = append(o.Local, netip.MustParsePrefix(l))
		}
		got, _ := read(t, b.Bytes(), o)
		return got
	}
	same(t, play("192.0.2.0/24"),
		"1 opened by 2 in 1ms", "1 data in 1001 39/39", "1 half out", "1 closed by 1 how 1 sent 0 received 39 resent 0",
		"2 data out 0 39/39 192.0.2.1:5060 198.51.100.7:40001")
	same(t, play("198.51.100.0/24"),
		"1 opened by 1 in 1ms", "1 data out 1001 39/39", "1 half in", "1 closed by 2 how 1 sent 39 received 0 resent 0",
		"2 data in 0 39/39 198.51.100.7:40001 192.0.2.1:5060")
	same(t, play("192.0.2.1/32", "198.51.100.7/32"),
		"2 opened by 1 in 1ms", "1 opened by 2 in 1ms",
		"2 data out 1001 39/39", "1 data in 1001 39/39",
		"1 half out", "2 half in",
		"1 closed by 1 how 1 sent 0 received 39 resent 0", "2 closed by 2 how 1 sent 39 received 0 resent 0",
		"3 data out 0 39/39 192.0.2.1:5060 198.51.100.7:40001",
		"4 data in 0 39/39 198.51.100.7:40001 192.0.2.1:5060")
	for _, none := range []log{play(), play("203.0.113.0/24")} {
		same(t, none,
			"1 opened by 1 in 2ms sideless", "1 data out 1001 39/39 sideless", "1 half in sideless",
			"1 closed by 2 how 1 sent 39 received 0 resent 0 sideless",
			"2 data out 0 39/39 192.0.2.1:5060 198.51.100.7:40001 sideless")
	}
}

// TestDoubt: a capture that lacks bytes is read again with the knowledge of
// where, and of that datagrams may be missing too.
func TestDoubt(t *testing.T) {
	var b bytes.Buffer
	whole := &tcp{Writer: capturetest.New(&b, layers.LinkTypeRaw), at: start, a: phone4, b: proxy4}
	whole.open()
	whole.fromA(ack, 1001, 5001, options)
	holed := &tcp{Writer: whole.Writer, at: whole.at, a: netip.AddrPortFrom(phone4.Addr(), 40002), b: proxy4}
	holed.open()
	holed.fromA(ack, 1001, 5001, options)
	holed.fromB(ack, 5001, 1140, "")
	holed.IP(holed.at, holed.Datagram(phone4, proxy4, options))
	holed.wait(10 * time.Second)
	holed.fromB(ack, 5001, 1140, options)
	o := track.Options{Local: proxies}
	got, r := read(t, b.Bytes(), o)
	same(t, got,
		"1 opened by 2 in 1ms", "1 data in 1001 39/39", "2 opened by 2 in 1ms", "2 data in 1001 39/39",
		"3 data in 0 39/39 192.0.2.1:5060 198.51.100.7:40001", "2 data in 1140 0/0 lost", "2 data out 5001 39/39",
		"1 figures by 0 how 0 sent 0 received 39 resent 0", "2 figures by 0 how 0 sent 39 received 139 resent 0")
	if o.Doubt = r.Doubt(0); o.Doubt == nil {
		t.Fatal("nothing is in doubt")
	}
	got, _ = read(t, b.Bytes(), o)
	same(t, got,
		"1 opened by 2 in 1ms", "1 data in 1001 39/39", "2 opened by 2 in 1ms", "2 data in 1001 39/39 lost",
		"3 data in 0 39/39 192.0.2.1:5060 198.51.100.7:40001 lost", "2 data in 1140 0/0 lost", "2 data out 5001 39/39",
		"1 figures by 0 how 0 sent 0 received 39 resent 0", "2 figures by 0 how 0 sent 39 received 139 resent 0")
	_, r = read(t, pcap(), track.Options{})
	if r.Doubt(0) != nil || r.Doubt(1) == nil {
		t.Error("a whole capture is in doubt, or one with an answer to nothing is not")
	}
}
