// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

// judged are rules, for the tests.
var judged = []metrics.Kind{
	{Rule: &rule.Rule{ID: "KEEP-04"}, Severity: rule.Violation, Party: event.Remote},
	{Rule: &rule.Rule{ID: "TP-01"}, Severity: rule.Advice, Party: event.Local},
	{Rule: &rule.Rule{ID: "KEEP-05"}, Severity: rule.Info, Party: event.Unknown},
}

// zero is what an agent shows that has seen nothing, with one peer in its
// policy.
func zero() Sample {
	peers := metrics.NewPeers(1)
	peers.Use([]string{"carrier"})
	snapshot := metrics.Snapshot{}
	snapshot.Peers, _ = peers.Snapshot()
	for _, k := range judged {
		snapshot.Judged = append(snapshot.Judged, k.Finding())
	}
	return Sample{
		Snapshot:  snapshot,
		Limits:    []Limit{{Peer: "other", Direction: "in", Mode: "dry-run"}, {Peer: "other", Direction: "out", Mode: "enforce"}},
		Unlimited: map[string]uint64{"no_room": 0, "no_storage": 0, "no_bucket": 0, "unreadable": 0, "sideless": 0},
		Programs:  []Program{{Name: "tcp_state"}, {Name: "packet_in"}, {Name: "packet_out"}},
	}
}

// distinct is a sample in which every figure is another number, so that two of
// them mixed up show.
func distinct() Sample {
	s := zero()
	s.Judged = nil // are zeroes
	number(reflect.ValueOf(&s).Elem(), "")
	s.Judged = zero().Judged
	for i := range s.Peers {
		for j, k := range judged {
			s.Peers[i].Findings[k] = uint64(1000*i + j + 1)
		}
	}
	for i := range s.Programs {
		s.Programs[i].Attached = i != 1
		s.Programs[i].RunTime = time.Duration(s.Programs[i].RunTime) * time.Millisecond
	}
	return s
}

// number sets each figure in v to one made from its path, so that a new figure
// leaves the others as they were.
func number(v reflect.Value, path string) {
	hash := fnv.New64a()
	hash.Write([]byte(path))
	n := 1 + hash.Sum64()%999_983 // few enough digits to be printed in full
	if h, ok := v.Addr().Interface().(*metrics.Histogram); ok {
		number(reflect.ValueOf(&h.Counts).Elem(), path)
		h.Sum, h.Native = float64(n), metrics.Native{First: 8, Counts: []uint64{h.Count()}}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			number(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint64:
		v.SetUint(n)
	case reflect.Float64:
		v.SetFloat(float64(n))
	}
}

func collectorOf(s Sample) *Collector {
	return NewCollector(func() (Sample, error) { return s, nil }, map[string]bool{"jit": true, "tls": false})
}

func gather(t testing.TB, c prometheus.Collector) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPage compares the whole page. Inside of the bubble no time passes, so
// that viaduct_snapshot_seconds is 0.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var page bytes.Buffer
		for _, f := range gather(t, collectorOf(distinct())) {
			if _, err := expfmt.MetricFamilyToText(&page, f); err != nil {
				t.Fatal(err)
			}
		}
		got := page.Bytes()
		const golden = "testdata/page.txt"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the page differs from %s at %q; if that is meant, run go test -update", golden, firstDifference(got, want))
		}
	})
}

func firstDifference(got, want []byte) string {
	old := make(map[string]bool)
	for line := range strings.Lines(string(want)) {
		old[line] = true
	}
	for line := range strings.Lines(string(got)) {
		if !old[line] {
			return line
		}
	}
	return "a line that is missing"
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(NewRegistry(collectorOf(distinct())))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "viaduct_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// values returns the value of every series, by its name and labels. A
// histogram's is how much it has counted.
func values(all []*dto.MetricFamily) map[string]float64 {
	series := make(map[string]float64)
	for _, f := range all {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			series[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return series
}

func TestEverySeriesIsThereAtZero(t *testing.T) {
	at0, full := values(gather(t, collectorOf(zero()))), values(gather(t, collectorOf(distinct())))
	known := 0
	for name, v := range at0 {
		switch {
		case name == "viaduct_snapshot_seconds", name == "viaduct_feature_available feature=jit":
		case v != 0:
			t.Errorf("%s is %v in a sample of zeroes", name, v)
		}
	}
	for name, v := range full {
		if strings.HasPrefix(name, "viaduct_bpf_program_run") {
			known++ // absent while the kernel does not count
			continue
		}
		if _, ok := at0[name]; !ok {
			t.Errorf("%s is missing in a sample of zeroes", name)
		}
		if strings.HasPrefix(name, "viaduct_events_lost_total") && v == 0 {
			t.Errorf("%s is 0 in a sample without zeroes", name)
		}
	}
	if known != 2*len(zero().Programs) || len(at0)+known != len(full) {
		t.Errorf("%d series at zero and %d run statistics; a full sample has %d", len(at0), known, len(full))
	}
}

// Each figure of a sample is on the page: a field that is new in the core must
// not be forgotten here.
func TestNothingIsForgotten(t *testing.T) {
	s := distinct()
	shown := make(map[float64]bool)
	for name, v := range values(gather(t, collectorOf(s))) {
		for _, family := range []string{"events_lost_total", "bytes_lost_total", "missed_closes_total", "state_", "held_bytes"} {
			if strings.HasPrefix(name, "viaduct_"+family) {
				shown[v] = true
			}
		}
	}
	for name, v := range map[string]any{"Lost": s.Lost, "Sizes": s.Sizes, "Evicted": s.Evicted, "Kernel": s.Kernel} {
		fields := reflect.ValueOf(v)
		for i := range fields.NumField() {
			field := fields.Type().Field(i).Name
			switch name + "." + field {
			case "Lost.Evicted": // the sum of Evicted
				continue
			case "Lost.CaptureDropped", "Lost.Unreadable", "Lost.Fragments": // of capture files, which an agent does not read
				continue
			}
			n := fields.Field(i)
			if got := n.Convert(reflect.TypeFor[float64]()).Float(); !shown[got] {
				t.Errorf("%s.%s is not on the page", name, field)
			}
		}
	}
	if !shown[float64(s.Missed)] {
		t.Error("Missed is not on the page")
	}
}

func TestNames(t *testing.T) {
	for _, names := range [][]string{transportNames[1:], sideNames[:], directionNames[1:], typeNames[:], howNames[:], kindNames[1:]} {
		sorted := slices.Sorted(slices.Values(names))
		if sorted[0] == "" || len(slices.Compact(sorted)) != len(names) {
			t.Errorf("a name is empty or used twice: %q", names)
		}
	}
}
