// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"flag"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/release"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// oldest and newest are the Debian releases whose libraries are tried. CI tries
// what does not change any more; sid is for looking ahead.
const oldest = "bullseye"

var newest = flag.String("newest", "trixie", "Debian release with the latest TLS libraries to try")

// install returns the root of another Debian release, with what is needed to
// build programs on its libc and TLS libraries, and a directory in it.
func install(t *testing.T, suite string) (r release.Release, dir string) {
	t.Helper()
	testutil.RequireRoot(t)
	r = release.Fetch(t, suite, "libc6-dev", "libssl-dev", "libmbedtls-dev", "libgnutls28-dev")
	return r, r.Dir(t)
}

// exactly runs a case, and waits until all that was said in it has been seen.
func exactly(t *testing.T, p *tap, name string, connections, each int, run func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		run(t)
		defer p.locked(func() { clear(p.streams) })
		until(t, func() string { return p.exact(connections, each) })
	})
}

// nothingElse fails if anything was seen that could not be placed.
func nothingElse(t *testing.T, p *tap) {
	t.Helper()
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// OpenSSL 1.1.1 and 3.5: every message of both directions is seen exactly once
// and on the right connection, at both ends, as with the OpenSSL of this machine.
func TestReleasesOpenSSL(t *testing.T) {
	for _, suite := range []string{oldest, *newest} {
		t.Run(suite, func(t *testing.T) {
			const socketBIO, memoryBIO, connections, each = 5061, 5062, 20, 4
			r, dir := install(t, suite)
			program := tlspeer.BuildFor(t, r.Root, dir, "tlspeer")
			certificate, key, err := tlspeer.WriteCertificate(dir)
			if err != nil {
				t.Fatal(err)
			}
			p := startTap(t, socketBIO, memoryBIO)
			for _, port := range []int{socketBIO, memoryBIO} {
				args := []string{"server", address, strconv.Itoa(port), certificate, key, "workers=2"}
				if port == memoryBIO {
					args = append(args, "memory=1", "ahead=1", "ex=1", "partial=1", "read=300")
				}
				serving(t, p, r.Contained(program, args...), port, 2)
			}
			for _, tt := range []struct {
				enter    func(string, ...string) *exec.Cmd
				port     int
				switches string
			}{
				{r.Contained, socketBIO, "version=3"},
				{r.Contained, socketBIO, "version=2"},
				{r.Chrooted, socketBIO, "version=3 rekey=3 size=50000 partial=1 ex=1"},
				{r.Contained, socketBIO, "version=2 rekey=3 ex=2"},
				{r.Layered, socketBIO, "version=3 ex=1"},
				{r.Layered, memoryBIO, "version=2 memory=1"},
				{r.Contained, memoryBIO, "version=3 memory=1 resume=1"},
				{r.Contained, memoryBIO, "version=2 memory=1 resume=1 trickle=1 ahead=1 size=9000"},
			} {
				exactly(t, p, tt.switches, connections, each, func(t *testing.T) {
					args := []string{"client", address, strconv.Itoa(tt.port), "begin=1", fmt.Sprintf("connections=%d", connections), fmt.Sprintf("messages=%d", each), "workers=4"}
					converse(t, p, tt.enter(program, append(args, strings.Fields(tt.switches)...)...))
				})
			}
			nothingElse(t, p)
		})
	}
}

// Mbed TLS 3.6, which has TLS 1.3, too: there its closure alerts, which it pads,
// are told of.
func TestReleasesMbed(t *testing.T) {
	const port, connections, each = 5061, 20, 4
	r, dir := install(t, *newest)
	program := tlspeer.BuildFor(t, r.Root, dir, "mbedpeer")
	p := startTap(t, port)
	serve(t, p, port, 2)
	for _, suite := range []string{
		"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
		"TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA384",
		"TLS1-3-AES-128-GCM-SHA256",
		"TLS1-3-CHACHA20-POLY1305-SHA256",
	} {
		for _, body := range []int{0, 40_000} {
			exactly(t, p, suite+", "+strconv.Itoa(body)+" bytes", connections, each, func(t *testing.T) {
				converse(t, p, r.Contained(program, address, strconv.Itoa(port), strconv.Itoa(connections), strconv.Itoa(each), strconv.Itoa(body), suite))
				if strings.HasPrefix(suite, "TLS1-3-") {
					until(t, func() string { return p.alerted(port, connections, 1) })
				}
			})
		}
	}
	nothingElse(t, p)
}

// Mbed TLS 2.16 has no function of its own for a record: its connections are
// opaque, and it is said why.
func TestReleasesMbedTooOld(t *testing.T) {
	const port = 5061
	r, dir := install(t, oldest)
	program := tlspeer.BuildFor(t, r.Root, dir, "mbedpeer")
	p := startTap(t, port)
	serve(t, p, port, 1)
	cmd := r.Contained(program, address, strconv.Itoa(port), "1", "1", "0", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256")
	begin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	client := testutil.Start(t, "", cmd)
	until(t, func() string {
		why := p.follows.Why(uint32(client.Process.Pid))
		if !strings.Contains(why, "libmbedtls.so.2.16.") || !strings.Contains(why, "too old") {
			return fmt.Sprintf("opaque because %q", why)
		}
		return ""
	})
	begin.Close()
	<-client.Done
	if client.Err != nil {
		t.Fatal(client.Err)
	}
	if p.follows.Followed(uint32(client.Process.Pid)) {
		t.Error("it is followed, though nothing of it can be read")
	}
}

// GnuTLS 3.7.1, with a libc that has sendmsg and recv in two files, and 3.8.
func TestReleasesGnuTLS(t *testing.T) {
	for _, suite := range []string{oldest, *newest} {
		t.Run(suite, func(t *testing.T) {
			const port, each = 5061, 4
			r, dir := install(t, suite)
			program := tlspeer.BuildFor(t, r.Root, dir, "gnutlspeer")
			p := startTap(t, port)
			serve(t, p, port, 2)
			for _, tt := range []struct {
				name, priority, switches string
				connections, body        int
			}{
				{"TLS 1.3", gnutlsDefault, "", 20, 0},
				{"TLS 1.2", gnutlsDefault + ":-VERS-ALL:+VERS-TLS1.2", "bye", 20, 0},
				{"CBC", gnutlsDefault + ":-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", "", 20, 0},
				{"corked, several records", gnutlsDefault, "cork bye", 8, 40_000},
				{"a full socket buffer", gnutlsDefault, "again", 8, 60_000},
			} {
				exactly(t, p, tt.name, tt.connections, each, func(t *testing.T) {
					args := []string{address, strconv.Itoa(port), strconv.Itoa(tt.connections), strconv.Itoa(each), strconv.Itoa(tt.body), tt.priority}
					converse(t, p, r.Contained(program, append(args, strings.Fields(tt.switches)...)...))
				})
			}
			nothingElse(t, p)
		})
	}
}
