// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/viaduct-project/viaduct/agent/metrics"
)

// TestHistogram: the buckets, classic and native, are those that the
// Prometheus library makes of the same values.
func TestHistogram(t *testing.T) {
	peers := metrics.NewPeers(0)
	h := &peers.At(0).Handshake
	want := prometheus.NewHistogram(prometheus.HistogramOpts{
		Buckets: h.Bounds, NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: metrics.ZeroThreshold,
	})
	observe := func(v float64) {
		h.Observe(v)
		want.Observe(v)
	}
	compare := func(what string) {
		t.Helper()
		var g, w dto.Metric
		ch := make(chan prometheus.Metric, 1)
		handshake.histogram(ch, h, "other")
		if err := (<-ch).Write(&g); err != nil {
			t.Fatal(err)
		}
		if err := want.Write(&w); err != nil {
			t.Fatal(err)
		}
		got, as := g.Histogram, w.Histogram
		if got.GetSampleCount() != as.GetSampleCount() || math.Abs(got.GetSampleSum()-as.GetSampleSum()) > 1e-6*as.GetSampleSum() {
			t.Fatalf("%s: %d values of %v, want %d of %v", what, got.GetSampleCount(), got.GetSampleSum(), as.GetSampleCount(), as.GetSampleSum())
		}
		for i, b := range as.Bucket {
			if g := got.Bucket[i]; g.GetUpperBound() != b.GetUpperBound() || g.GetCumulativeCount() != b.GetCumulativeCount() {
				t.Fatalf("%s: %v, want %v", what, g, b)
			}
		}
		if got.GetSchema() != as.GetSchema() || got.GetZeroThreshold() != as.GetZeroThreshold() || got.GetZeroCount() != as.GetZeroCount() ||
			!reflect.DeepEqual(unrolled(got), unrolled(as)) {
			t.Fatalf("%s: native %v, want %v", what, got, as)
		}
	}
	compare("nothing")
	for _, v := range []float64{0, 1e-9, metrics.ZeroThreshold, math.Nextafter(metrics.ZeroThreshold, 1), 0.5, 1, 2, 1024, math.Nextafter(1, 2), math.Nextafter(1, 0)} {
		observe(v)
	}
	compare("edges")
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		observe(math.Exp(random.NormFloat64()*4 - 4))
	}
	compare("random values")

	// What cannot be, or takes a year, does not make a bucket of its own.
	before := len(h.Native.Counts)
	h.Observe(math.MaxFloat64)
	h.Observe(math.Inf(1))
	if n := len(h.Native.Counts); n > 337 || n < before {
		t.Errorf("%d native buckets", n)
	}
}

// unrolled are the counts by index of the bucket.
func unrolled(h *dto.Histogram) map[int32]int64 {
	all := make(map[int32]int64)
	at, i, n := int32(0), 0, int64(0)
	for _, span := range h.PositiveSpan {
		at += span.GetOffset()
		for range span.GetLength() {
			if n += h.PositiveDelta[i]; n != 0 {
				all[at] = n
			}
			at, i = at+1, i+1
		}
	}
	return all
}
