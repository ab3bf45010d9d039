// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"testing"
)

func prefixes(all ...string) (p []netip.Prefix) {
	for _, s := range all {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func example() *Policy {
	p := &Policy{Fallback: Peer{Name: Other}, Peers: []Peer{
		{Name: "branch", Match: Match{CIDRs: prefixes("192.0.2.128/25"), Ports: []uint16{5061}, Transports: []string{"tls"}}},
		{Name: "carrier", Match: Match{CIDRs: prefixes("192.0.2.0/24", "2001:db8::/32"), SentBy: []string{"*.Example.COM"}}},
		{Name: "own", Match: Match{Initiator: "local", Process: []string{"kama*"}}},
		{Name: "rest", Match: Match{CIDRs: prefixes("192.0.2.0/24")}},
	}}
	p.Compile()
	return p
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    Subject
		peer string
		why  string // of the row that was taken
	}{
		{"first row", Subject{Remote: netip.MustParseAddr("192.0.2.130"), Ports: []uint16{5061}, Transport: "tls"}, "branch", "address 192.0.2.130, port 5061, transport tls"},
		{"another transport", Subject{Remote: netip.MustParseAddr("192.0.2.130"), Ports: []uint16{5061}, Transport: "tcp"}, "rest", "address 192.0.2.130"},
		{"sent-by, in any case", Subject{Remote: netip.MustParseAddr("192.0.2.1"), SentBy: "sip.example.com"}, "carrier", "address 192.0.2.1, sent-by sip.example.com"},
		{"sent-by not known yet", Subject{Remote: netip.MustParseAddr("192.0.2.1")}, "rest", "address 192.0.2.1"},
		{"IPv6", Subject{Remote: netip.MustParseAddr("2001:db8::7"), SentBy: "a.example.com"}, "carrier", "address 2001:db8::7, sent-by a.example.com"},
		{"IPv4 in IPv6 form", Subject{Remote: netip.MustParseAddr("::ffff:192.0.2.1")}, "rest", "address ::ffff:192.0.2.1"},
		{"without an address in the row", Subject{Remote: netip.MustParseAddr("203.0.113.1"), Initiator: "local", Process: "kamailio"}, "own", "initiator local, process kamailio"},
		{"initiator not known", Subject{Remote: netip.MustParseAddr("203.0.113.1"), Process: "kamailio"}, Other, "no row matches"},
		{"nothing matches", Subject{Remote: netip.MustParseAddr("203.0.113.1")}, Other, "no row matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := example()
			if got := p.Of(&tt.s).Name; got != tt.peer {
				t.Errorf("it is %s's, want %s", got, tt.peer)
			}
			why := p.Explain(&tt.s)
			last := why[len(why)-1]
			if last.Peer != tt.peer || !last.Matches || last.Why != tt.why {
				t.Errorf("explained by %+v", why)
			}
			for _, r := range why[:len(why)-1] {
				if r.Matches || r.Why == "" {
					t.Errorf("passed over without a reason: %+v", r)
				}
			}
		})
	}
}

// TestSameAsOneByOne: the index finds what a walk over all rows would.
func TestSameAsOneByOne(t *testing.T) {
	p := &Policy{Fallback: Peer{Name: Other}}
	for i := range 300 {
		bits := 8 + i%25
		a := netip.AddrFrom4([4]byte{10, byte(i * 7), byte(i * 13), byte(i)})
		p.Peers = append(p.Peers, Peer{Name: fmt.Sprint("p", i), Match: Match{CIDRs: []netip.Prefix{netip.PrefixFrom(a, bits).Masked()}}})
		if i%50 == 49 {
			p.Peers = append(p.Peers, Peer{Name: fmt.Sprint("any", i), Match: Match{Transports: []string{"udp"}}})
		}
	}
	p.Compile()
	for i := range 20_000 {
		s := Subject{Remote: netip.AddrFrom4([4]byte{10, byte(i), byte(i >> 3), byte(i * 3)}), Transport: []string{"tcp", "udp"}[i%2]}
		want := p.Explain(&s)
		if got := p.Of(&s).Name; got != want[len(want)-1].Peer {
			t.Fatalf("%v: %s, one by one %s", s, got, want[len(want)-1].Peer)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		p := &Policy{Fallback: Peer{Name: Other}}
		for i := range n {
			a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
			p.Peers = append(p.Peers, Peer{Name: fmt.Sprint(i), Match: Match{CIDRs: []netip.Prefix{netip.PrefixFrom(a, 24)}}})
		}
		p.Compile()
		b.Run(fmt.Sprint(n, "rows"), func(b *testing.B) {
			s := Subject{Remote: netip.AddrFrom4([4]byte{10, byte((n - 1) >> 8), byte(n - 1), 7})}
			for b.Loop() {
				p.Of(&s)
			}
		})
	}
}
