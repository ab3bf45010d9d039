// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// needed are the capabilities that are documented to do.
var needed = map[uintptr]string{
	unix.CAP_BPF:        "CAP_BPF",
	unix.CAP_PERFMON:    "CAP_PERFMON",
	unix.CAP_NET_ADMIN:  "CAP_NET_ADMIN",
	unix.CAP_SYS_PTRACE: "CAP_SYS_PTRACE",
}

// nobody has no rights of its own on any system.
const nobody = 65534

// viaduct builds the command and prepares it to be run as nobody with caps.
func viaduct(t *testing.T, caps []uintptr, args ...string) *exec.Cmd {
	t.Helper()
	// Not t.TempDir, which nobody may not enter.
	directory := filepath.Join("/run", fmt.Sprintf("viaduct-livetest-%d", os.Getpid()))
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	binary := filepath.Join(directory, "viaduct")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/viaduct").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: caps,
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd
}

// TestLeastPrivilege runs the audit itself as a user without rights, with the
// documented capabilities and no other, and wants it to see what root sees.
func TestLeastPrivilege(t *testing.T) {
	l := newLink(t)
	var caps []uintptr
	for bit := range needed {
		caps = append(caps, bit)
	}
	cmd := viaduct(t, caps, "audit", "--for", "4s", "--format", "json", "--fail-on", "never")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()

	// Calls until the audit ends: at some time in between it watches.
	tcp, udp := l.b.listen(t, at(l.b.v4, 5060)), l.b.datagrams(t, at(l.b.v4, 5060))
	for ended := false; !ended; {
		exchange(t, l, tcp, udp)
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("audit as nobody: %v\n%s", err, &stderr)
			}
			ended = true
		case <-time.After(50 * time.Millisecond): // not so many that ports come again
		}
	}
	var r report.Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"tcp", "udp"} {
		want := facts{Transport: transport, Process: own(), Initiator: "local", OpenedKnown: true, Class: "unidirectional-ephemeral", RequestsOut: 1, ResponsesIn: 1}
		if transport == "tcp" {
			want.HandshakeMeasured, want.Closed, want.By, want.How = true, true, "local", "fin"
		}
		server, client := at(l.b.v4, 5060), at(l.a.v4, 0)
		seen, wrong := 0, ""
		for _, near := range find(&r, transport, client, server) {
			far := one(&r, transport, server, netip.MustParseAddrPort(near.Local))
			if far == nil {
				continue
			}
			want.BytesOut, want.BytesIn = near.BytesSent, near.BytesReceived
			n, f := factsOf(near), factsOf(far)
			if transport == "udp" { // whether the last one's end was seen is chance
				n.By, n.How, n.Closed = "", "", false
				f.By, f.How, f.Closed = "", "", false
			}
			if want.differs(n) == "" && want.mirrored(own()).differs(f) == "" {
				seen++
			} else {
				wrong = all(want.differs(n), want.mirrored(own()).differs(f))
			}
		}
		if seen == 0 {
			t.Errorf("no %s exchange is fully reported: %s", transport, wrong)
		}
	}
}

// exchange makes one TCP connection and one UDP flow of one request each.
func exchange(t *testing.T, l *link, tcp *net.TCPListener, udp *net.UDPConn) {
	t.Helper()
	c := l.a.dial(t, netip.AddrPort{}, addrOf(tcp.Addr()))
	s := accept(t, tcp)
	write(t, c, request("OPTIONS", "TCP", c.LocalAddr()))
	server, client := &reader{conn: s}, &reader{conn: c}
	server.must(t, 1)
	write(t, s, reply(server.latest, "200 OK"))
	client.must(t, 1)
	c.Close()
	server.eof(t)
	s.Close()

	d := l.a.datagram(t, addrOf(udp.LocalAddr()))
	write(t, d, request("OPTIONS", "UDP", d.LocalAddr()))
	b := make([]byte, 2048)
	udp.SetReadDeadline(time.Now().Add(patience))
	n, from, err := udp.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := udp.WriteToUDPAddrPort(reply(b[:n], "200 OK"), from); err != nil {
		t.Fatal(err)
	}
	d.SetReadDeadline(time.Now().Add(patience))
	if _, err := d.Read(b); err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// TestPrivilegeMissing takes one capability away: what cannot do without it
// says so in one sentence that names it.
func TestPrivilegeMissing(t *testing.T) {
	testutil.RequireRoot(t)
	for missing, name := range needed {
		if missing == unix.CAP_SYS_PTRACE {
			continue // only acting needs it
		}
		t.Run(name, func(t *testing.T) {
			var caps []uintptr
			for bit := range needed {
				if bit != missing {
					caps = append(caps, bit)
				}
			}
			slices.Sort(caps)
			cmd := viaduct(t, caps, "audit", "--for", "1s")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("%v, want exit code 2", err)
			}
			said := stderr.String()
			if stdout.Len() != 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "viaduct: ") || !strings.Contains(said, name) {
				t.Errorf("stdout %q, stderr %q, want one line that names %s", &stdout, said, name)
			}
		})
	}
}
