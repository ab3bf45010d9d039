// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestCarries: what a connection carries is guessed by its port until its bytes
// tell, whether its opening was seen or not.
func TestCarries(t *testing.T) {
	message := script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP 192.0.2.1:40001"}.String()
	for _, tt := range []struct {
		name        string
		first, then event.Transport
		want        string
	}{
		{"plain on a TLS port", event.TLS, event.TCP, "tcp"},
		{"TLS on a TLS port", event.TLS, event.TLS, "tls"},
		{"TLS on another port", event.TCP, event.TLS, "tls"},
		{"plain on another port", event.TCP, event.TCP, "tcp"},
	} {
		for _, midLife := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				s := script.New()
				c := s.TCP(event.Local, "192.0.2.1:40001", "198.51.100.7:5061")
				c.Transport = tt.first
				open := c.Open
				if midLife {
					open = c.MidLife
				}
				open()
				c.Transport = tt.then
				if tt.then == event.TLS {
					open() // once more, now as TLS
					c.Out("\x17\x03\x03\x00\x15123456789012345678901")
					s.Last().Kind = event.Record
				} else {
					c.Out(message)
				}
				core, r := play(t, s)
				if line := r.Connections[0]; line.Transport != tt.want || (line.TLS != nil) != (tt.want == "tls") {
					t.Errorf("%s, %+v", line.Transport, line.TLS)
				}
				if n := len(r.Findings); n > 0 {
					t.Errorf("findings: %s", findings(r))
				}
				transports := core.Metrics(s.Now).Peers[0].Connections
				for transport := range transports {
					n := 0
					for _, classes := range transports[transport] {
						for _, sides := range classes {
							n += sides
						}
					}
					if (n == 1) != (event.Transport(transport) == tt.then) {
						t.Errorf("%d connections in the gauge of transport %d", n, transport)
					}
				}
			})
		}
	}
}
