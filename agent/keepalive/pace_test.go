// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name                 string
		gaps                 []time.Duration
		mean, dev, low, high time.Duration
		even                 bool
	}{
		{"nothing", nil, 0, 0, 0, 0, false},
		{"one", []time.Duration{30 * s}, 30 * s, 0, 30 * s, 30 * s, false},
		{"two", []time.Duration{20 * s, 40 * s}, 30 * s, 10 * s, 20 * s, 40 * s, false},
		{"nine of one length are few", repeat(9, 30*s), 30 * s, 0, 30 * s, 30 * s, false},
		{"ten of one length", repeat(10, 30*s), 30 * s, 0, 30 * s, 30 * s, true},
		{"spread", append(repeat(10, 24*s), repeat(10, 30*s)...), 27 * s, 3 * s, 24 * s, 30 * s, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p Pace
			for _, g := range tt.gaps {
				p.Add(g)
			}
			near := func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }
			if p.N != len(tt.gaps) || !near(p.Mean(), tt.mean) || !near(p.Deviation(), tt.dev) || p.Min != tt.low || p.Max != tt.high || p.Even(tt.mean) != tt.even {
				t.Errorf("%d: mean %v, deviation %v, %v to %v, even %t", p.N, p.Mean(), p.Deviation(), p.Min, p.Max, p.Even(tt.mean))
			}
		})
	}
}
