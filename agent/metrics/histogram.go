// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"math"
	"slices"
)

// Histogram has fixed buckets: Counts[i] are the values up to Bounds[i] that
// are above the bound before it, and the last entry those above all bounds; and
// it has exponential ones.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
	Native Native
}

// Native are buckets that grow by the eighth root of 2, so that a quantile is
// off by 4 % at most: Counts[i] are the values up to 2^((First+i)/8), above the
// bound before it. There are as many as the values spread over, and no more
// than 337, since a value beyond 2^25 (a year in seconds) counts as the largest.
type Native struct {
	First  int
	Counts []uint64
	Zero   uint64 // values up to ZeroThreshold
}

// Schema is what Prometheus calls the resolution of Native.
const Schema = 3

const (
	perOctave = 1 << Schema
	lowest    = -17 * perOctave // 8 microseconds
	highest   = 25 * perOctave
)

// octave are the bounds of the buckets up to 1/2, and of those from there to 1.
var octave = func() (bounds [perOctave]float64) {
	for i := range bounds {
		bounds[i] = math.Exp2(float64(i)/perOctave - 1)
	}
	return bounds
}()

// ZeroThreshold is the largest value that counts as zero.
var ZeroThreshold = math.Exp2(lowest / perOctave)

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

// Observe counts v, which is not negative.
func (h *Histogram) Observe(v float64) {
	i := 0
	for i < len(h.Bounds) && v > h.Bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += v
	h.Native.observe(v)
}

func (n *Native) observe(v float64) {
	if v <= ZeroThreshold {
		n.Zero++
		return
	}
	at := highest
	if fraction, exponent := math.Frexp(v); exponent <= highest/perOctave {
		i, _ := slices.BinarySearch(octave[:], fraction)
		at = i + (exponent-1)*perOctave
	}
	if len(n.Counts) == 0 {
		n.First = at
	}
	if at < n.First {
		n.Counts = append(make([]uint64, n.First-at), n.Counts...)
		n.First = at
	}
	for at-n.First >= len(n.Counts) {
		n.Counts = append(n.Counts, 0)
	}
	n.Counts[at-n.First]++
}

// Count is the number of values.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Lateness returns a histogram of how late something is done, in seconds.
func Lateness() Histogram {
	return newHistogram(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
}

// Clone returns a copy that shares nothing with h.
func (h Histogram) Clone() Histogram {
	h.clone()
	return h
}

func (h *Histogram) clone() {
	h.Counts, h.Native.Counts = slices.Clone(h.Counts), slices.Clone(h.Native.Counts)
}
