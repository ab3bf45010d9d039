// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

// A connection older than the programs may be met anywhere. What is not text is
// not taken for SIP before it was seen whether it is the middle of a TLS record.
func TestMidLifeOpening(t *testing.T) {
	const address = "127.66.1.19"
	middle := bytes.Repeat([]byte{0x8b, 0x00, 0xf3, 0x41}, 12)
	sealed := append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)
	const sip = "OPTIONS sip:server@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"
	const sdp = "=0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
	var stubborn [][]byte // neither
	for range 33 {
		stubborn = append(stubborn, middle)
	}
	for _, tt := range []struct {
		name  string
		sent  [][]byte
		kind  event.Kind
		shows string // in what goes up; nothing of what is before it does
	}{
		{"the middle of a record, then one", [][]byte{middle, middle[:7], sealed}, event.Record, string(sealed[:21])},
		{"a record", [][]byte{sealed}, event.Record, string(sealed[:21])},
		{"the middle of a body, then a message", [][]byte{[]byte(sdp), []byte(sip)}, event.Data, sdp + sip},
		{"a ping", [][]byte{[]byte("\r\n\r\n"), []byte(sip)}, event.Data, "\r\n\r\n" + sip},
		{"the end of something, then a message", [][]byte{middle[:9], []byte(sip)}, event.Data, sip},
		{"never text", stubborn, event.Data, string(middle)},
	} {
		for _, port := range []int{5060, 5061} {
			t.Run(fmt.Sprint(tt.name, ", port ", port), func(t *testing.T) {
				client, server := connect(t, address, port)
				r := record(t, Options{}, address)
				for _, b := range tt.sent {
					if _, err := client.Write(b); err != nil {
						t.Fatal(err)
					}
					server.Read(make([]byte, 1024)) // so that each is a segment
				}
				local := client.LocalAddr().(*net.TCPAddr).AddrPort()
				r.until(func(events []event.Event) string {
					var up strings.Builder
					for _, e := range events {
						switch {
						case e.Local != local || e.Kind != event.Data && e.Kind != event.Record:
						case e.Kind != tt.kind || (e.Transport == event.TLS) != (tt.kind == event.Record):
							t.Fatalf("%v over %v: %q", e.Kind, e.Transport, e.Payload)
						default:
							up.Write(e.Payload)
						}
					}
					if up.String() != tt.shows {
						return fmt.Sprintf("%q goes up, want %q", up.String(), tt.shows)
					}
					return ""
				})
			})
		}
	}
}

// An alert may be all that is said on a connection.
func TestAlertFirst(t *testing.T) {
	r := record(t, Options{}, "127.66.1.19")
	client, server := connect(t, "127.66.1.19", 5061)
	alert := []byte{21, 3, 1, 0, 2, 2, 80}
	if _, err := server.Write(alert); err != nil {
		t.Fatal(err)
	}
	local := client.LocalAddr().(*net.TCPAddr).AddrPort()
	r.until(func(events []event.Event) string {
		for _, e := range events {
			switch {
			case e.Local != local:
			case e.Kind == event.Data:
				t.Fatalf("taken for SIP: % x", e.Payload)
			case e.Kind == event.Record && bytes.Equal(e.Payload, alert):
				return ""
			}
		}
		return "the alert is not told of"
	})
}
