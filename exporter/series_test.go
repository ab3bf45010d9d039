// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"os"
	"regexp"
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
	const process = 50 // at most, of the Go runtime and the process
	if most := none + 50*each + process; most > 51_000 || !strings.Contains(string(page), "whatever the traffic and the policy | 51,000 |") {
		t.Errorf("%d series at most, or docs/scale.md does not say 51,000", most)
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

// TestReload: the peers of a policy are there at zero as soon as it is in force,
// and those of the one before stay.
func TestReload(t *testing.T) {
	start := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	named := func(name string) *policy.Policy {
		p := &policy.Policy{Peers: []policy.Peer{{Name: name}}, Fallback: policy.Peer{Name: policy.Other}}
		p.Compile()
		return p
	}
	core := agent.New(agent.Config{Started: start, Policy: named("old")})
	open(core, 3, start, func(int) string { return "OPTIONS" })
	opened := func(peer string) (float64, bool) {
		v, there := shown(t, core, start)["viaduct_connections_opened_total initiator=remote peer="+peer+" transport=tcp"]
		return v, there
	}
	if n, _ := opened("old"); n != 3 {
		t.Fatalf("%v connections of old", n)
	}
	core.SetPolicy(named("new"))
	old, stays := opened("old")
	if fresh, there := opened("new"); old != 3 || !stays || fresh != 0 || !there {
		t.Errorf("old %v %t, new %v %t", old, stays, fresh, there)
	}
	all := shown(t, core, start)
	if now := all["viaduct_connections class=unidirectional-ephemeral initiator=remote peer=new transport=tcp"]; now != 3 {
		t.Errorf("%v open connections of new, want the 3 that were of old", now)
	}
	counts := func(peer string) (n int) {
		for name := range all {
			if strings.Contains(name, " peer="+peer) {
				n++
			}
		}
		return n
	}
	if a, b, c := counts("old"), counts("new"), counts("other"); a != b || b != c || a < 500 {
		t.Errorf("%d series of old, %d of new, %d of other", a, b, c)
	}
}
