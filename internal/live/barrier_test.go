// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"testing"
	"testing/synctest"
)

// A read that was under way when the wait began may have passed the record over.
func TestBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b barrier
		b.begin()
		passed := make(chan error, 1)
		go func() { passed <- b.wait() }()
		synctest.Wait()
		b.emptied()
		synctest.Wait()
		if len(passed) != 0 {
			t.Fatal("passed by a read that had begun before")
		}
		b.begin()
		synctest.Wait()
		if len(passed) != 0 {
			t.Fatal("passed by a read that is not over")
		}
		b.emptied()
		if err := <-passed; err != nil {
			t.Fatal(err)
		}
		go func() { passed <- b.wait() }()
		synctest.Wait()
		b.begin()
		go func() { passed <- b.wait() }()
		synctest.Wait()
		b.end() // in the middle of a read
		for range 2 {
			if err := <-passed; !errors.Is(err, errNotReading) {
				t.Errorf("at the end: %v", err)
			}
		}
		if err := b.wait(); !errors.Is(err, errNotReading) {
			t.Errorf("after the end: %v", err)
		}
	})
}
