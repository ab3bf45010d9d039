// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// FuzzHandle reads events out of bytes. Whatever comes, nothing panics, the
// tables keep their limits, what was delivered adds up, and all is let go of in
// the end.
//
// An event is six bytes: kind and direction, socket, addresses and flags,
// sequence number, wait, length; and its payload of that length.
func FuzzHandle(f *testing.F) {
	add := func(b []byte, kind, flags, seq byte, wait byte, payload string) []byte {
		return append(append(b, kind, 1, flags, seq, wait, byte(len(payload))), payload...)
	}
	options := script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP a", From: "f", CallID: "c"}.String()
	seed := add(nil, byte(event.Opened), 0, 0, 0, "")
	seed = add(seed, byte(event.Data), 0, 0, 1, options)
	seed = add(seed, byte(event.Data)|0x10, 0, 0, 1, "\r\n\r\n")
	seed = add(seed, byte(event.Data), 0, byte(len(options)), 1, "\r\n")
	seed = add(seed, byte(event.HalfClosed), 0, 0, 200, "")
	f.Add(add(seed, byte(event.Closed), 0x21, 0, 1, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Config{MaxConnections: 4, MaxTransactions: 3, MaxDialogs: 2, MaxPeers: 2, MaxClosed: 3, MaxHeldBytes: 100}
		if len(b) > 1 { // from the last byte, which is seldom read otherwise
			last := b[len(b)-1]
			limits.MaxMessage = [...]int{0, 1, 50, 4095}[last>>6]
			limits.MaxBindings, limits.MaxFindings, limits.MaxHistory = int(last>>4&3), int(last>>2&3), int(last&3)*200
		}
		c, twin := New(limits), New(limits)
		now := script.Start
		for len(b) >= 6 {
			e := event.Event{
				Kind:      event.Kind(b[0] & 0xf),
				Direction: event.Direction(1 + b[0]>>4&1),
				Transport: event.Transport(1 + b[0]>>5&3%3),
				Socket:    uint64(b[1] % 8),
				Initiator: event.Side(b[2] & 3 % 3),
				By:        event.Side(b[2] >> 2 & 3 % 3),
				How:       event.How(b[2] >> 4 & 7 % 7),
				MidLife:   b[1]&0x80 != 0,
				Lost:      b[1]&0x40 != 0,
				Local:     netip.MustParseAddrPort(here),
				Remote:    address(int(b[1] >> 3 & 3)),
				Seq:       uint32(b[3]) * 7,
				OpenedAt:  script.Start,
				IdleIn:    time.Duration(b[3]) - 10,
			}
			wait, n := time.Duration(b[4])*time.Duration(b[4])*10*time.Millisecond, int(b[5])
			b = b[6:]
			n = min(n, len(b))
			e.Payload, b = b[:n], b[n:]
			e.Length = n + int(e.Seq%5/4)*3
			e.Counts.BytesSent = uint64(binary.BigEndian.Uint16([]byte{byte(n), byte(e.Seq)}))
			now = now.Add(wait)
			e.Time = now
			again := e
			c.Handle(&e)
			twin.Handle(&again)
			z := c.Sizes()
			if z.Connections+z.Flows > limits.MaxConnections || z.Transactions > limits.MaxTransactions || z.Dialogs > limits.MaxDialogs ||
				z.Closed > limits.MaxClosed || z.HeldBytes > limits.MaxHeldBytes || z.HeldBytes < 0 || z.Pairs > limits.MaxPeers {
				t.Fatalf("over the limits: %+v", z)
			}
		}
		r := c.Report(now)
		if a, b := reported(t, r), reported(t, twin.Report(now)); a != b {
			t.Fatalf("the same events, two reports:\n%s\n%s", a, b)
		}
		for _, l := range r.Connections {
			if l.LostBytes > l.BytesReceived+l.BytesSent {
				t.Errorf("%d bytes lost of %d", l.LostBytes, l.BytesReceived+l.BytesSent)
			}
		}
		for socket := range uint64(8) {
			if conn := c.tcp[socket]; conn != nil {
				c.Handle(&event.Event{Kind: event.Closed, Transport: event.TCP, Socket: socket, Remote: conn.Remote, Time: now})
			}
			c.Handle(&event.Event{Kind: event.Closed, Transport: event.UDP, Socket: socket, Time: now})
		}
		empty(t, c, now)
	})
}

func reported(t *testing.T, r *report.Report) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
