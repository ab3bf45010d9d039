// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

const gnutlsDefault = "NORMAL"

// onGnuTLS has a client on GnuTLS talk to the server, from when it is followed.
func onGnuTLS(t *testing.T, p *tap, port, connections, each, body int, priority, switches string) {
	t.Helper()
	args := []string{address, strconv.Itoa(port), strconv.Itoa(connections), strconv.Itoa(each), strconv.Itoa(body), priority}
	converse(t, p, exec.Command(tlspeer.BuildGnuTLS(t), append(args, strings.Fields(switches)...)...))
}

// TestGnuTLSMovers: the same, of a client that moves the records by functions of
// its own. They are known as soon as a session was given them.
func TestGnuTLSMovers(t *testing.T) {
	const port, connections, each = 5061, 20, 4
	p := startTap(t, port)
	serve(t, p, port, 4)
	for _, tt := range []struct {
		name     string
		switches []string
	}{
		{"one record", []string{"own", "bye"}},
		{"several records at once", []string{"parts", "again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{address, strconv.Itoa(port), strconv.Itoa(connections), strconv.Itoa(each), "30000", gnutlsDefault}, tt.switches...)
			before := p.movers.Load()
			converse(t, p, exec.Command(tlspeer.BuildGnuTLS(t), args...), func(in io.Writer) {
				fmt.Fprintln(in) // another connection, which is given them
				until(t, func() string {
					if n := p.movers.Load() - before; n != 2 {
						return fmt.Sprintf("%d functions are probed, want 2", n)
					}
					return ""
				})
			})
			defer p.locked(func() { clear(p.streams) })
			until(t, func() string { return p.exact(connections, each) })
		})
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestGnuTLS: every message of both directions is seen exactly once and on the
// right connection, of a client on GnuTLS and its server on OpenSSL, however the
// client uses the library.
func TestGnuTLS(t *testing.T) {
	const port, each = 5061, 4
	p := startTap(t, port)
	serve(t, p, port, 4)
	for _, tt := range []struct {
		name, priority, switches string
		connections, body        int
	}{
		{"TLS 1.3", gnutlsDefault, "", 20, 0},
		{"TLS 1.2", gnutlsDefault + ":-VERS-ALL:+VERS-TLS1.2", "", 20, 0},
		{"CBC", gnutlsDefault + ":-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", "", 20, 0},
		{"ChaCha20", gnutlsDefault + ":-CIPHER-ALL:+CHACHA20-POLY1305", "bye", 20, 0},
		{"several records", gnutlsDefault, "", 8, 40_000},
		{"corked", gnutlsDefault, "cork", 20, 0},
		{"corked, several records", gnutlsDefault, "cork bye", 8, 40_000},
		{"a full socket buffer", gnutlsDefault, "again", 8, 60_000},
		{"corked, a full socket buffer", gnutlsDefault, "cork again", 8, 60_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onGnuTLS(t, p, port, tt.connections, each, tt.body, tt.priority, tt.switches)
			defer p.locked(func() { clear(p.streams) })
			until(t, func() string { return p.exact(tt.connections, each) })
		})
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
	if c, err := p.library.Counters(); err != nil || c.Nested != 0 || c.Unreadable != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestGnuTLSUnread: what cannot be read where it lies is missing, and told to be.
func TestGnuTLSUnread(t *testing.T) {
	const port = 5061
	p := startTap(t, port)
	serve(t, p, port, 1)
	for _, tt := range []struct {
		switches  string
		body      int
		direction event.Direction
	}{
		{"packet", 0, event.In},
		{"null", 60_000, event.Out},
	} {
		t.Run(tt.switches, func(t *testing.T) {
			onGnuTLS(t, p, port, 1, 3, tt.body, gnutlsDefault, tt.switches)
			defer p.locked(func() { clear(p.streams) })
			until(t, func() (wrong string) {
				wrong = "nothing is missing"
				p.locked(func() {
					for f, s := range p.streams {
						switch {
						case s.wrong == nil:
						case f.direction == tt.direction && p.remote[f.socket].Port() == port:
							wrong = ""
						default:
							t.Errorf("%v: %q", f, s.wrong)
						}
					}
				})
				return wrong
			})
		})
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 {
			t.Errorf("%+v", c)
		}
	})
}
