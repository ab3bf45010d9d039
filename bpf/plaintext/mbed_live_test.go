// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// TestMbed: every message of both directions is seen exactly once and on the
// right connection, of a client on Mbed TLS and its server on OpenSSL, whatever
// stands before and behind the plaintext in a record.
func TestMbed(t *testing.T) {
	const port, connections, each = 5061, 20, 4
	p := startTap(t, port)
	serve(t, p, port, 4)
	for _, suite := range []string{
		"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
		"TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA384",
		"TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
	} {
		for _, body := range []int{0, 40_000} {
			t.Run(suite+", "+strconv.Itoa(body)+" bytes", func(t *testing.T) {
				args := []string{address, strconv.Itoa(port), strconv.Itoa(connections), strconv.Itoa(each), strconv.Itoa(body), suite}
				converse(t, p, exec.Command(tlspeer.BuildMbed(t), args...))
				defer p.locked(func() { clear(p.streams) })
				until(t, func() string { return p.exact(connections, each) })
			})
		}
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
}
