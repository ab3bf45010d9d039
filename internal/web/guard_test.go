// SPDX-License-Identifier: Apache-2.0

package web

import "testing"

// TestGuard: who gets at the page and at the reload, when nobody is known by
// name.
func TestGuard(t *testing.T) {
	type header = []string
	for _, tt := range []struct {
		name         string
		client, host string
		header       header
		get, post    int
	}{
		{"from here", here, "127.0.0.1:19060", nil, 200, 409},
		{"by name", here, "localhost:19060", nil, 200, 409},
		{"by IPv6", "[::1]:40000", "[::1]:19060", nil, 200, 409},
		{"another loopback address", "127.8.8.8:40000", "127.8.8.8:19060", nil, 200, 409},
		{"by IPv4 on an IPv6 socket", "[::ffff:127.0.0.1]:40000", "127.0.0.1:19060", nil, 200, 409},
		{"by IPv4 on an IPv6 socket, named so", "[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:19060", nil, 200, 409},

		{"from the network", there, "192.0.2.1:19060", nil, 403, 403},
		{"from the network, by loopback's name", there, "localhost:19060", nil, 403, 403},
		{"from the network, by IPv4 on an IPv6 socket", "[::ffff:198.51.100.7]:40000", "localhost:19060", nil, 403, 403},
		{"from the network, by IPv6", "[2001:db8::7]:40000", "[::1]:19060", nil, 403, 403},
		{"no client address", "", "localhost:19060", nil, 403, 403},
		{"a socket without addresses", "@", "localhost:19060", nil, 403, 403},

		{"who says to be from here", there, "localhost:19060", header{"X-Forwarded-For", "127.0.0.1"}, 403, 403},
		{"who says to be from here, by Forwarded", there, "localhost:19060", header{"Forwarded", "for=127.0.0.1"}, 403, 403},
		{"who says to be from here, by X-Real-IP", there, "localhost:19060", header{"X-Real-IP", "127.0.0.1"}, 403, 403},
		{"who says to ask for this host", there, "192.0.2.1:19060", header{"X-Forwarded-Host", "localhost"}, 403, 403},
		{"a proxy here for another host", here, "127.0.0.1:19060", header{"X-Forwarded-For", "198.51.100.7"}, 403, 403},
		{"a proxy here that was lied to", here, "127.0.0.1:19060", header{"X-Forwarded-For", "127.0.0.1, 198.51.100.7"}, 403, 403},
		{"a proxy here, for nobody it names", here, "127.0.0.1:19060", header{"X-Forwarded-For", ""}, 403, 403},
		{"a proxy here, by Forwarded", here, "localhost:19060", header{"Forwarded", "for=198.51.100.7"}, 403, 403},
		{"a proxy here, by Via", here, "localhost:19060", header{"Via", "1.1 proxy.example.com"}, 403, 403},

		{"a name that resolves to here", here, "trick.example.com:19060", nil, 403, 403},
		{"a name below localhost", here, "localhost.example.com:19060", nil, 403, 403},
		{"a name that starts as an address", here, "127.0.0.1.example.com:19060", nil, 403, 403},
		{"the page of such a name", here, "trick.example.com:19060",
			header{"Origin", "http://trick.example.com:19060", "Sec-Fetch-Site", "same-origin"}, 403, 403},
		{"the address of all addresses", here, "0.0.0.0:19060", nil, 403, 403},

		{"our page", here, "127.0.0.1:19060", header{"Origin", "http://127.0.0.1:19060", "Sec-Fetch-Site", "same-origin"}, 200, 409},
		{"our page, in an old browser", here, "127.0.0.1:19060", header{"Origin", "http://127.0.0.1:19060"}, 200, 409},
		{"an address that was typed", here, "localhost:19060", header{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, 409},
		{"another site", here, "127.0.0.1:19060", header{"Origin", "https://example.com", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, 403, 403},
		{"another site, in an old browser", here, "127.0.0.1:19060", header{"Origin", "https://example.com"}, 403, 403},
		{"another site that hides", here, "127.0.0.1:19060", header{"Origin", "null"}, 403, 403},
		{"another port of this host", here, "localhost:19060", header{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403, 403},
		{"another port, in an old browser", here, "localhost:19060", header{"Origin", "http://localhost:8080"}, 403, 403},
		{"an image in another site", here, "localhost:19060", header{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403, 403},
		{"a frame in another site", here, "localhost:19060", header{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403, 403},
		{"a link or form in another site", here, "localhost:19060", header{"Origin", "null", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, 403},
	} {
		h := shown(Options{})
		if status, body := ask(h, "GET", "/api/v1/report", tt.client, tt.host, tt.header...); status != tt.get {
			t.Errorf("%s: GET %d, want %d; %q", tt.name, status, tt.get, body)
		}
		if status, body := ask(h, "POST", "/-/reload", tt.client, tt.host, tt.header...); status != tt.post {
			t.Errorf("%s: POST %d, want %d; %q", tt.name, status, tt.post, body)
		}
		if status, _ := ask(h, "GET", "/metrics", tt.client, tt.host, tt.header...); status != 200 {
			t.Errorf("%s: /metrics is for everybody, and answers %d", tt.name, status)
		}
	}
}
