// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/internal/shake"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
)

// piece is a segment of a conversation.
type piece struct {
	server bool
	bytes  string
}

// pieces cuts what is said into segments; a cut one is not longer than that.
func pieces(all []shake.Said) (cut []piece) {
	for _, said := range all {
		for b := string(said.Bytes); len(b) > 0; {
			n := min(len(b), 1460)
			cut = append(cut, piece{said.Server, b[:n]})
			b = b[n:]
		}
	}
	return cut
}

// joined is the report on a capture that begins within the first piece.
func joined(t *testing.T, port uint16, all []piece) *report.Report {
	t.Helper()
	var b bytes.Buffer
	w := capturetest.New(&b, layers.LinkTypeEthernet)
	client := netip.MustParseAddrPort("198.51.100.7:40001")
	server := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)
	at, seq := script.Start, [2]uint32{1000, 4294967000}
	for _, p := range all {
		src, dst, from, to := client, server, 0, 1
		if p.server {
			src, dst, from, to = server, client, 1, 0
		}
		w.IP(at, w.Segment(src, dst, capturetest.Flags{ACK: true}, seq[from], seq[to], p.bytes))
		seq[from] += uint32(len(p.bytes))
		at = at.Add(10 * time.Millisecond)
	}
	w.IP(at.Add(time.Minute), w.Datagram(client, netip.AddrPortFrom(server.Addr(), 53), "time passes"))
	core := New(Config{Started: script.Start, Source: "pcap"})
	read, err := capture.Read(context.Background(), &b, track.Options{Local: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, core)
	if err != nil || read.Cut != nil {
		t.Fatal(err, read)
	}
	core.Finish(read.Last)
	return core.Report(read.Last)
}

func messagesOf(r *report.Report) (n uint32) {
	for i := range r.Connections {
		m := &r.Connections[i].Messages
		n += m.RequestsSent + m.RequestsReceived + m.ResponsesSent + m.ResponsesReceived + m.Malformed
	}
	return n
}

// from is the conversation from the i-th byte on.
func from(all []piece, i int) []piece {
	for len(all) > 0 && i >= len(all[0].bytes) {
		i -= len(all[0].bytes)
		all = all[1:]
	}
	if len(all) == 0 {
		return nil
	}
	return append([]piece{{all[0].server, all[0].bytes[i:]}}, all[1:]...)
}

// TestCapturesThatBeginWithinTLS: wherever a capture begins, and whatever the
// port, TLS is not taken for anything else.
func TestCapturesThatBeginWithinTLS(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		server := serverWith(t, &tls.Config{MaxVersion: version})
		all := pieces(shake.Talk(t, trusting(), server, fromClient(strings.Repeat("x", 4000)), fromServer(strings.Repeat("y", 700)),
			fromClient(ping), fromServer(pong), fromServer(ping), fromClient(pong)))
		total := 0
		for _, p := range all {
			total += len(p.bytes)
		}
		for i := 0; i < total; i += 1 + i/64 { // all of the first ones
			rest := from(all, i)
			header := false // at the beginning of a segment
			for _, p := range rest {
				header = header || len(p.bytes) > 2 && p.bytes[0] >= 20 && p.bytes[0] <= 23 && p.bytes[1] == 3 && p.bytes[2] <= 4
			}
			for _, port := range []uint16{5060, 5061, 7000} {
				r := joined(t, port, rest)
				where := fmt.Sprintf("TLS %s, port %d, from byte %d", name, port, i)
				switch {
				case messagesOf(r) > 0 || len(r.Findings) > 0:
					t.Fatalf("%s: %d messages, findings%s", where, messagesOf(r), findings(r))
				case port == 7000 && len(r.Connections) > 0:
					t.Fatalf("%s: %+v", where, r.Connections[0])
				case port == 7000:
					continue
				case len(r.Connections) != 1 || header && r.Connections[0].Transport != "tls":
					t.Fatalf("%s: %+v", where, r.Connections)
				}
				if k := &r.Connections[0].Keepalives; max(k.PingsReceived, k.PongsReceived, k.PingsSent, k.PongsSent) > 1 {
					t.Fatalf("%s: keep-alives %+v", where, k)
				}
			}
		}
	}
}

// TestCapturesThatBeginWithinSIP: the same with SIP over TCP, of which each
// message that begins within the capture is seen, and no other.
func TestCapturesThatBeginWithinSIP(t *testing.T) {
	body := make([]byte, 600)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(rng.Uint32())
	}
	invite := script.Msg{Method: "INVITE", Branch: "i", Via: "SIP/2.0/TCP 198.51.100.7:40001", Body: string(body)}
	bye := script.Msg{Method: "BYE", Branch: "b", Via: "SIP/2.0/TCP 198.51.100.7:40001"}
	said := func(server bool, text string) shake.Said { return shake.Said{Server: server, Bytes: []byte(text)} }
	all := pieces([]shake.Said{
		said(false, ping), said(true, pong), said(false, invite.String()), said(true, invite.Reply(200).String()),
		said(false, ping+bye.String()), said(true, pong+bye.Reply(200).String()), said(true, ping), said(false, pong),
	})
	total := 0
	for _, p := range all {
		total += len(p.bytes)
	}
	for i := range total {
		rest := from(all, i)
		whole := uint32(0) // messages, by their beginnings
		for _, p := range rest {
			b := strings.TrimLeft(p.bytes, "\r\n")
			if strings.HasPrefix(b, "INVITE ") || strings.HasPrefix(b, "BYE ") || strings.HasPrefix(b, "SIP/2.0 ") {
				whole++
			}
		}
		for _, port := range []uint16{5060, 5061, 7000} {
			r := joined(t, port, rest)
			where := fmt.Sprintf("port %d, from byte %d: %.20q", port, i, rest[0].bytes)
			if len(r.Findings) > 0 {
				t.Fatalf("%s: findings%s", where, findings(r))
			}
			if n := messagesOf(r); n != whole {
				t.Fatalf("%s: %+v, want %d messages", where, r.Connections[0].Messages, whole)
			}
			if want := port != 7000 || whole > 0; len(r.Connections) == 0 == want || want && (port == 5060 || whole > 0) && r.Connections[0].Transport != "tcp" {
				t.Fatalf("%s: %+v", where, r.Connections)
			}
		}
	}
}
