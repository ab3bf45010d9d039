// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// open adds n connections of as many peers, each of which has sent a request
// and had its answer.
func open(core *agent.Core, n int, at event.Time, method func(i int) string) {
	local := netip.MustParseAddrPort("192.0.2.1:5060")
	for i := range n {
		var address [16]byte
		address[0], address[1], address[2], address[3] = 0x20, 0x01, 0x0d, 0xb8
		address[12], address[13], address[14], address[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		e := event.Event{
			Kind: event.Opened, Time: at, Socket: uint64(i + 1), Transport: event.TCP, Initiator: event.Remote,
			Local: local, Remote: netip.AddrPortFrom(netip.AddrFrom16(address), 5060),
			OpenedAt: at, Handshake: time.Millisecond, NextIn: 1, NextOut: 1,
		}
		core.Handle(&e)
		e.Kind, e.Direction, e.Seq = event.Data, event.In, 1
		e.Payload = message(method(i)+" sip:192.0.2.1 SIP/2.0", method(i), i)
		e.Length = len(e.Payload)
		core.Handle(&e)
		e.Direction = event.Out
		e.Payload = message("SIP/2.0 200 OK", method(i), i)
		e.Length = len(e.Payload)
		core.Handle(&e)
	}
}

func message(start, method string, i int) []byte {
	return fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bK%d;keep\r\nFrom: <sip:a@example.com>;tag=a%d\r\n"+
		"To: <sip:b@example.com>\r\nCall-ID: %d@example.com\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n", start, i, i, i, method)
}

func shown(t *testing.T, core *agent.Core, now event.Time) map[string]float64 {
	t.Helper()
	return values(gather(t, NewCollector(func() (Sample, error) {
		s := zero()
		s.Snapshot = core.Metrics(now)
		return s, nil
	}, nil)))
}

// seriesMax is what the contract allows with the built-in policy.
const seriesMax = 2000

// count is how many series Prometheus makes of a page: of a histogram all
// buckets, sum and count, and a native one.
func count(all []*dto.MetricFamily) (series int) {
	for _, f := range all {
		for _, m := range f.Metric {
			series++
			if h := m.GetHistogram(); h != nil {
				series += len(h.Bucket) + 3 - 1 // +Inf, sum, count
			}
			if h := m.GetHistogram(); h != nil && h.Schema != nil {
				series++
			}
		}
	}
	return series
}

// full is a page of an agent with the built-in policy, with what the kernel,
// the host and the process add.
func full(t *testing.T, snapshot metrics.Snapshot) []*dto.MetricFamily {
	t.Helper()
	s := distinct()
	s.Limits = nil
	s.Snapshot = snapshot
	features := make(map[string]bool)
	for i := range 20 {
		features[fmt.Sprint(i)] = i%2 == 0
	}
	all, err := NewRegistry(NewCollector(func() (Sample, error) { return s, nil }, features)).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// defaultSeries is how many series there are from the start, in tens.
func defaultSeries(t *testing.T) int {
	t.Helper()
	snapshot := agent.New(agent.Config{}).Metrics(event.At(time.Now()))
	return (count(full(t, snapshot)) + 9) / 10 * 10
}

// TestHostileInputAddsNoSeries: nothing that 100,000 peers send, from as many
// addresses, may add a series but for findings with another severity than their
// rule's own, three for each rule at most.
func TestHostileInputAddsNoSeries(t *testing.T) {
	start := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	core := agent.New(agent.Config{Started: start, MaxConnections: 5000, MaxPeers: 1000})
	before := slices.Sorted(maps.Keys(shown(t, core, start)))

	open(core, 100_000, start, func(i int) string { return fmt.Sprintf("METHOD%d", i) })
	now := rubbish(core, start, 200_000)

	after := shown(t, core, now.Add(time.Hour))
	got := slices.DeleteFunc(slices.Sorted(maps.Keys(after)), func(name string) bool {
		return strings.HasPrefix(name, "viaduct_findings_total ") && !slices.Contains(before, name)
	})
	if !slices.Equal(got, before) {
		t.Errorf("%d series before, %d after", len(before), len(got))
	}
	if n := after["viaduct_messages_total direction=in method=other transport=tcp type=request"]; n < 100_000 {
		t.Errorf("%v messages of other methods, at least 100000 were sent", n)
	}
	if n := after["viaduct_state_evictions_total table=connections"]; n == 0 {
		t.Error("nothing was evicted: the test is too small")
	}
	if n := count(full(t, core.Metrics(now))); n > seriesMax {
		t.Errorf("%d series, at most %d are promised", n, seriesMax)
	} else {
		t.Logf("%d series", n)
	}
}

// TestSeriesOfPolicies: what docs/scale.md says of policies with rows. A row too
// many adds nothing, also if it limits.
func TestSeriesOfPolicies(t *testing.T) {
	series := func(rows int) int {
		p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}}
		s := distinct()
		s.Limits = nil
		for i := range rows {
			name := fmt.Sprintf("row-%d", i)
			p.Peers = append(p.Peers, policy.Peer{Name: name})
			s.Limits = append(s.Limits, Limit{Peer: name, Direction: "in", Mode: "enforce", Refused: 1})
		}
		p.Compile()
		s.Snapshot = agent.New(agent.Config{Policy: p}).Metrics(event.At(time.Now()))
		page := gather(t, collectorOf(s))
		refused := 0.0
		for name, v := range values(page) {
			if strings.HasPrefix(name, "viaduct_limited_connects_total ") {
				refused += v
			}
		}
		if refused != float64(rows) {
			t.Errorf("%v connects are shown as limited of %d", refused, rows)
		}
		return count(page)
	}
	none := series(0)
	each := series(1) - none
	t.Logf("%d series without a row, %d for each", none, each)
	for _, rows := range []int{10, 50} {
		if got := series(rows); got != none+rows*each {
			t.Errorf("%d series with %d rows, want %d+%d*%d", got, rows, none, rows, each)
		}
	}
	if got := series(10_000); got != none+50*each {
		t.Errorf("%d series with 10000 rows, want those of 50", got)
	}
	page, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	says := regexp.MustCompile(`(\d+) series for each row`).FindSubmatch(page)
	if says == nil {
		t.Fatal("docs/scale.md does not say how many series a row has")
	}
	// Each new rule adds a few: the arithmetic stays right for a while.
	if n, err := strconv.Atoi(string(says[1])); err != nil || n < each*9/10 || n > each*11/10 {
		t.Errorf("docs/scale.md says %d series for each row, there are %d", n, each)
	}
}

// rubbish sends n events about nothing in particular, and returns when the last
// one was.
func rubbish(core *agent.Core, start event.Time, n int) (now event.Time) {
	const alphabet = "SIP/2.0 \r\n;=\x00\xff<>:"
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		payload := make([]byte, random.IntN(64))
		for j := range payload {
			payload[j] = alphabet[random.IntN(len(alphabet))]
		}
		e := event.Event{
			Kind: event.Kind(random.IntN(256)), Transport: event.Transport(1 + random.IntN(3)), Direction: event.Direction(1 + random.IntN(2)),
			Initiator: event.Side(random.IntN(3)), By: event.Side(random.IntN(3)), How: event.How(random.IntN(7)),
			MidLife: random.IntN(2) == 0, Failed: random.IntN(2) == 0, Lost: random.IntN(9) == 0,
			Time: start.Add(time.Duration(i) * time.Millisecond), Socket: random.Uint64N(30_000), OpenedAt: start,
			Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.Uint32())}), uint16(random.Uint32())),
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(random.Uint32())}), uint16(random.Uint32())),
			Owner:  event.Process{PID: random.Uint32(), Name: string(payload)},
			Seq:    random.Uint32N(1 << 16), Payload: payload, Length: len(payload) + random.IntN(2),
		}
		core.Handle(&e)
		if i%1000 == 0 {
			core.Tick(e.Time)
		}
		now = e.Time
	}
	return now
}

// BenchmarkScrape takes a page off a core with many open connections. During
// snapshot-ns the reader of events waits.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			now := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			core := agent.New(agent.Config{Started: now})
			open(core, n, now, func(int) string { return "OPTIONS" })
			var snapshot time.Duration
			r := NewRegistry(NewCollector(func() (Sample, error) {
				began := time.Now()
				s := Sample{Snapshot: core.Metrics(now)}
				snapshot += time.Since(began)
				return s, nil
			}, nil))
			for b.Loop() {
				if _, err := r.Gather(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(snapshot.Nanoseconds())/float64(b.N), "snapshot-ns/op")
			if m := core.Metrics(now); sum(m) != n {
				b.Fatalf("%d connections shown, %d are open", sum(m), n)
			}
		})
	}
}

// BenchmarkScrapeOfRows is for a policy with as many rows as have series of
// their own.
func BenchmarkScrapeOfRows(b *testing.B) {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}}
	for i := range 50 {
		p.Peers = append(p.Peers, policy.Peer{Name: fmt.Sprintf("row-%d", i)})
	}
	p.Compile()
	core := agent.New(agent.Config{Policy: p})
	r := NewRegistry(NewCollector(func() (Sample, error) { return Sample{Snapshot: core.Metrics(1)}, nil }, nil))
	for b.Loop() {
		if _, err := r.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

func sum(s metrics.Snapshot) (n int) {
	for _, classes := range s.Peers[0].Connections {
		for _, initiators := range classes {
			for _, open := range initiators {
				n += open
			}
		}
	}
	return n
}
