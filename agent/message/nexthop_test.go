// SPDX-License-Identifier: Apache-2.0

package message

import (
	"net/netip"
	"testing"
)

func TestNextHop(t *testing.T) {
	const rest = "From: Bob <sip:bob@example.net>;tag=1\r\nTo: <sip:carol@example.com>\r\n\r\n"
	for _, tt := range []struct {
		head string
		host string
		port uint16
		from string
	}{
		{"INVITE sip:alice@192.0.2.1:5070 SIP/2.0\r\n" + rest, "192.0.2.1", 5070, "example.net"},
		{"INVITE sip:alice@192.0.2.1 SIP/2.0\r\nRoute: <sip:p1.example.org:5080;lr>, <sip:p2.example.org;lr>\r\n" + rest, "p1.example.org", 5080, "example.net"},
		{"INVITE tel:+12025550100 SIP/2.0\r\n" + rest, "", 0, "example.net"},
		{"SIP/2.0 200 OK\r\n" + rest, "", 0, "example.net"},
		{"OPTIONS sip:example.com SIP/2.0\r\nTo: <sip:b@example.com>\r\n\r\n", "example.com", 0, ""},
		{"\r\n", "", 0, ""},
	} {
		uri, ok := NextHop([]byte(tt.head))
		if string(uri.Host) != tt.host || uri.Port != tt.port || ok != (tt.host != "") {
			t.Errorf("%q: %s port %d, %t", tt.head, uri.Host, uri.Port, ok)
		}
		if from := FromHost([]byte(tt.head)); string(from) != tt.from {
			t.Errorf("%q: From %s", tt.head, from)
		}
	}
}

func TestHopIs(t *testing.T) {
	for _, tt := range []struct {
		head, at string
		secure   bool
		want     bool
	}{
		{"OPTIONS sip:a@192.0.2.1:40001;transport=tcp SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, true},
		{"OPTIONS sip:a@192.0.2.1:40002 SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, false},
		{"OPTIONS sip:a@192.0.2.2:40001 SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, false},
		{"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, false},
		{"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n", "192.0.2.1:5060", false, true},
		{"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n", "192.0.2.1:5061", true, true},
		{"OPTIONS sip:a@phone.example.com:40001 SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, false},
		{"OPTIONS sip:a@phone.example.com:40001;maddr=192.0.2.1 SIP/2.0\r\n\r\n", "192.0.2.1:40001", false, true},
		{"OPTIONS sip:a@example.com SIP/2.0\r\nRoute: <sip:192.0.2.1:40001;lr>\r\n\r\n", "192.0.2.1:40001", false, true},
		{"OPTIONS sip:a@192.0.2.1:40001 SIP/2.0\r\nRoute: <sip:192.0.2.9;lr>\r\n\r\n", "192.0.2.1:40001", false, false},
		{"OPTIONS sip:a@[2001:db8::1]:40001 SIP/2.0\r\n\r\n", "[2001:db8::1]:40001", false, true},
		{"OPTIONS sip:example.com:40001;maddr=[2001:db8::1] SIP/2.0\r\n\r\n", "[2001:db8::1]:40001", false, true},
		{"OPTIONS tel:+12025550100 SIP/2.0\r\n\r\n", "192.0.2.1:5060", false, false},
	} {
		if got := HopIs([]byte(tt.head), netip.MustParseAddrPort(tt.at), tt.secure); got != tt.want {
			t.Errorf("%q, %s: %t", tt.head, tt.at, got)
		}
	}
}
