// SPDX-License-Identifier: Apache-2.0

// Package capturetest writes capture files for tests.
package capturetest

import (
	"io"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Ethernet is the link type that most captures have, for those who have no
// other use for the library's names.
const Ethernet = layers.LinkTypeEthernet

// Sink is a capture file that takes packets.
type Sink interface {
	WritePacket(ci gopacket.CaptureInfo, data []byte) error
}

// Writer writes packets as one link type carries them. Its methods panic if
// that fails: a test's file is in memory.
type Writer struct {
	Link  layers.LinkType
	VLAN  []uint16 // tags in front of the IP packet, outermost first, on Ethernet
	Snap  int      // longest packet captured, if not 0
	Iface int      // pcapng interface
	Index uint32   // interface of Linux cooked v2

	sink Sink
	ids  uint16
	buf  gopacket.SerializeBuffer
}

// New begins a pcap file with nanoseconds.
func New(w io.Writer, link layers.LinkType) *Writer {
	p := pcapgo.NewWriterNanos(w)
	must(p.WriteFileHeader(1<<18, link))
	return On(p, link)
}

// On writes into a file of any format.
func On(s Sink, link layers.LinkType) *Writer {
	return &Writer{Link: link, sink: s, buf: gopacket.NewSerializeBuffer()}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Frame writes bytes as they are.
func (w *Writer) Frame(at event.Time, b []byte) {
	ci := gopacket.CaptureInfo{Timestamp: at.Go(), Length: len(b), CaptureLength: len(b), InterfaceIndex: w.Iface}
	if w.Snap > 0 && len(b) > w.Snap {
		b, ci.CaptureLength = b[:w.Snap], w.Snap
	}
	must(w.sink.WritePacket(ci, b))
}

// IP writes an IP packet in the link layer's frame.
func (w *Writer) IP(at event.Time, ip []byte) {
	v6 := ip[0]>>4 == 6
	kind := layers.EthernetTypeIPv4
	if v6 {
		kind = layers.EthernetTypeIPv6
	}
	switch w.Link {
	case layers.LinkTypeEthernet:
		header := append(make([]byte, 12), 0, 0)
		types := []layers.EthernetType{}
		for i := range w.VLAN {
			types = append(types, layers.EthernetTypeDot1Q)
			if i == 0 && len(w.VLAN) > 1 {
				types[0] = layers.EthernetTypeQinQ
			}
		}
		types = append(types, kind)
		header[12], header[13] = byte(types[0]>>8), byte(types[0])
		for i, tag := range w.VLAN {
			header = append(header, byte(tag>>8), byte(tag), byte(types[i+1]>>8), byte(types[i+1]))
		}
		b := append(header, ip...)
		for len(b) < 60 { // padding
			b = append(b, 0)
		}
		w.Frame(at, b)
	case layers.LinkTypeLinuxSLL:
		header := make([]byte, 16)
		header[14], header[15] = byte(kind>>8), byte(kind)
		w.Frame(at, append(header, ip...))
	case layers.LinkTypeLinuxSLL2:
		header := make([]byte, 20)
		header[0], header[1] = byte(kind>>8), byte(kind)
		header[7] = byte(w.Index)
		w.Frame(at, append(header, ip...))
	case layers.LinkTypeNull:
		family := byte(layers.ProtocolFamilyIPv4)
		if v6 {
			family = byte(layers.ProtocolFamilyIPv6Linux)
		}
		w.Frame(at, append([]byte{family, 0, 0, 0}, ip...))
	default:
		w.Frame(at, ip)
	}
}

func (w *Writer) ip(src, dst netip.Addr, p layers.IPProtocol) gopacket.SerializableLayer {
	w.ids++
	if src.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, Id: w.ids, Protocol: p, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
}

// bytes serialises the layers.
func (w *Writer) bytes(l ...gopacket.SerializableLayer) []byte {
	must(gopacket.SerializeLayers(w.buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...))
	return append([]byte(nil), w.buf.Bytes()...)
}

// Flags of a segment.
type Flags struct{ SYN, FIN, RST, ACK bool }

// Segment returns a TCP segment as an IP packet.
func (w *Writer) Segment(src, dst netip.AddrPort, f Flags, seq, ack uint32, payload string) []byte {
	ip := w.ip(src.Addr(), dst.Addr(), layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, Ack: ack,
		SYN: f.SYN, FIN: f.FIN, RST: f.RST, ACK: f.ACK, Window: 65535}
	must(tcp.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)))
	return w.bytes(ip, tcp, gopacket.Payload(payload))
}

// Datagram returns a UDP datagram as an IP packet.
func (w *Writer) Datagram(src, dst netip.AddrPort, payload string) []byte {
	ip := w.ip(src.Addr(), dst.Addr(), layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	must(udp.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)))
	return w.bytes(ip, udp, gopacket.Payload(payload))
}

// Unreachable returns the ICMP error about an IP packet, from the host that it
// was for.
func (w *Writer) Unreachable(ip []byte, port bool) []byte {
	if ip[0]>>4 == 4 {
		code := uint8(layers.ICMPv4CodeHost)
		if port {
			code = layers.ICMPv4CodePort
		}
		src, dst := netip.AddrFrom4([4]byte(ip[16:20])), netip.AddrFrom4([4]byte(ip[12:16]))
		return w.bytes(w.ip(src, dst, layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, code)},
			gopacket.Payload(ip[:28]))
	}
	code := uint8(layers.ICMPv6CodeAddressUnreachable)
	if port {
		code = layers.ICMPv6CodePortUnreachable
	}
	src, dst := netip.AddrFrom16([16]byte(ip[24:40])), netip.AddrFrom16([16]byte(ip[8:24]))
	header := w.ip(src, dst, layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeDestinationUnreachable, code)}
	must(icmp.SetNetworkLayerForChecksum(header.(gopacket.NetworkLayer)))
	return w.bytes(header, icmp, gopacket.Payload(append([]byte{0, 0, 0, 0}, ip[:48]...)))
}
