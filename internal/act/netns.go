// SPDX-License-Identifier: Apache-2.0

package act

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// within calls f on a thread that is in the network namespace ns, a descriptor.
// A thread that does not come back from there ends.
func within(ns int, f func()) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		back, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("open this thread's network namespace: %w", err)
			return
		}
		defer unix.Close(back)
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("enter it: %w", err)
			return
		}
		f()
		if unix.Setns(back, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- nil
	}()
	return <-result
}
