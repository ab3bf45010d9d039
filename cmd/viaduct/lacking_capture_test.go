// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestCaptureThatLacksPackets: that a request got no answer over UDP is no
// finding any more when, minutes later, a connection shows that the capture is
// not whole.
func TestCaptureThatLacksPackets(t *testing.T) {
	here, there := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.7:5060")
	caller := netip.MustParseAddrPort("198.51.100.8:40001")
	message := func(start, via, branch, method string) string {
		return start + "\r\nVia: SIP/2.0/" + via + ";branch=z9hG4bK" + branch + "\r\nMax-Forwards: 70\r\n" +
			"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: " + branch + "@example.com\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
	}
	write := func(lacks uint32) *report.Report {
		var b bytes.Buffer
		w := capturetest.New(&b, layers.LinkTypeEthernet)
		at := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		send := func(ip []byte) {
			w.IP(at, ip)
			at = at.Add(10 * time.Millisecond)
		}
		send(w.Datagram(here, there, message("MESSAGE sip:bob@example.com SIP/2.0", "UDP 192.0.2.1;rport", "a", "MESSAGE")))
		at = at.Add(time.Second)
		send(w.Datagram(there, here, message("OPTIONS sip:alice@example.com SIP/2.0", "UDP 198.51.100.7", "b", "OPTIONS")))
		send(w.Datagram(here, there, message("SIP/2.0 200 OK", "UDP 198.51.100.7", "b", "OPTIONS")))
		at = at.Add(5 * time.Minute)
		request := message("OPTIONS sip:alice@example.com SIP/2.0", "TCP 198.51.100.8:40001", "c", "OPTIONS")
		acknowledged := 1001 + uint32(len(request)) + lacks
		type flags = capturetest.Flags
		send(w.Segment(caller, here, flags{SYN: true}, 1000, 0, ""))
		send(w.Segment(here, caller, flags{SYN: true, ACK: true}, 5000, 1001, ""))
		send(w.Segment(caller, here, flags{ACK: true}, 1001, 5001, request))
		send(w.Segment(here, caller, flags{ACK: true}, 5001, acknowledged, message("SIP/2.0 200 OK", "TCP 198.51.100.8:40001", "c", "OPTIONS")))
		at = at.Add(time.Second)
		send(w.Segment(caller, here, flags{ACK: true}, acknowledged, 5001, ""))
		name := filepath.Join(t.TempDir(), "calls.pcap")
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := auditCapture(&environment{ctx: t.Context(), stderr: io.Discard}, name, track.Options{Local: []netip.Prefix{netip.PrefixFrom(here.Addr(), 32)}}, agent.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tt := range []struct {
		lacks    uint32
		findings []string
		feature  string
	}{
		{0, []string{"TP-22"}, ""},
		{100, nil, "missing: the capture lacks segments of 1 connections"},
	} {
		r := write(tt.lacks)
		var found []string
		for _, f := range r.Findings {
			if f.Severity != "info" {
				found = append(found, f.Rule)
			}
		}
		if !slices.Equal(found, tt.findings) || !strings.HasPrefix(r.Features["packets"], tt.feature) || tt.feature == "" && r.Features["packets"] != "" {
			t.Errorf("%d bytes missing: findings %v, %q", tt.lacks, found, r.Features["packets"])
		}
	}
}
