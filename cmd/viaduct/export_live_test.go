// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// wire is a message between two addresses, as whoever sent it saw it.
type wire struct{ from, to, text string }

// hepMessage reads what a test of viaduct's own exchange needs of a HEP packet,
// with IPv4 addresses; package hep has another decoder's word for the format.
func hepMessage(t *testing.T, packet []byte) (m wire) {
	t.Helper()
	chunks := make(map[uint16][]byte)
	for rest := packet[6:]; len(rest) >= 6; {
		length := binary.BigEndian.Uint16(rest[4:])
		chunks[binary.BigEndian.Uint16(rest[2:])] = rest[6:length]
		rest = rest[length:]
	}
	end := func(address, port uint16) string {
		a, ok := netip.AddrFromSlice(chunks[address])
		if !ok {
			t.Fatalf("%q", packet)
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(chunks[port])).String()
	}
	return wire{end(3, 7), end(4, 8), string(chunks[15])}
}

// TestExports: what was on the wire reaches the collector, once for each of its
// ends, and the connections are written down when they have ended.
func TestExports(t *testing.T) {
	testutil.RequireRoot(t)
	collector := got(net.ListenPacket("udp4", "127.0.0.1:0")).orFail(t)
	defer collector.Close()
	name := filepath.Join(t.TempDir(), "records.jsonl")
	a, process := startProcess(t, "--export.file", name, "--hep.address", collector.LocalAddr().String(), "--hep.node", "sip1")
	x := playExchange(t, 1) // a port where nobody listens
	client, server := x.client.LocalAddr().String(), x.client.RemoteAddr().String()
	secret := strings.Replace(sipRequest("INFO", "TCP", 7), "\r\nFrom:", "\r\nAuthorization: Digest response=\"1\"\r\nFrom:", 1)
	x.carry(x.client, x.server, secret)
	x.hangUp()

	want := make(map[wire]int)
	for n := range tcpRequests {
		want[wire{client, server, sipRequest("PUBLISH", "TCP", n)}] = 2
		want[wire{server, client, sipReply("PUBLISH", "TCP", n)}] = 2
	}
	want[wire{client, server, strings.Replace(secret, "Digest response=\"1\"", "(hidden)", 1)}] = 2
	udp := [2]string{x.udp[0].LocalAddr().String(), x.udp[1].LocalAddr().String()}
	want[wire{udp[0], udp[1], sipRequest("PRACK", "UDP", 1)}] = 2
	want[wire{udp[1], udp[0], sipReply("PRACK", "UDP", 1)}] = 2
	seen := make(map[wire]int)
	collector.SetReadDeadline(time.Now().Add(20 * time.Second))
	for b := make([]byte, 1<<16); !maps.Equal(seen, want); {
		n, _, err := collector.ReadFrom(b)
		if err != nil {
			t.Fatalf("%v; got %v\nwant %v", err, seen, want)
		}
		if !bytes.Contains(b[:n], []byte("sip1")) {
			t.Errorf("without the node's name: %q", b[:n])
		}
		m := hepMessage(t, b[:n])
		if _, ours := want[m]; ours || strings.Contains(m.text, "response=") {
			seen[m]++
		}
	}

	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := a.end(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	locals := make(map[string]bool)
	for line := range strings.Lines(string(got(os.ReadFile(name)).orFail(t))) {
		var record struct{ Record, Local string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if record.Record == "connection" {
			locals[record.Local] = true
		}
	}
	if !locals[client] || !locals[server] {
		t.Errorf("%s and %s are not among %v", client, server, locals)
	}
}
