// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// window is how many intervals the median is taken over. Up to that many it is
// exact to the millisecond; beyond, it is the median of the newest. Minimum and
// maximum are of all.
const window = 64

// intervals are the times between consecutive keep-alives of one side, those of
// both sides together. It grows with what it holds: a million idle connections
// have few.
type intervals struct {
	ms       []uint32 // ring of the newest
	at       uint8    // oldest entry once the ring is full
	min, max time.Duration
}

// Intervals describes the times between consecutive keep-alives of one side.
type Intervals struct{ Min, Median, Max time.Duration }

func (s *State) interval(side *Side, t event.Time) {
	last := side.Last
	side.Last = t
	if side.First == 0 {
		side.First = t
	}
	if last == 0 || t < last {
		return
	}
	d := t.Sub(last)
	side.Gap, side.Longest = d, max(side.Longest, d)
	if len(s.ms) == 0 || d < s.min {
		s.min = d
	}
	s.max = max(s.max, d)
	ms := uint32(min(d.Milliseconds(), 1<<32-1))
	if len(s.ms) < window {
		s.ms = append(s.ms, ms)
		return
	}
	s.ms[s.at] = ms
	s.at = (s.at + 1) % window
}

// Intervals returns ok == false if no side sent two keep-alives.
func (s *State) Intervals() (v Intervals, ok bool) {
	n := len(s.ms)
	if n == 0 {
		return v, false
	}
	sorted := slices.Clone(s.ms)
	slices.Sort(sorted)
	median := time.Duration(sorted[n/2]) * time.Millisecond
	if n%2 == 0 {
		median = (median + time.Duration(sorted[n/2-1])*time.Millisecond) / 2
	}
	return Intervals{Min: s.min, Median: median, Max: s.max}, true
}
