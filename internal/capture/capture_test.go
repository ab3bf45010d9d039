// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

var (
	start = event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

	phone4, proxy4 = netip.MustParseAddrPort("198.51.100.7:40001"), netip.MustParseAddrPort("192.0.2.1:5060")
	phone6, proxy6 = netip.MustParseAddrPort("[2001:db8::7]:40001"), netip.MustParseAddrPort("[2001:db8::1]:5060")
	proxies        = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}
)

const options = "OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n"

// log is a sink that writes down what happened.
type log []string

func (l *log) Tick(event.Time) {}

var names = [...]string{event.Opened: "opened", event.Data: "data", event.HalfClosed: "half", event.Closed: "closed", event.Figures: "figures", event.Record: "record"}

func (l *log) Handle(e *event.Event) {
	s := fmt.Sprintf("%d %s", e.Socket, names[e.Kind])
	switch e.Kind {
	case event.Opened:
		s += fmt.Sprintf(" by %d in %v", e.Initiator, e.Handshake)
		if e.MidLife {
			s += " midlife"
		}
	case event.Data, event.Record:
		s += fmt.Sprintf(" %s %d %d/%d", [...]string{"", "in", "out"}[e.Direction], e.Seq, len(e.Payload), e.Length)
		if e.Transport == event.UDP {
			s += fmt.Sprintf(" %v %v", e.Local, e.Remote)
		}
	case event.HalfClosed:
		s += [...]string{"", " in", " out"}[e.Direction]
	case event.Closed, event.Figures:
		s += fmt.Sprintf(" by %d how %d sent %d received %d resent %d", e.By, e.How, e.Counts.BytesSent, e.Counts.BytesReceived, e.Counts.Retransmits)
	}
	if e.Lost {
		s += " lost"
	}
	if e.Transport == event.TLS {
		s += " tls"
	}
	if e.Sideless {
		s += " sideless"
	}
	*l = append(*l, s)
}

// read returns the events of a capture.
func read(t *testing.T, b []byte, o track.Options) (log, *Result) {
	t.Helper()
	var l log
	r, err := Read(context.Background(), bytes.NewReader(b), o, &l)
	if err != nil {
		t.Fatal(err)
	}
	return l, r
}

func same(t *testing.T, got log, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestLinks: the same conversation in every link layer, in both versions of IP.
func TestLinks(t *testing.T) {
	type ends struct{ phone, proxy netip.AddrPort }
	for _, link := range []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2,
		layers.LinkTypeNull, layers.LinkTypeRaw, 12, 14} {
		for _, vlan := range [][]uint16{nil, {7}, {7, 8}} {
			if vlan != nil && link != layers.LinkTypeEthernet {
				continue
			}
			for _, e := range []ends{{phone4, proxy4}, {phone6, proxy6}} {
				t.Run(fmt.Sprint(link, vlan, e.phone.Addr().Is4()), func(t *testing.T) {
					var b bytes.Buffer
					w := capturetest.New(&b, link)
					w.VLAN = vlan
					conversation(w, e.phone, e.proxy)
					got, r := read(t, b.Bytes(), track.Options{Local: proxies})
					same(t, got,
						"1 opened by 2 in 20ms",
						"1 data in 1001 39/39",
						"1 data out 5001 2/2",
						"2 data in 0 39/39 "+e.proxy.String()+" "+e.phone.String(),
						"1 half in",
						"1 closed by 2 how 1 sent 2 received 39 resent 0",
					)
					if r.Unreadable+r.Other+r.Duplicates+r.Fragments != 0 || r.Cut != nil {
						t.Errorf("%+v", r)
					}
				})
			}
		}
	}
}

// conversation is a connection from its SYN to its last ACK, and a datagram.
func conversation(w *capturetest.Writer, phone, proxy netip.AddrPort) {
	type flags = capturetest.Flags
	at := start
	send := func(src, dst netip.AddrPort, f flags, seq, ack uint32, payload string) {
		w.IP(at, w.Segment(src, dst, f, seq, ack, payload))
		at = at.Add(10 * time.Millisecond)
	}
	send(phone, proxy, flags{SYN: true}, 1000, 0, "")
	send(proxy, phone, flags{SYN: true, ACK: true}, 5000, 1001, "")
	at = at.Add(10 * time.Millisecond)
	send(phone, proxy, flags{ACK: true}, 1001, 5001, "")
	send(phone, proxy, flags{ACK: true}, 1001, 5001, options)
	send(proxy, phone, flags{ACK: true}, 5001, 1040, "\r\n")
	w.IP(at, w.Datagram(phone, proxy, options))
	send(phone, proxy, flags{FIN: true, ACK: true}, 1040, 5003, "")
	send(proxy, phone, flags{FIN: true, ACK: true}, 5003, 1041, "")
	send(phone, proxy, flags{ACK: true}, 1041, 5004, "")
	send(phone, proxy, flags{ACK: true}, 1041, 5004, "") // late ones mean nothing
	send(proxy, phone, flags{RST: true}, 5004, 0, "")
}

// TestFragments: a datagram is whole whatever the order of its fragments, and
// lost if it cannot be made whole for sure.
func TestFragments(t *testing.T) {
	long := options + strings.Repeat("x", 3000)
	for _, ends := range [][2]netip.AddrPort{{phone4, proxy4}, {phone6, proxy6}} {
		for _, tt := range []struct {
			name  string
			order []int
			lost  uint64
		}{
			{"in order", []int{0, 1, 2}, 0},
			{"out of order", []int{2, 0, 1}, 0},
			{"backwards", []int{2, 1, 0}, 0},
			{"twice", []int{0, 1, 1, 0, 2}, 0},
			{"missing", []int{0, 2}, 1},
			{"overlapping", []int{0, 1, 3, 2}, 1},
			{"overlapping at once", []int{3, 0, 1, 2}, 1},
		} {
			t.Run(fmt.Sprint(tt.name, ends[0].Addr().Is4()), func(t *testing.T) {
				var b bytes.Buffer
				w := capturetest.New(&b, layers.LinkTypeRaw)
				whole := w.Datagram(ends[0], ends[1], long)
				pieces := capturetest.Fragments(whole, 1200)
				pieces = append(pieces, capturetest.Fragments(whole, 1208)[1])
				for i, n := range tt.order {
					w.IP(start.Add(time.Duration(i)*5*time.Millisecond), pieces[n])
				}
				w.IP(start.Add(time.Minute), w.Datagram(ends[0], ends[1], "\r\n"))
				got, r := read(t, b.Bytes(), track.Options{Local: proxies})
				want := []string{
					fmt.Sprintf("1 data in 0 %d/%d %v %v", len(long), len(long), ends[1], ends[0]),
					fmt.Sprintf("1 data in 0 2/2 %v %v", ends[1], ends[0]),
				}
				same(t, got, want[tt.lost:]...)
				if r.Fragments != tt.lost {
					t.Errorf("%d datagrams lost, want %d", r.Fragments, tt.lost)
				}
			})
		}
	}
}

// TestDuplicates: a packet that two interfaces show is one; one that was sent
// again is two.
func TestDuplicates(t *testing.T) {
	for _, tt := range []struct {
		name string
		link layers.LinkType
		play func(w *capturetest.Writer, d []byte)
		want int
	}{
		{"two interfaces", layers.LinkTypeLinuxSLL2, func(w *capturetest.Writer, d []byte) {
			w.Index = 1
			w.IP(start, d)
			w.Index = 2
			d[8]-- // a router in between
			w.IP(start.Add(5*time.Millisecond), d)
		}, 1},
		{"cooked v1", layers.LinkTypeLinuxSLL, func(w *capturetest.Writer, d []byte) {
			w.IP(start, d)
			w.IP(start.Add(500*time.Microsecond), d)
		}, 1},
		{"a mirror port", layers.LinkTypeEthernet, func(w *capturetest.Writer, d []byte) {
			w.IP(start, d)
			w.IP(start.Add(10*time.Microsecond), d)
		}, 1},
		{"no identification", layers.LinkTypeEthernet, func(w *capturetest.Writer, d []byte) {
			d[4], d[5] = 0, 0
			w.IP(start, d)
			w.IP(start.Add(10*time.Microsecond), d)
		}, 1},
		{"no identification, later", layers.LinkTypeEthernet, func(w *capturetest.Writer, d []byte) {
			d[4], d[5] = 0, 0
			w.IP(start, d)
			w.IP(start.Add(2*time.Millisecond), d)
		}, 2},
		{"sent again", layers.LinkTypeEthernet, func(w *capturetest.Writer, d []byte) {
			w.IP(start, d)
			w.IP(start.Add(10*time.Microsecond), w.Datagram(phone4, proxy4, options))
		}, 2},
		{"the same later", layers.LinkTypeLinuxSLL2, func(w *capturetest.Writer, d []byte) {
			w.IP(start, d)
			w.Index = 2
			w.IP(start.Add(500*time.Millisecond), d)
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := capturetest.New(&b, tt.link)
			tt.play(w, w.Datagram(phone4, proxy4, options))
			got, r := read(t, b.Bytes(), track.Options{})
			if len(got) != tt.want || r.Duplicates != uint64(2-tt.want) {
				t.Errorf("%d datagrams, %d duplicates; want %d:\n%s", len(got), r.Duplicates, tt.want, strings.Join(got, "\n"))
			}
		})
	}
}

// TestSnapLength: what the capture cut is said to be missing.
func TestSnapLength(t *testing.T) {
	var b bytes.Buffer
	w := capturetest.New(&b, layers.LinkTypeEthernet)
	w.Snap = 14 + 20 + 20 + 10
	w.IP(start, w.Segment(phone4, proxy4, capturetest.Flags{ACK: true}, 1000, 5000, options))
	w.Snap = 14 + 20 + 8 + 10
	w.IP(start, w.Datagram(phone4, proxy4, options))
	w.Snap = 14 + 20 + 4
	w.IP(start, w.Datagram(phone4, proxy4, options))
	got, r := read(t, b.Bytes(), track.Options{})
	same(t, got,
		"1 opened by 0 in 0s midlife sideless",
		"1 data out 1000 10/39 sideless",
		"2 data out 0 10/39 198.51.100.7:40001 192.0.2.1:5060 sideless",
		"1 figures by 0 how 0 sent 39 received 0 resent 0 sideless",
	)
	if r.Unreadable != 1 {
		t.Errorf("%d packets were unreadable, want 1", r.Unreadable)
	}
}

// TestSuperSegments: what a network card is to cut up, or has put together, is
// longer than the header can say.
func TestSuperSegments(t *testing.T) {
	payload := options + strings.Repeat("x", 100_000)
	for _, ends := range [][2]netip.AddrPort{{phone4, proxy4}, {phone6, proxy6}} {
		for _, snap := range []int{0, 200} {
			var b bytes.Buffer
			w := capturetest.New(&b, layers.LinkTypeEthernet)
			ip := w.Segment(ends[0], ends[1], capturetest.Flags{ACK: true}, 1000, 5000, options)
			header, field := ip[:len(ip)-len(options)], 2 // where the length is
			if ends[0].Addr().Is6() {
				field = 4
			}
			header[field], header[field+1] = 0, 0
			w.Snap = snap
			w.IP(start, append(header, payload...))
			got, r := read(t, b.Bytes(), track.Options{Local: proxies})
			seen := len(payload)
			if snap > 0 {
				seen = snap - 14 - len(header)
			}
			same(t, got, "1 opened by 0 in 0s midlife", fmt.Sprintf("1 data in 1000 %d/%d", seen, len(payload)),
				fmt.Sprintf("1 figures by 0 how 0 sent 0 received %d resent 0", len(payload)))
			if r.Unreadable > 0 {
				t.Errorf("%d unreadable", r.Unreadable)
			}
		}
	}
}
