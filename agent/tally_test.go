// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/internal/model"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// gauges are what Metrics keeps up to date, found by looking at every
// connection.
type gauges struct {
	connections [metrics.Transports][class.Classes][metrics.Sides]int
	negotiated  [negotiate.Mechanisms]int
}

func walked(c *Core, now event.Time) map[string]gauges {
	all := make(map[string]gauges)
	for _, open := range []*chain.Chain[connection]{&c.open, &c.udp} {
		for conn := open.First(); conn != nil; conn = conn.age.Next() {
			name := c.peerOf(conn).Name
			g := all[name]
			e := conn.evidence(now)
			g.connections[conn.Transport][class.Of(&e)][conn.Initiator]++
			for m := range negotiate.Mechanisms {
				g.negotiated[m] += int(conn.Neg.Standing(now) >> m & 1)
			}
			all[name] = g
		}
	}
	return all
}

func compareGauges(t *testing.T, c *Core, now event.Time) {
	t.Helper()
	want := walked(c, now)
	for _, p := range c.Metrics(now).Peers {
		if got := (gauges{p.Connections, p.Negotiated}); got != want[p.Name] {
			t.Fatalf("%s at %v:\ngauges %v\nwalked %v", p.Name, now.Sub(script.Start), got, want[p.Name])
		}
	}
}

// grown fails if a counter of after is less than before.
func grown(t *testing.T, before, after metrics.Snapshot) {
	t.Helper()
	for _, b := range before.Peers {
		a := after.Of(b.Name)
		if a.Name != b.Name {
			continue
		}
		for kind, n := range b.Unanswered {
			if a.Unanswered[kind] < n {
				t.Fatalf("%d unanswered, there were %d", a.Unanswered[kind], n)
			}
		}
		for r, n := range b.Negotiations {
			if a.Negotiations[r] < n {
				t.Fatalf("%d negotiations, there were %d", a.Negotiations[r], n)
			}
		}
		if a.Requests.Count() < b.Requests.Count() || a.Interval[event.In].Count() < b.Interval[event.In].Count() {
			t.Fatal("a histogram has lost values")
		}
	}
}

// rows is a policy with a row for each name, about the transport or initiator
// that it has in it.
func rows(names ...string) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}}
	for _, name := range names {
		row := policy.Peer{Name: name}
		switch name[0] {
		case 'l':
			row.Match.Initiator = "local"
		case 'u':
			row.Match.Transports = []string{"udp"}
		default:
			row.Match.CIDRs = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		}
		p.Peers = append(p.Peers, row)
	}
	p.Compile()
	return p
}

// TestGauges: what is kept up to date is what a look at every connection
// gives, in worlds in which everything is negotiated, kept and broken, under
// policies that come and go.
func TestGauges(t *testing.T) {
	policies := []*policy.Policy{rows(), rows("l-1", "u-1", "a-1"), rows("l-1"), rows("u-2", "a-2", "l-2")}
	seen := make(map[negotiate.Mechanism]bool)
	came := metrics.Peer{}
	for name, transport := range modelTransports {
		for seed, fault := range []string{"", "KEEP-09", "KA-04", "OB-01", "STUN-16", "", ""} {
			if f, ok := faults[fault]; fault != "" && (!ok || !slices.Contains(f.transports, name)) {
				continue
			}
			c := New(Config{Started: script.Start, MaxConnections: 20, MaxMetricPeers: 4})
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			var ticked event.Time
			before := c.Metrics(script.Start)
			w := model.New(model.Config{Seed: uint64(seed), Transport: transport, Fault: fault}, func(e *event.Event) {
				if e.Time.Sub(ticked) >= time.Second {
					c.Tick(e.Time)
					ticked = e.Time
				}
				c.Handle(e)
				switch n := random.IntN(400); {
				case n == 0:
					c.SetPolicy(policies[random.IntN(len(policies))])
				case n < 200 || n < 390 && seed%2 == 0:
					compareGauges(t, c, e.Time)
					after := c.Metrics(e.Time)
					grown(t, before, after)
					before = after
					for _, p := range after.Peers {
						for m := range negotiate.Mechanisms {
							seen[m] = seen[m] || p.Negotiated[m] > 0
						}
						for r, n := range p.Negotiations {
							came.Negotiations[r] += n
						}
					}
				}
			})
			end := w.Run(5000)
			compareGauges(t, c, end)
			compareGauges(t, c, end.Add(24*time.Hour)) // whatever time can change it has
		}
	}
	for _, m := range []negotiate.Mechanism{negotiate.KeepMechanism, negotiate.OutboundMechanism} {
		if !seen[m] {
			t.Errorf("no world in which %s was in force", m)
		}
	}
	for _, r := range []negotiate.Result{negotiate.KeepOffered, negotiate.KeepAgreed, negotiate.OutboundAgreed} {
		if came.Negotiations[r] == 0 {
			t.Errorf("%s never came to %s", r.Mechanism(), r.Outcome())
		}
	}
}

// TestGaugesOfManyPeers: at the limits of the tables, with eviction, and
// without a tick or a look for long.
func TestGaugesOfManyPeers(t *testing.T) {
	c := New(Config{Started: script.Start, MaxConnections: 500, MaxClosed: 100, MaxDialogs: 50, Policy: rows("l", "u")})
	s := script.New()
	for n := range 3000 {
		s.Events = s.Events[:0]
		conn := s.TCP(event.Side(1+n%2), "192.0.2.1:40000", "198.51.100.7:5060")
		conn.Remote = address(n)
		conn.Open()
		exchange(conn, event.In, script.Msg{Method: "REGISTER", Branch: fmt.Sprint(n), CallID: fmt.Sprint(n), Params: ";keep", More: "Contact: <sip:a@192.0.2.9>;expires=60\r\n"})
		if n%3 == 0 {
			conn.In("\r\n\r\n")
		}
		s.Wait(100 * time.Millisecond)
		if n%5 == 0 {
			conn.Close(event.Remote, event.FIN)
		}
		for i := range s.Events {
			c.Handle(&s.Events[i])
		}
		if n%701 == 0 {
			compareGauges(t, c, s.Now)
		}
		if waiting := len(c.tallies.due); waiting > 500 {
			t.Fatalf("%d connections wait for their time, 500 are open", waiting)
		}
	}
	compareGauges(t, c, s.Now)
}
