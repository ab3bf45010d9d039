// SPDX-License-Identifier: Apache-2.0

package limittest

import (
	"math"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// bucket runs the program. It begins as the limiter's do: with the first connect.
type bucket struct {
	t       *testing.T
	objects bucketObjects
	now     time.Duration
}

func newBucket(t *testing.T, interval time.Duration, burst int) *bucket {
	t.Helper()
	testutil.RequireRoot(t)
	b := &bucket{t: t, now: time.Hour}
	if err := loadBucketObjects(&b.objects, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.objects.Close() })
	b.set(b.objects.IntervalNs, interval)
	b.set(b.objects.ToleranceNs, interval*time.Duration(burst-1))
	return b
}

func (b *bucket) set(v *ebpf.Variable, d time.Duration) {
	b.t.Helper()
	if err := v.Set(uint64(d)); err != nil {
		b.t.Fatal(err)
	}
}

var packet = make([]byte, 64)

// connect says whether one more passes at b.now.
func (b *bucket) connect() bool {
	b.t.Helper()
	b.set(b.objects.NowNs, b.now)
	got, err := b.objects.Take.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		b.t.Fatal(err)
	}
	return got == 1
}

// burst is how many pass at once.
func (b *bucket) burst() int {
	for n := 0; ; n++ {
		if !b.connect() {
			return n
		}
	}
}

func TestBurstAndRefill(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		burst    int
		waits    []time.Duration // before each attempt to take all there is
		want     []int
	}{
		{"one at a time", 100 * time.Millisecond, 1,
			[]time.Duration{0, 99 * time.Millisecond, time.Millisecond, time.Hour}, []int{1, 0, 1, 1}},
		{"a full burst, then at the rate", 100 * time.Millisecond, 20,
			[]time.Duration{0, 0, 100 * time.Millisecond, 350 * time.Millisecond, 50 * time.Millisecond}, []int{20, 0, 1, 3, 1}},
		{"never more than the burst", 200 * time.Millisecond, 5,
			[]time.Duration{0, time.Hour, 999 * time.Millisecond, time.Millisecond}, []int{5, 5, 4, 1}},
		{"once an hour", time.Hour, 2,
			[]time.Duration{0, 59 * time.Minute, time.Minute}, []int{2, 0, 1}},
		{"a million a second", time.Microsecond, 10,
			[]time.Duration{0, 5 * time.Microsecond}, []int{10, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBucket(t, c.interval, c.burst)
			for i, wait := range c.waits {
				b.now += wait
				if got := b.burst(); got != c.want[i] {
					t.Errorf("after %v: %d pass, want %d", wait, got, c.want[i])
				}
			}
		})
	}
}

// Whoever asks ten times as often as allowed gets what is allowed, and whoever
// asks less often gets it all.
func TestRate(t *testing.T) {
	const seconds = 60
	for _, c := range []struct{ asked, want float64 }{{200, 20}, {21, 20}, {20, 20}, {19, 19}, {2, 2}} {
		b := newBucket(t, time.Second/20, 5)
		passed := 0
		for range int(c.asked * seconds) {
			if b.connect() {
				passed++
			}
			b.now += time.Duration(float64(time.Second) / c.asked)
		}
		if got := float64(passed) / seconds; math.Abs(got-c.want) > 0.1 {
			t.Errorf("asked %v times a second: %.2f passed, want %v", c.asked, got, c.want)
		}
	}
}
