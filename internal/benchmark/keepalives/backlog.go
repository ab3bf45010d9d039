// SPDX-License-Identifier: Apache-2.0

package main

import "os"

// The kernel's timers of half a minute go off in steps, of two seconds where it
// counts 250 ticks a second, so its own keep-alives come by the thousand in one
// moment. Loopback drops what is above this number of packets.
const backlog = "/proc/sys/net/core/netdev_max_backlog"

// raiseBacklog makes room until restore is called.
func raiseBacklog() (restore func(), err error) {
	before, err := os.ReadFile(backlog)
	if err != nil {
		return nil, err
	}
	return func() { os.WriteFile(backlog, before, 0) }, os.WriteFile(backlog, []byte("200000"), 0)
}
