// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	captureBytes = 1 << 30
	captureConns = 1000 // TCP connections and UDP flows, half of each
)

// captures times the audit of a capture file with so many packets of RTP for
// each call.
func captures(what, viaduct string, rtp int) error {
	dir, err := os.MkdirTemp("", "viaduct-benchmark")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "calls.pcap")
	messages, err := writeCalls(name, rtp)
	if err != nil {
		return err
	}
	output := filepath.Join(dir, "report.json")
	c := exec.Command(viaduct, "audit", "--pcap", name, "--local", "192.0.2.0/24", "--fail-on", "never", "--format", "json", "--output", output)
	c.Stderr = os.Stderr
	began := time.Now()
	if err := c.Run(); err != nil {
		return fmt.Errorf("audit a capture: %w", err)
	}
	took := time.Since(began)
	if err := checkMessages(output, messages); err != nil {
		return err
	}
	peak := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	row(fmt.Sprintf("1 GiB of capture, %s (%d messages)", what, messages),
		fmt.Sprintf("%.1f s, %d MiB of memory at most", took.Seconds(), peak), "60 s")
	return nil
}

// checkMessages wants a report that has seen them all.
func checkMessages(name string, want int) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var r report.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	seen := 0
	for i := range r.Connections {
		m := &r.Connections[i].Messages
		seen += int(m.RequestsSent + m.RequestsReceived + m.ResponsesSent + m.ResponsesReceived)
	}
	if seen != want || r.Lost.Total() != r.Lost.Evicted {
		return fmt.Errorf("the report on a capture has %d messages, want %d; lost %+v", seen, want, r.Lost)
	}
	return nil
}

// writeCalls writes calls until the file is large enough, and returns how many
// SIP messages are in it.
func writeCalls(name string, rtp int) (messages int, err error) {
	file, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buffered := bufio.NewWriterSize(file, 1<<20)
	size := counter{buffered, 0}
	w := capturetest.NewEvents(capturetest.New(&size, capturetest.Ethernet))
	at := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	conns := make([]event.Event, captureConns)
	for i := range conns {
		conns[i] = event.Event{
			Kind: event.Opened, Transport: event.TCP, Socket: uint64(i + 1), Initiator: event.Remote,
			Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
			Remote:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), uint16(20000+i)),
			OpenedAt: at, Handshake: time.Millisecond, NextIn: 1000, NextOut: 2000,
		}
		if i%2 == 1 {
			conns[i].Transport = event.UDP
		}
		w.Write(&conns[i])
	}
	at = at.Add(time.Second)
	media := strings.Repeat("\x80", 172)
	for call := 0; size.n < captureBytes; call++ {
		e := &conns[call%len(conns)]
		e.Kind = event.Data
		for _, m := range callMessages(call) {
			seq := &e.NextIn
			if e.Direction = m.direction; m.direction == event.Out {
				seq = &e.NextOut
			}
			e.Time, e.Seq, e.Payload = at, *seq, []byte(m.text)
			w.Write(e)
			*seq += uint32(len(m.text))
			at = at.Add(20 * time.Microsecond)
			messages++
		}
		port := uint16(10000 + call%2000*2)
		here, there := netip.AddrPortFrom(e.Local.Addr(), port), netip.AddrPortFrom(e.Remote.Addr(), port)
		for range rtp / 2 {
			w.IP(at, w.Datagram(here, there, media))
			w.IP(at, w.Datagram(there, here, media))
			at = at.Add(10 * time.Microsecond)
		}
	}
	return messages, buffered.Flush()
}

// counter counts what is written.
type counter struct {
	*bufio.Writer
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	return c.Writer.Write(b)
}

type callMessage struct {
	direction event.Direction
	text      string
}

// callMessages are those of one short call.
func callMessages(n int) []callMessage {
	message := func(first, method, branch string, cseq int, toTag string) string {
		head := fmt.Sprintf("%s\r\nVia: SIP/2.0/TCP 198.51.100.1:5060;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:alice@example.com>;tag=a%d\r\nTo: <sip:bob@example.com>%s\r\nCall-ID: %d@example.com\r\nCSeq: %d %s\r\n"+
			"Contact: <sip:alice@198.51.100.1>\r\nUser-Agent: benchmark\r\n", first, branch, n, n, toTag, n, cseq, method)
		const length = 800 // of a message
		body := max(0, length-len(head)-len("Content-Length: 000\r\n\r\n"))
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", body) + strings.Repeat("x", body)
	}
	const to, ok = ";tag=b", "SIP/2.0 200 OK"
	return []callMessage{
		{event.In, message("INVITE sip:bob@example.com SIP/2.0", "INVITE", "i", 1, "")},
		{event.Out, message("SIP/2.0 180 Ringing", "INVITE", "i", 1, to)},
		{event.Out, message(ok, "INVITE", "i", 1, to)},
		{event.In, message("ACK sip:bob@example.com SIP/2.0", "ACK", "k", 1, to)},
		{event.In, message("BYE sip:bob@example.com SIP/2.0", "BYE", "b", 2, to)},
		{event.Out, message(ok, "BYE", "b", 2, to)},
	}
}
