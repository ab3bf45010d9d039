// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatch: what comes while options are being set, and for a while after, is
// set together; nothing is left out.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		var b batch
		var sizes []int
		var starts []time.Duration
		began := time.Now()
		go b.run(ctx, func(_ *protector, all []wanted) {
			starts = append(starts, time.Since(began))
			sizes = append(sizes, len(all))
			time.Sleep(100 * time.Millisecond) // as a pass over many sockets does
		})
		b.add(make([]wanted, 3))
		synctest.Wait()
		for range 10 {
			b.add(make([]wanted, 2))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(sizes) != 2 || sizes[0] != 3 || sizes[1] != 20 {
			t.Fatalf("batches of %v", sizes)
		}
		if starts[0] != 0 || starts[1] != 100*time.Millisecond+passShare*100*time.Millisecond {
			t.Errorf("set after %v", starts)
		}
	})
}
