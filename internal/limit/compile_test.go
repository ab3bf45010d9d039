// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policyfile.Parse("test.yaml", []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// limiting returns the name of the row that limits, as the programs look it up;
// "" if none does.
func (t *Tables) limiting(remote netip.Addr, port uint16, out bool) string {
	row := t.at(remote, port, out)
	if row == bpf.NoRow {
		return ""
	}
	return t.Peers[row]
}

func TestFirstMatchLimits(t *testing.T) {
	tables, problems := Compile(parse(t, `
defaults: {enforce: enforce, limits: {max_connections: 9, direction: both}}
peers:
- {name: watched, enforce: observe, match: {cidrs: [198.51.100.0/28]}}
- {name: inside, match: {cidrs: [198.51.100.0/24], ports: [5061]}, limits: {connects_per_second: 2.5, direction: in}}
- {name: trunk, match: {cidrs: [198.51.100.0/24, 2001:db8::/32], initiator: local}, limits: {connects_per_second: 1, burst: 7, direction: out}, enforce: dry-run}
- {name: odd, match: {cidrs: [203.0.113.0/24], ports: [5071], transports: [tls]}}
- {name: plain, match: {transports: [tcp]}}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		remote string
		port   uint16
		out    bool
		want   string
	}{
		{"198.51.100.1", 5061, false, ""}, // a row that observes keeps what is its own
		{"198.51.100.1", 5061, true, ""},
		{"198.51.100.77", 5061, false, "inside"},
		{"198.51.100.77", 5061, true, ""}, // the first row matches, and limits the other direction
		{"198.51.100.77", 5060, true, "trunk"},
		{"198.51.100.77", 5060, false, "plain"},
		{"2001:db8::7", 5061, true, "trunk"},
		{"2001:db8::7", 5061, false, "other"}, // 5061 carries TLS
		{"2001:db9::7", 5060, false, "plain"},
		{"203.0.113.9", 5071, false, "odd"},
		{"192.0.2.9", 5071, false, "other"}, // no plain TCP on a port that a TLS row names
		{"192.0.2.9", 5061, true, "other"},
		{"192.0.2.9", 80, false, ""}, // not a port of SIP
	} {
		if got := tables.limiting(netip.MustParseAddr(c.remote), c.port, c.out); got != c.want {
			t.Errorf("%+v: limited by %q", c, got)
		}
	}
	want := map[string]bpf.LimitRow{
		"inside": {PerSecond: 2.5, Burst: 3, MaxConnections: 9, Enforce: true},
		"trunk":  {PerSecond: 1, Burst: 7, MaxConnections: 9},
		"other":  {MaxConnections: 9, Enforce: true},
	}
	for name, row := range want {
		at := slices.Index(tables.Peers, name)
		if at < 0 {
			t.Errorf("no row %s among %v", name, tables.Peers)
			continue
		}
		row.ID = uint32(at)
		if tables.Rows[at] != row {
			t.Errorf("%s: %+v, want %+v", name, tables.Rows[at], row)
		}
	}
}

func TestNothingLimited(t *testing.T) {
	for _, text := range []string{
		"",
		"peers: [{name: a, match: {cidrs: [192.0.2.0/24]}, enforce: enforce}]",
		"peers: [{name: a, match: {cidrs: [192.0.2.0/24]}, limits: {max_connections: 3}}]", // observe
	} {
		if tables, problems := Compile(parse(t, text)); tables.Any() || len(tables.Prefixes) > 0 || len(problems) > 0 {
			t.Errorf("%q: %+v, %v", text, tables, problems)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		match, limits, want string
		warn                bool
	}{
		{match: "process: kamailio", limits: "max_connections: 3", want: "matched by process"},
		{match: "pod: x", limits: "max_connections: 3", want: "matched by pod"},
		{match: "container: x", limits: "max_connections: 3", want: "matched by container"},
		{match: "sent_by: a.example.com", limits: "max_connections: 3", want: "matched by sent_by"},
		{match: "transports: [ws]", limits: "max_connections: 3", want: "from the first bytes"},
		{match: "transports: [udp]", limits: "max_connections: 3", want: "UDP"},
		{match: "initiator: local", limits: "max_connections: 3", want: "write direction: out"},
		{match: "initiator: remote", limits: "max_connections: 3, direction: out", want: "write direction: in"},
		{match: "initiator: remote", limits: "max_connections: 3, direction: both"},
		{match: "transports: [udp, tcp]", limits: "max_connections: 3"},
	} {
		_, problems := Compile(parse(t, fmt.Sprintf("peers: [{name: a, match: {%s}, limits: {%s}}]", c.match, c.limits)))
		switch {
		case c.want == "" && len(problems) == 0:
		case len(problems) != 1 || c.want == "" || problems[0].Peer != "a" || problems[0].Warn || !strings.Contains(problems[0].Error(), c.want):
			t.Errorf("%+v: %v", c, problems)
		}
	}
}

// What may belong to a row that cannot be told is left alone, and said once.
func TestPerhapsAnotherRow(t *testing.T) {
	tables, problems := Compile(parse(t, `
defaults: {enforce: enforce, limits: {max_connections: 9}}
peers:
- {name: first, match: {cidrs: [192.0.2.0/24]}}
- {name: proxy, match: {cidrs: [192.0.2.0/24, 198.51.100.0/24], ports: [5060], process: kamailio}}
`))
	if len(problems) != 1 || !problems[0].Warn || problems[0].Peer != "proxy" || !strings.Contains(problems[0].What, "process") {
		t.Errorf("%v", problems)
	}
	for _, c := range []struct {
		remote string
		port   uint16
		want   string
	}{{"192.0.2.1", 5060, "first"}, {"198.51.100.1", 5060, ""}, {"198.51.100.1", 5061, "other"}, {"203.0.113.1", 5060, "other"}} {
		if got := tables.limiting(netip.MustParseAddr(c.remote), c.port, false); got != c.want {
			t.Errorf("%+v: limited by %q", c, got)
		}
	}
}

// The tables agree with the policy's own first match, whatever the policy.
func TestTablesAgreeWithThePolicy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	compared := 0
	for range 300 {
		var text strings.Builder
		text.WriteString("defaults: {enforce: enforce, limits: {max_connections: 9, direction: both}}\npeers:\n- {name: never, match: {cidrs: [192.0.2.255/32], ports: [9]}}\n")
		for i := range r.IntN(8) {
			fmt.Fprintf(&text, "- {name: p%d, match: {%s%s%s%s}, limits: {max_connections: 4, direction: %s}, enforce: %s}\n", i,
				pick("", fmt.Sprintf("cidrs: [192.0.2.%d/%d], ", r.IntN(256), 24+r.IntN(9)), "cidrs: ['2001:db8::/48', 192.0.2.128/25], ", "cidrs: ['::/0'], "),
				pick("", "ports: [5060], ", "ports: [5061], ", "ports: [5060, 5080], "),
				pick("", "transports: [tls], ", "transports: [tcp], ", "transports: [udp, tls], "),
				pick("initiator: any", "initiator: local", "initiator: remote"),
				pick("both", "both", "in", "out"), pick("enforce", "enforce", "observe", "dry-run"))
		}
		p, err := policyfile.Parse("random.yaml", []byte("version: 1\n"+text.String()))
		if err != nil {
			continue // shadowed rows
		}
		tables, problems := Compile(p)
		if slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warn }) {
			continue // a direction that its row never has
		}
		compared++
		for range 200 {
			remote := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(256))})
			if r.IntN(4) == 0 {
				remote = netip.MustParseAddr(pick("2001:db8::1", "2001:db8:1::1", "203.0.113.1", "2001:db9::1"))
			}
			port := []uint16{5060, 5061, 5080}[r.IntN(3)]
			out := r.IntN(2) == 0
			s := policy.Subject{Remote: remote, Ports: []uint16{port}, Transport: "tcp", Initiator: "remote"}
			if tlsPorts(p)[port] {
				s.Transport = "tls"
			}
			if out {
				s.Initiator = "local"
			}
			want := ""
			if row := p.Of(&s); row.Enforce != policy.Observe && (out && row.Limits.Out || !out && row.Limits.In) {
				want = row.Name
			}
			if _, carried := tables.Ports[port]; !carried {
				want = ""
			}
			if got := tables.limiting(remote, port, out); got != want {
				t.Fatalf("%s\n%+v: limited by %q, want %q", text.String(), s, got, want)
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d policies were of use", compared)
	}
}

// Ten thousand rows with a network each are compiled in the time of a reload.
func BenchmarkCompile(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\ndefaults: {enforce: enforce, limits: {max_connections: 9}}\npeers:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {name: p%d, match: {cidrs: ['2001:db8:%x::/48']}}\n", i, i)
	}
	p, err := policyfile.Parse("many.yaml", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if tables, _ := Compile(p); len(tables.Rows) != 10_001 {
			b.Fatal(len(tables.Rows))
		}
	}
}
