// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// TestClosureAlert: in TLS 1.3 the libraries tell of the alert that ends a
// session, on its connection, once.
func TestClosureAlert(t *testing.T) {
	const port, connections, each = 5061, 20, 2
	p := startTap(t, port, goPort)
	serve(t, p, port, 4)
	goServer(t)
	peer := func(t *testing.T, switches ...string) {
		args := []string{"client", address, strconv.Itoa(port), "begin=1", "version=3", fmt.Sprintf("connections=%d", connections), fmt.Sprintf("messages=%d", each)}
		converse(t, p, exec.Command(tlspeer.Build(t), append(args, switches...)...))
	}
	for _, tt := range []struct {
		name string
		port int
		want int
		run  func(t *testing.T)
	}{
		{"libssl", port, 1, func(t *testing.T) { peer(t) }},
		{"libssl, memory", port, 1, func(t *testing.T) { peer(t, "memory=1") }},
		{"GnuTLS", port, 1, func(t *testing.T) { onGnuTLS(t, p, port, connections, each, 0, gnutlsDefault, "bye") }},
		{"GnuTLS, none", port, 0, func(t *testing.T) { onGnuTLS(t, p, port, connections, each, 0, gnutlsDefault, "") }},
		{"Go", goPort, 1, goLoad(p, connections, each)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t)
			defer p.locked(func() { clear(p.streams); clear(p.alerts) })
			until(t, func() string { return p.alerted(tt.port, connections, tt.want) })
		})
	}
}

// goLoad is a client on crypto/tls, in this process.
func goLoad(p *tap, connections, each int) func(*testing.T) {
	return func(t *testing.T) {
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
		scout, err := goDial(config)
		if err != nil {
			t.Fatal(err)
		}
		defer scout.Close()
		p.followed(t, os.Getpid())
		for i := range connections {
			c, err := goDial(config)
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			for n := range each {
				if err := exchange(c, in, i, n+1, 0); err != nil {
					t.Error(err)
				}
			}
			c.Close()
		}
	}
}

// alerted says what is wrong with the closure alerts of the clients' ends.
func (p *tap) alerted(port, connections, want int) (wrong string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := 0
	for f, s := range p.streams {
		if f.direction != event.Out || len(s.bytes) == 0 || p.remote[f.socket].Port() != uint16(port) {
			continue
		}
		clients++
		if got := p.alerts[f]; got != want {
			return fmt.Sprintf("%v: %d alerts, want %d", f, got, want)
		}
	}
	if clients != connections {
		return fmt.Sprintf("%d connections, want %d", clients, connections)
	}
	for f := range p.alerts {
		if f.direction != event.Out {
			return fmt.Sprintf("an alert of the other end's: %v", f)
		}
	}
	return ""
}
