// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"net/netip"
	"testing"

	"github.com/viaduct-project/viaduct/agent/policy"
)

func TestExplain(t *testing.T) {
	p := parse(t, `
peers:
- {name: trunk, enforce: enforce, match: {cidrs: [192.0.2.0/24], ports: [5060]}, limits: {connects_per_second: 2.5, burst: 7, max_connections: 9}}
- {name: seen, match: {cidrs: [192.0.2.0/24, 203.0.113.0/24]}, limits: {max_connections: 4}}
- {name: proxy, match: {cidrs: [198.51.100.0/24], process: kamailio}}
- {name: below, enforce: dry-run, match: {cidrs: [198.51.100.0/24, 2001:db8::/32]}, limits: {max_connections: 4, direction: both}}
`)
	for _, c := range []struct {
		remote, transport string
		port              uint16
		out               bool
		want              string
	}{
		{"192.0.2.1", "tcp", 5060, false, "by row trunk, enforce: 2.5 new connections a second with a burst of 7, 9 connections at a time"},
		{"192.0.2.1", "tcp", 5060, true, "no: row trunk limits the other direction only"},
		{"192.0.2.1", "tcp", 0, false, "not known: it depends on the port, give it in --local"},
		{"192.0.2.1", "tcp", 0, true, "not known: it depends on the port, give it in --remote"},
		{"192.0.2.1", "udp", 5060, false, "no: only connections are limited"},
		{"203.0.113.1", "tcp", 5060, false, "no: row seen observes"},
		{"198.51.100.1", "tcp", 5060, false, "no: when it is opened nobody knows whether it belongs to row below or to one above"},
		{"2001:db8::1", "tls", 5061, true, "by row below, dry-run: 4 connections at a time"},
		{"2001:db8::1", "tcp", 5099, true, "no: port 5099 is not among those of sip and of rows"},
		{"203.0.114.1", "tcp", 5060, true, "no: row other has no limits"},
	} {
		s := &policy.Subject{Remote: netip.MustParseAddr(c.remote), Transport: c.transport}
		if got := Explain(p, s, c.port, c.out); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
