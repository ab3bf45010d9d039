// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/viaduct-project/viaduct/agent/metrics"
)

// both is a native histogram with classic buckets beside: each Prometheus
// takes what it can read. The library makes constant histograms of one kind
// only.
type both struct {
	prometheus.Metric // native
	classic           prometheus.Metric
}

// Write implements [prometheus.Metric].
func (b both) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := b.classic.Write(&classic); err != nil {
		return err
	}
	if err := b.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	out.Histogram.CreatedTimestamp = nil // peers come and go; nobody needs it
	return nil
}

// histogram sends one histogram.
func (f *family) histogram(ch chan<- prometheus.Metric, h *metrics.Histogram, labels ...string) {
	upTo, n := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		n += h.Counts[i]
		upTo[bound] = n
	}
	native := make(map[int]int64)
	for i, n := range h.Native.Counts {
		if n > 0 {
			native[h.Native.First+i] = int64(n)
		}
	}
	ch <- both{
		prometheus.MustNewConstNativeHistogram(f.desc, h.Count(), h.Sum, native, nil, h.Native.Zero,
			metrics.Schema, metrics.ZeroThreshold, time.Time{}, labels...),
		prometheus.MustNewConstHistogram(f.desc, h.Count(), h.Sum, upTo, labels...),
	}
}
