// SPDX-License-Identifier: Apache-2.0

package message

import "testing"

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
