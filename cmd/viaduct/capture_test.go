// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"os"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/event"
)

// writeCapture writes a small capture to standard output, for the scripts: a
// telephone registers with keep over TCP, is told 30 s, and closes.
func writeCapture() {
	w := capturetest.NewEvents(capturetest.New(os.Stdout, layers.LinkTypeEthernet))
	register := "REGISTER sip:example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/TCP 198.51.100.7:40001;branch=z9hG4bK1;keep\r\nMax-Forwards: 70\r\n" +
		"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: 1@example.com\r\n" +
		"CSeq: 1 REGISTER\r\nContact: <sip:alice@198.51.100.7:40001;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
	answer := "SIP/2.0 200 OK\r\n" +
		"Via: SIP/2.0/TCP 198.51.100.7:40001;branch=z9hG4bK1;keep=30\r\n" +
		"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>;tag=2\r\nCall-ID: 1@example.com\r\n" +
		"CSeq: 1 REGISTER\r\nContact: <sip:alice@198.51.100.7:40001;transport=tcp>;expires=600\r\nContent-Length: 0\r\n\r\n"
	start := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	e := event.Event{
		Kind: event.Opened, Transport: event.TCP, Socket: 1, Initiator: event.Remote,
		Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("198.51.100.7:40001"),
		OpenedAt: start, Handshake: 20 * time.Millisecond, NextIn: 1000, NextOut: 2000,
	}
	w.Write(&e)
	e.Kind, e.Direction, e.Seq, e.Payload, e.Time = event.Data, event.In, 1000, []byte(register), start.Add(time.Second)
	w.Write(&e)
	e.Direction, e.Seq, e.Payload, e.Time = event.Out, 2000, []byte(answer), start.Add(2*time.Second)
	w.Write(&e)
	e.Kind, e.By, e.How, e.Time = event.Closed, event.Remote, event.FIN, start.Add(12*time.Second)
	w.Write(&e)
}
