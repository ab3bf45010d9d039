// SPDX-License-Identifier: Apache-2.0

package hep

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// The collector writes what it has decoded into a file, a line a message.
const kamailioConfig = `
debug=1
log_stderror=yes
fork=no
children=1
listen=udp:%s
disable_tcp=yes
loadmodule "pv.so"
loadmodule "db_flatstore.so"
loadmodule "sipcapture.so"
modparam("db_flatstore", "flush", 1)
modparam("sipcapture", "db_url", "flatstore:%s")
modparam("sipcapture", "capture_on", 1)
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "capture_node", "none")
request_route { sip_capture(); drop; }
onreply_route { sip_capture(); drop; }
`

// TestKamailio: a collector that is not ours decodes what was on the wire.
func TestKamailio(t *testing.T) {
	testutil.RequireRoot(t)
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	dir, err := os.MkdirTemp("", "hep") // what it can take is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "collector.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, kamailioConfig, address, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "", exec.Command("kamailio", "-f", config, "-m", "64", "-DD", "-E", "-w", dir))
	messages := []*Message{
		message("OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:b@example.com>;tag=b\r\n" +
			"To: <sip:a@example.com>\r\nCall-ID: 1@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"),
		message("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:b@example.com>;tag=b\r\n" +
			"To: <sip:a@example.com>;tag=a\r\nCall-ID: 1@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"),
	}
	messages[1].Datagram = true
	messages[1].Source, messages[1].Destination = netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5070")
	listens := func() bool {
		c, err := net.ListenPacket("udp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	}
	eventually(listens)
	s := newSender(t, Options{Network: "udp", Address: address, Agent: Agent{ID: 2001, Node: "sip1"}})
	defer runs(s)()
	for _, m := range messages {
		s.Send(m)
	}
	var lines []string
	eventually(func() bool {
		lines = nil
		files, err := filepath.Glob(filepath.Join(dir, "sip_capture_*.log"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.SplitAfter(string(text), "\n")...)
		}
		return len(lines) > len(messages) // the last one is the empty rest
	})
	if len(lines) != len(messages)+1 {
		t.Fatalf("it has %q", lines)
	}
	for i, want := range []string{
		"|192.0.2.1|5060|198.51.100.7|5070||0||0|2|2|",   // its numbers for TCP and IPv4
		"|2001:db8::1|5060|2001:db8::2|5070||0||0|1|10|", // for UDP and IPv6
	} {
		escaped := strings.NewReplacer("\r", `\x0D`, "\n", `\x0A`).Replace(string(messages[i].Head))
		for _, part := range []string{"1767323045|1767323045678901|", want, "|none:2001|", "|" + escaped + "|"} {
			if !strings.Contains(lines[i], part) {
				t.Errorf("no %s in\n%s", part, lines[i])
			}
		}
	}
}

// eventually waits for a condition; its last word is the caller's to ask for.
func eventually(f func() bool) {
	for end := time.Now().Add(patience); !f() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
}
