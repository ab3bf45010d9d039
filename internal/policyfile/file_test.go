// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
)

const full = `version: 1
sip: {ports: [5060, 5061, 5070]}
defaults: {enforce: dry-run, class: negotiated}
peers:
- name: carrier-a
  match: {cidrs: [192.0.2.0/24, 2001:db8::1], ports: [5061], transports: [tls], initiator: any, process: kamailio, sent_by: ["*.carrier-a.example"]}
  class: persistent
  enforce: enforce
  ephemeral: {idle_timeout: 5m, close: hard}
  persistent: {max_connections: 2, min_timeout: 10m, max_timeout: 24h, tcp_keepalive: {idle: 60s, interval: 10s, probes: 6}, user_timeout: 60s}
  keepalive: {inject: agreed, method: crlf, interval: 30s, on_failure: close, swallow_stun_answers: true}
  limits: {connects_per_second: 5, burst: 20, max_connections: 100, direction: both}
- name: lan
  match: {initiator: local}
  limits: {max_connections: 10, direction: out}
`

func TestFull(t *testing.T) {
	p, err := Parse("policy.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Peer{
		Name: "carrier-a",
		Match: policy.Match{
			CIDRs:      []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
			Ports:      []uint16{5061},
			Transports: []string{"tls"}, Initiator: "any", Process: []string{"kamailio"}, SentBy: []string{"*.carrier-a.example"},
		},
		Class: policy.Persist, Enforce: policy.Enforce,
		Ephemeral: policy.Ephemeral{IdleTimeout: 5 * time.Minute, Close: policy.Hard},
		Persistent: policy.Persistent{
			MaxConnections: 2, MinTimeout: 10 * time.Minute, MaxTimeout: 24 * time.Hour,
			TCPKeepalive: policy.TCPKeepalive{Idle: time.Minute, Interval: 10 * time.Second, Probes: 6}, UserTimeout: time.Minute,
		},
		Keepalive: policy.Keepalive{Inject: policy.InjectAgreed, Method: policy.MethodCRLF, Interval: 30 * time.Second, CloseOnFailure: true, SwallowStunAnswers: true},
		Limits:    policy.Limits{ConnectsPerSecond: 5, Burst: 20, MaxConnections: 100, In: true, Out: true},
	}
	if got := fmt.Sprintf("%+v", p.Peers[0]); got != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %s\nwant %+v", got, want)
	}
	if l := p.Peers[1].Limits; l.In || !l.Out || l.MaxConnections != 10 {
		t.Errorf("limits of lan: %+v", l)
	}
	if p.Peers[1].Enforce != policy.DryRun || p.Peers[1].Persistent.MaxConnections != -1 {
		t.Errorf("lan does not inherit: %+v", p.Peers[1])
	}
	if p.Fallback.Name != policy.Other || p.Fallback.Enforce != policy.DryRun || len(p.Ports) != 3 {
		t.Errorf("fallback %+v, ports %v", p.Fallback, p.Ports)
	}
}

func TestDefault(t *testing.T) {
	p := Default()
	if p.Fallback.Enforce != policy.Observe || p.Fallback.Class != policy.Negotiated || len(p.Peers) != 0 || len(p.Ports) != 2 {
		t.Errorf("%+v", p)
	}
}

// TestProblems: each has its place, and says what is allowed.
func TestProblems(t *testing.T) {
	peer := func(s string) string { return "version: 1\npeers:\n- name: a\n  match: {}\n  " + s + "\n" }
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "p:1:1: the file is empty: write at least `version: 1`"},
		{"not YAML", "version: 1\npeers: [\n", "p:2:1: not YAML: did not find expected node content"},
		{"a list", "- a", "p:1:1: policy is a list, not a mapping with the keys version, sip, defaults, peers"},
		{"no version", "defaults: {}", "p:1:1: policy: no version: write `version: 1`"},
		{"another version", "version: 2", `p:1:10: version: "2" is not known; allowed: 1`},
		{"unknown key", "version: 1\npears: []", `p:2:1: policy: unknown key "pears" (is "peers" meant?); allowed: version, sip, defaults, peers`},
		{"twice", "version: 1\nversion: 1", `p:2:1: policy: "version" is there already, in line 1`},
		{"class", peer("class: persistant"), `p:5:10: class: "persistant" is not known (is "persistent" meant?); allowed: negotiated, unidirectional-ephemeral, bidirectional-ephemeral, persistent`},
		{"enforce", peer("enforce: yes"), `p:5:12: enforce: "yes" is not known; allowed: observe, dry-run, enforce`},
		{"no unit", peer("ephemeral: {idle_timeout: 60}"), `p:5:29: idle_timeout: "60" is not a duration: write 30s, 5m or 1h30m`},
		{"negative", peer("keepalive: {interval: -5s}"), `p:5:25: interval: -5s is not from 1s to 24h0m0s`},
		{"fraction", peer("keepalive: {interval: 1500ms}"), `p:5:25: interval: 1500ms is not in whole seconds`},
		{"too short to be safe", peer("ephemeral: {idle_timeout: 10s}"), "p:5:29: idle_timeout: 10s is less than 32s, for which RFC 3261 section 18 asks to keep a connection after its last message"},
		{"bounds", peer("persistent: {min_timeout: 2h, max_timeout: 1h}"), `p:5:15: persistent: min_timeout 2h0m0s is more than max_timeout 1h0m0s`},
		{"port", "version: 1\nsip: {ports: [0, 70000]}", "p:2:15: sip: ports: \"0\" is not a whole number from 1 to 65535\np:2:18: sip: ports: \"70000\" is not a whole number from 1 to 65535"},
		{"no list", "version: 1\nsip: {ports: 5060}", `p:2:14: sip: ports is "5060", not a list: write [a, b]`},
		{"network", "version: 1\npeers:\n- {name: a, match: {cidrs: [192.0.2.1/24, x, \"::ffff:192.0.2.0/120\"]}}",
			"p:3:29: cidrs: 192.0.2.1/24 has bits beyond its length; the network is 192.0.2.0/24\n" +
				"p:3:43: cidrs: \"x\" is no network: write 192.0.2.0/24, 2001:db8::/32 or an address\n" +
				"p:3:46: cidrs: ::ffff:192.0.2.0/120 is IPv4 in IPv6 form; write it as IPv4"},
		{"no name", "version: 1\npeers:\n- match: {}", "p:3:3: peer: no name"},
		{"bad name", "version: 1\npeers:\n- {name: A b, match: {}}", `p:3:10: name: "A b": write small letters, digits, '-', '_' and '.', at most 63`},
		{"other", "version: 1\npeers:\n- {name: other, match: {}}", `p:3:10: name: "other" is what matches no row`},
		{"no match", "version: 1\npeers:\n- {name: a}", "p:3:3: peer a: no match: write `match: {}` for a row that is meant to match everything"},
		{"pattern", "version: 1\npeers:\n- {name: a, match: {sent_by: [\"[a\"]}}", `p:3:31: sent_by: "[a" is no pattern: * stands for any letters, ? for one`},
		{"transport", "version: 1\npeers:\n- {name: a, match: {transports: [sctp]}}", `p:3:34: transports: "sctp" is not known (is "tcp" meant?); allowed: tcp, tls, udp, ws, wss`},
		{"rate", peer("limits: {connects_per_second: 0}"), `p:5:33: connects_per_second: "0" is not a number above 0 and up to 1000000`},
		{"burst alone", peer("limits: {burst: 5}"), "p:5:11: limits: burst without connects_per_second"},
		{"keepalive without idle", peer("persistent: {tcp_keepalive: {probes: 3}}"), "p:5:31: tcp_keepalive: no idle: write idle: 60s"},
		{"boolean", peer("keepalive: {swallow_stun_answers: maybe}"), `p:5:37: swallow_stun_answers: "maybe" is neither true nor false`},
		{"the same name", "version: 1\npeers:\n- {name: a, match: {ports: [1]}}\n- {name: a, match: {ports: [2]}}", "p:4:3: peer a: the name is used already, in line 3"},
		{"shadowed", "version: 1\npeers:\n- {name: a, match: {cidrs: [192.0.2.0/24]}}\n- {name: b, match: {cidrs: [192.0.2.128/25], ports: [5060]}}",
			"p:4:3: peer b: no connection gets here, all that it matches belongs to a in line 3"},
		{"shadowed by a pattern", "version: 1\npeers:\n- {name: a, match: {process: Kama*}}\n- {name: b, match: {process: [kamailio, kamad*]}}",
			"p:4:3: peer b: no connection gets here, all that it matches belongs to a in line 3"},
		{"a match that was not understood shadows nothing", "version: 1\npeers:\n- {name: a, match: {cidr: [192.0.2.0/24]}}\n- {name: b, match: {ports: [5060]}}\n- {name: c}",
			"p:3:21: match: unknown key \"cidr\" (is \"cidrs\" meant?); allowed: cidrs, ports, transports, initiator, process, pod, container, sent_by\n" +
				"p:5:3: peer c: no match: write `match: {}` for a row that is meant to match everything"},
		{"all of them", "version: 3\nsip: {port: 1}", "p:1:10: version: \"3\" is not known; allowed: 1\np:2:7: sip: unknown key \"port\" (is \"ports\" meant?); allowed: ports"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestMeant: rows that share connections, where the first one is narrower, and
// rows that share none.
func TestMeant(t *testing.T) {
	for _, match := range []string{
		"- {name: a, match: {cidrs: [192.0.2.0/25]}}\n- {name: b, match: {cidrs: [192.0.2.0/24]}}",
		"- {name: a, match: {cidrs: [192.0.2.0/24], ports: [5061]}}\n- {name: b, match: {cidrs: [192.0.2.0/24]}}",
		"- {name: a, match: {initiator: local}}\n- {name: b, match: {}}",
		"- {name: a, match: {process: x}}\n- {name: b, match: {process: [x, y]}}",
		"- {name: a, match: {process: kamailio}}\n- {name: b, match: {process: Kama*}}",
		"- {name: a, match: {sent_by: [a*.example.com]}}\n- {name: b, match: {sent_by: ['*.example.com']}}",
		"- {name: a, match: {cidrs: [192.0.2.0/25]}}\n- {name: b, match: {cidrs: [192.0.2.128/25]}}",
		"- {name: a, match: {cidrs: [192.0.2.0/24], ports: [5060]}}\n- {name: b, match: {ports: [5061]}}",
		"- {name: a, match: {cidrs: [192.0.2.0/24], initiator: local}}\n- {name: b, match: {initiator: remote}}",
		"- {name: a, match: {ports: [5060], sent_by: ['*.example.com']}}\n- {name: b, match: {sent_by: ['*.example.net']}}",
	} {
		f, err := Read("p", []byte("version: 1\npeers:\n"+match))
		if err != nil {
			t.Errorf("%s: %v", match, err)
		} else if len(f.Warnings) > 0 {
			t.Errorf("%s: %v", match, f.Warnings[0])
		}
	}
}

// TestShared: rows that share connections, and neither is narrower.
func TestShared(t *testing.T) {
	for _, match := range []string{
		"- {name: a, match: {cidrs: [192.0.2.0/24]}}\n- {name: b, match: {ports: [5061]}}",
		"- {name: a, match: {ports: [5061]}}\n- {name: b, match: {cidrs: [192.0.2.0/24]}}",
		"- {name: a, match: {cidrs: [192.0.2.0/24, 198.51.100.0/24]}}\n- {name: b, match: {cidrs: [198.51.100.0/23]}}",
		"- {name: a, match: {cidrs: [192.0.2.0/24]}}\n- {name: b, match: {cidrs: [192.0.2.0/25, 203.0.113.0/24]}}",
		"- {name: a, match: {ports: [5060, 5061]}}\n- {name: b, match: {ports: [5061, 5062]}}",
		"- {name: a, match: {initiator: local}}\n- {name: b, match: {transports: [tls], initiator: any}}",
		"- {name: a, match: {process: kama*}}\n- {name: b, match: {process: '*LIO'}}",
		"- {name: a, match: {process: kamailio, ports: [5060, 5061]}}\n- {name: b, match: {process: kama*, ports: [5060]}}",
	} {
		f, err := Read("p", []byte("version: 1\npeers:\n"+match))
		if err != nil || len(f.Warnings) != 1 {
			t.Errorf("%s: %v, %v", match, f, err)
			continue
		}
		if want := "p:4:3: peer b: some connections match a in line 3 too, and neither row is narrower: the first, a, has them"; f.Warnings[0].Error() != want {
			t.Errorf("%s: %s", match, f.Warnings[0])
		}
	}
}

// TestInherited: a row changes only what it says, also of the direction.
func TestInherited(t *testing.T) {
	for _, tt := range []struct {
		defaults, own string
		in, out       bool
	}{
		{"{max_connections: 1}", "{max_connections: 2}", true, false},
		{"{max_connections: 1, direction: out}", "{max_connections: 2}", false, true},
		{"{max_connections: 1, direction: both}", "{max_connections: 2}", true, true},
		{"{max_connections: 1, direction: both}", "{direction: in}", true, false},
	} {
		p, err := Parse("p", fmt.Appendf(nil, "version: 1\ndefaults: {limits: %s}\npeers: [{name: a, match: {}, limits: %s}]", tt.defaults, tt.own))
		if err != nil {
			t.Fatal(err)
		}
		if l := p.Peers[0].Limits; l.In != tt.in || l.Out != tt.out {
			t.Errorf("defaults %s, row %s: in %t, out %t", tt.defaults, tt.own, l.In, l.Out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("version: 1\npeers:\n- &a {name: a, match: {}}\n- *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("p", []byte(text))
		if (p == nil) != (err != nil) {
			t.Fatalf("policy %v and error %v", p, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "p:") {
			t.Fatalf("without a place: %v", err)
		}
	})
}
