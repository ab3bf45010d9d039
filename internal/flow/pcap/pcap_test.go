// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow"
)

func parse(t *testing.T, text string) *flow.Section {
	t.Helper()
	f, err := flow.ParseFile("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &f.Sections[0]
}

// sample is the file that has all of the language.
func sample(t *testing.T) *flow.File {
	t.Helper()
	text, err := os.ReadFile("../testdata/sample.flow")
	if err != nil {
		t.Fatal(err)
	}
	f, err := flow.ParseFile("sample.flow", text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// here is this host's address, if a flow names no other.
var here = netip.MustParseAddr("192.0.2.1")

// reading is what gopacket reads from a flow's capture file.
type reading struct {
	packets []gopacket.Packet
	last    time.Time
}

// withIP are the packets but for the last frame, which is about nothing.
func (r *reading) withIP() []gopacket.Packet { return r.packets[:len(r.packets)-1] }

func readBack(t *testing.T, s *flow.Section) *reading {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, s); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	c := &reading{}
	for {
		b, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return c
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.Timestamp.Before(c.last) {
			t.Errorf("a packet of %s after one of %s", info.Timestamp, c.last)
		}
		c.last = info.Timestamp
		p := gopacket.NewPacket(b, r.LinkType(), gopacket.Default)
		p.Metadata().CaptureInfo = info
		if info.CaptureLength == info.Length {
			checkPacket(t, p)
		}
		c.packets = append(c.packets, p)
	}
}

// checkPacket wants each layer decoded and each checksum right.
func checkPacket(t *testing.T, p gopacket.Packet) {
	t.Helper()
	if p.ErrorLayer() != nil {
		t.Errorf("%v in\n%s", p.ErrorLayer().Error(), p)
	}
	for _, l := range p.Layers() {
		if f, ok := l.(*layers.IPv4); ok && (f.Flags&layers.IPv4MoreFragments != 0 || f.FragOffset > 0) {
			return // the UDP checksum is that of the whole
		}
		if l.LayerType() == layers.LayerTypeIPv6Fragment {
			return
		}
	}
	for _, l := range p.Layers() {
		if l, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err, bad := p.VerifyChecksums(); err != nil || len(bad) > 0 {
		t.Errorf("checksums: %v, %v in\n%s", err, bad, p)
	}
}

func ends(p gopacket.Packet) (from, to netip.AddrPort, tcp *layers.TCP, payload []byte) {
	src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
	dst, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		return netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort)), l, l.Payload
	case *layers.UDP:
		return netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort)), nil, l.Payload
	}
	return
}

// TestPcapHasTheEvents: the payloads of the capture are those of the events,
// with the same numbers, places and times.
func TestPcapHasTheEvents(t *testing.T) {
	f := sample(t)
	flows := []*flow.Section{&f.Sections[0],
		parse(t, "udp u\nu> OPTIONS\n+3s\nu< 200\n+1s\nu> stun request\nu< stun success\n+10s"),
		parse(t, "tcp a out local=[2001:db8::1]:41001 remote=[2001:db8::7]:5060\na> OPTIONS\na< 200 split=2\n+1s\na< rst"),
		parse(t, "tcp a in midlife\na< OPTIONS\na> 200\na> close\ntcp a in remote=198.51.100.7:40001\na< ping\na> fin\na< pong\na< fin"),
	}
	for i, s := range flows {
		c := readBack(t, s)
		var got []string
		for _, p := range c.withIP() {
			from, to, tcp, payload := ends(p)
			if len(payload) > 0 {
				got = append(got, seen(p.Metadata().Timestamp, from, to, tcp, payload))
			}
		}
		var want []string
		events, end := flow.Events(s)
		for j := range events {
			e := &events[j]
			if e.Kind != event.Data {
				continue
			}
			from, to, tcp := e.Local, e.Remote, &layers.TCP{Seq: e.Seq}
			if e.Direction == event.In {
				from, to = to, from
			}
			if e.Transport == event.UDP {
				tcp = nil
			}
			want = append(want, seen(e.Time.Go(), from, to, tcp, e.Payload))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("flow %d:\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if !c.last.Equal(end.Go()) {
			t.Errorf("flow %d lasts until %s, want %s", i, c.last, end.Go())
		}
	}
}

func seen(at time.Time, from, to netip.AddrPort, tcp *layers.TCP, payload []byte) string {
	seq := uint32(0)
	if tcp != nil {
		seq = tcp.Seq
	}
	return fmt.Sprintf("%s %s %s %d %q", at.UTC().Format("15:04:05.000"), from, to, seq, payload)
}

// TestPcapTCP follows every segment of a connection, as its two ends would.
func TestPcapTCP(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"in", "tcp a in\na< ping\na> pong\n+1s\na> close",
			"< S -1ms,> SA -1ms,< A 0s,< A+4 0s,> A 0s,> A+2 0s,< A 0s,> AF 1s,< A 1s,< AF 1s,> A 1s"},
		{"out", "tcp a out\n+1s\na< rst", "> S -1ms,< SA 0s,> A 0s,< AR 1s"},
		{"half closed", "tcp a out\na< fin\na> ping\na> fin", "> S -1ms,< SA 0s,> A 0s,< AF 0s,> A 0s,> A+4 0s,< A 0s,> AF 0s,< A 0s"},
		{"refused", "+1s\ntcp a out refused", "> S 999ms,< AR 1s"},
		{"lost", "tcp a in\na< lost 300\na> ping", "< S -1ms,> SA -1ms,< A 0s,> A+4 0s,< A 0s"},
		{"again at once", "tcp a in remote=198.51.100.7:4000\na< rst\ntcp a in remote=198.51.100.7:4000", "< S -1ms,> SA -1ms,< A 0s,< AR 0s,< S 0s,> SA 0s,< A 0s"},
		{"long", "tcp a in midlife\na> raw \"\\r\\n\" split=2\na< OPTIONS size=3000", "> A+1 0s,> A+1 0s,< A 0s,< A+1460 0s,< A+1460 0s,< A+80 0s,> A 0s"},
	} {
		var got []string
		next := make(map[netip.AddrPort]uint32) // of each sender
		for _, p := range readBack(t, parse(t, tt.text)).withIP() {
			from, to, tcp, payload := ends(p)
			line := map[bool]string{true: ">", false: "<"}[from.Addr() == here] + " "
			for _, f := range []struct {
				set  bool
				name string
			}{{tcp.SYN, "S"}, {tcp.ACK, "A"}, {tcp.FIN, "F"}, {tcp.RST, "R"}} {
				if f.set {
					line += f.name
				}
			}
			if len(payload) > 0 {
				line += fmt.Sprintf("+%d", len(payload))
			}
			got = append(got, line+" "+p.Metadata().Timestamp.Sub(flow.Start.Go()).String())
			number := next[from]
			if tcp.SYN {
				number = tcp.Seq
			}
			if number != 0 && tcp.Seq != number && tt.name != "lost" {
				t.Errorf("%s: %s has number %d, want %d", tt.name, line, tcp.Seq, number)
			}
			next[from] = tcp.Seq + uint32(len(payload))
			if tcp.SYN || tcp.FIN {
				next[from]++
			}
			if there := next[to]; tcp.ACK && there != 0 && tcp.Ack != there && tt.name != "lost" {
				t.Errorf("%s: %s acknowledges %d, want %d", tt.name, line, tcp.Ack, there)
			}
			if tt.name == "lost" && len(payload) > 0 && tcp.Ack != next[to]+300 {
				t.Errorf("lost bytes are not acknowledged: %d, want %d", tcp.Ack, next[to]+300)
			}
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, strings.Join(got, ","), tt.want)
		}
	}
}

// TestPcapFragments: a long datagram is whole again when it is put together.
func TestPcapFragments(t *testing.T) {
	s := parse(t, "udp u\nu> MESSAGE size=4000\nudp v remote=203.0.113.1\nv< OPTIONS size=1500 seen=1490")
	events, _ := flow.Events(s)
	defrag := ip4defrag.NewIPv4Defragmenter()
	n, whole := 0, 0
	for _, p := range readBack(t, s).withIP() {
		ip := p.NetworkLayer().(*layers.IPv4)
		if len(p.Data()) > 1514 {
			t.Errorf("a frame of %d bytes", len(p.Data()))
		}
		if p.Metadata().CaptureLength < p.Metadata().Length {
			if held := p.Metadata().CaptureLength - 14 - 20; held != 18 {
				t.Errorf("%d bytes of the last fragment seen, want 18", held)
			}
			break
		}
		n++
		out, err := defrag.DefragIPv4(ip)
		if err != nil {
			t.Fatal(err)
		}
		if out != nil {
			whole++
			if !bytes.Equal(out.Payload[8:], events[0].Payload) {
				t.Errorf("%q, want %q", out.Payload[8:], events[0].Payload)
			}
		}
	}
	if n != 4 || whole != 1 {
		t.Errorf("%d fragments and %d datagrams, want 3 and 1, and the first of what is cut", n, whole)
	}
}

func TestPcapFragmentsOfIPv6(t *testing.T) {
	s := parse(t, "udp u local=[2001:db8::1]:5060 remote=[2001:db8::7]:5060\nu> MESSAGE size=4000")
	events, _ := flow.Events(s)
	var whole []byte
	for i, p := range readBack(t, s).withIP() {
		f := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment)
		if int(f.FragmentOffset)*8 != len(whole) || f.MoreFragments != (i < 2) || f.NextHeader != layers.IPProtocolUDP {
			t.Errorf("fragment %d: %+v", i, f)
		}
		whole = append(whole, f.Payload...)
	}
	if len(whole) < 8 || !bytes.Equal(whole[8:], events[0].Payload) {
		t.Errorf("%d bytes, want %d and 8: %q, want %q", len(whole), len(events[0].Payload), whole, events[0].Payload)
	}
}

func TestPcapUnreachable(t *testing.T) {
	for _, text := range []string{
		"tcp a out unreachable", "tcp a out unreachable local=[2001:db8::1]:4000 remote=[2001:db8::7]:5060",
	} {
		packets := readBack(t, parse(t, text)).withIP()
		if len(packets) != 2 {
			t.Fatalf("%d packets", len(packets))
		}
		v4, v6 := packets[1].Layer(layers.LayerTypeICMPv4), packets[1].Layer(layers.LayerTypeICMPv6)
		if v4 == nil && v6 == nil {
			t.Errorf("no ICMP in %s", packets[1])
		}
	}
}

func TestNoPcap(t *testing.T) {
	for _, text := range []string{
		"tls t in", "listen tcp 192.0.2.1:5060", "exit pid=1", "tcp a out timeout", "tcp a in\na timeout",
	} {
		s := parse(t, text)
		if err := Write(io.Discard, s); err == nil || s.Pcap() || s.Live() {
			t.Errorf("%q can be shown: pcap %t, live %t, %v", text, s.Pcap(), s.Live(), err)
		}
	}
	for _, text := range []string{
		"tcp a in midlife", "tcp a out unreachable", "udp u\nu> OPTIONS seen=20", "udp u\nu< lost 10",
	} {
		if s := parse(t, text); !s.Pcap() || s.Live() {
			t.Errorf("%q: pcap %t, live %t", text, s.Pcap(), s.Live())
		}
	}
}

// full takes so many bytes, and then fails.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestPcapWriteFails(t *testing.T) {
	for _, room := range []full{10, 50} {
		if err := Write(&room, parse(t, "tcp a in")); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%v", err)
		}
	}
}
