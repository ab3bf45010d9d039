// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/internal/shake"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// segments cuts what both sides say into segments, of which some come again,
// some in the wrong order.
func segments(c *script.Conn, all []shake.Said) {
	n := 0
	for _, said := range all {
		d, seq := event.Out, &c.SeqOut
		if said.Server {
			d, seq = event.In, &c.SeqIn
		}
		c.S.Wait(time.Millisecond)
		var cut [][2]uint32
		for at := 0; at < len(said.Bytes); {
			n++
			size := min([...]int{1460, 3, 700, 1460, 5, 1460, 9000}[n%7], len(said.Bytes)-at)
			cut = append(cut, [2]uint32{uint32(at), uint32(at + size)})
			at += size
		}
		if len(cut) > 3 {
			cut[1], cut[2] = cut[2], cut[1]
			cut = append(cut, cut[3])
		}
		for _, s := range cut {
			c.Segment(d, *seq+s[0], string(said.Bytes[s[0]:s[1]]))
			c.S.Last().Kind = event.Record
			c.S.Wait(10 * time.Microsecond)
		}
		*seq += uint32(len(said.Bytes))
	}
}

// TestTLSCaptureGivesTheSameReport: what TLS connections show, as events and
// as packets.
func TestTLSCaptureGivesTheSameReport(t *testing.T) {
	s := script.New()
	var conns []*script.Conn
	for i, server := range []*tls.Config{
		{ClientAuth: tls.RequestClientCert},
		{ClientAuth: tls.RequestClientCert, MaxVersion: tls.VersionTLS12},
		{MaxVersion: tls.VersionTLS12},
	} {
		client := trusting()
		client.Certificates = []tls.Certificate{shake.Certificate(t, "", "sip:example.org")}
		c := s.TCP(event.Local, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(40001+i)).String(), "198.51.100.7:5061")
		c.Transport, c.Owner = event.TLS, event.Process{}
		c.NextIn, c.NextOut, c.OpenedAt = c.SeqIn, c.SeqOut, s.Now
		c.Open()
		s.Last().Time = s.Now.Add(s.Last().Handshake)
		s.Wait(5 * time.Millisecond)
		first := [2]uint32{c.SeqIn, c.SeqOut}
		all := shake.Talk(t, client, serverWith(t, server), fromClient(string(make([]byte, 40_000))), fromServer(string(make([]byte, 700))),
			fromClient(ping), fromServer(pong), fromServer(ping), fromClient(pong))
		byeAt := slices.IndexFunc(all, func(s shake.Said) bool { return s.Line == 6 })
		segments(c, all[:byeAt])
		s.Wait(20 * time.Second)
		segments(c, all[byeAt:byeAt+1])
		s.Wait(time.Millisecond)
		c.FIN(event.Out)
		s.Wait(time.Millisecond)
		segments(c, all[byeAt+1:])
		s.Wait(time.Millisecond)
		c.Close(event.Local, event.FIN)
		s.Last().Counts = event.Counts{BytesSent: uint64(c.SeqOut - first[1]), BytesReceived: uint64(c.SeqIn - first[0])}
		conns = append(conns, c)
	}
	want := New(Config{Started: script.Start})
	var b bytes.Buffer
	w := capturetest.NewEvents(capturetest.New(&b, layers.LinkTypeEthernet))
	for i := range s.Events {
		e := s.Events[i]
		w.Write(&e)
		want.Handle(&e)
	}
	want.Finish(s.Now)
	got := New(Config{Started: script.Start})
	read, err := capture.Read(context.Background(), &b, track.Options{Local: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, got)
	if err != nil || read.Cut != nil {
		t.Fatalf("%+v, %v", read, err)
	}
	got.Finish(read.Last)
	a, z := want.Report(s.Now), got.Report(s.Now)
	for i := range conns {
		k := a.Connections[i].Keepalives
		if !k.ToldByLength || k.PingsSent != 1 || k.PongsReceived != 1 || k.PingsReceived != 1 || k.PongsSent != 1 {
			t.Errorf("connection %d: %+v", i, k)
		}
	}
	var left, right bytes.Buffer
	for i := range z.Connections {
		z.Connections[i].Retransmits = 0 // segments that came again
	}
	if err := a.WriteJSON(&left); err != nil {
		t.Fatal(err)
	}
	if err := z.WriteJSON(&right); err != nil {
		t.Fatal(err)
	}
	if left.String() != right.String() {
		t.Error(diff(left.String(), right.String()))
	}
}
