// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"math"
	"time"
)

// Pace sums up times between keep-alives, whoever chooses which. The zero
// value is ready.
type Pace struct {
	N        int
	Min, Max time.Duration
	mean, m2 float64 // seconds; the sum of squares is about the mean
}

// Add takes one more interval in.
func (p *Pace) Add(d time.Duration) {
	if p.N == 0 || d < p.Min {
		p.Min = d
	}
	p.Max = max(p.Max, d)
	p.N++
	// Welford's way loses no digits to the difference of large sums.
	delta := d.Seconds() - p.mean
	p.mean += delta / float64(p.N)
	p.m2 += delta * (d.Seconds() - p.mean)
}

// Mean is 0 if there is no interval.
func (p *Pace) Mean() time.Duration { return seconds(p.mean) }

// Deviation is the standard deviation, 0 below two intervals.
func (p *Pace) Deviation() time.Duration {
	if p.N < 2 {
		return 0
	}
	return seconds(math.Sqrt(p.m2 / float64(p.N)))
}

// Even says that the intervals hardly differ: there are many, and they deviate
// by less than one part in a hundred of the time given. Spread evenly over the
// upper fifth of it, as RFC 5626 asks, they deviate by nearly six.
func (p *Pace) Even(of time.Duration) bool {
	const many = 10
	return p.N >= many && p.Deviation() < of/100
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
