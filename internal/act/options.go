// SPDX-License-Identifier: Apache-2.0

package act

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// Options protect a connection: TCP probes a silent peer, and gives up on one
// that does not answer. A zero leaves what the process has set. Durations are
// rounded up to what the kernel counts in: seconds, and for UserTimeout
// milliseconds.
type Options struct {
	KeepaliveIdle time.Duration // TCP_KEEPIDLE
	Interval      time.Duration // TCP_KEEPINTVL
	Probes        int           // TCP_KEEPCNT
	UserTimeout   time.Duration // TCP_USER_TIMEOUT
}

func (o Options) kernel() reach.Options {
	up := func(d, unit time.Duration) uint32 { return uint32((d + unit - 1) / unit) }
	return reach.Options{
		Keepalive: true, Idle: up(o.KeepaliveIdle, time.Second), Interval: up(o.Interval, time.Second),
		Probes: uint32(o.Probes), UserTimeout: up(o.UserTimeout, time.Millisecond),
	}
}

// differs says what of have is not as wanted, "" if nothing.
func differs(want, have reach.Options) string {
	var all []string
	if !have.Keepalive {
		all = append(all, "SO_KEEPALIVE is off")
	}
	for _, o := range numbers {
		if w, h := *o.of(&want), *o.of(&have); w != 0 && h != w {
			all = append(all, fmt.Sprintf("%s is %d, not %d", o.name, h, w))
		}
	}
	return strings.Join(all, ", ")
}

var numbers = []struct {
	name   string
	option int
	of     func(*reach.Options) *uint32
}{
	{"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, func(o *reach.Options) *uint32 { return &o.Idle }},
	{"TCP_KEEPINTVL", unix.TCP_KEEPINTVL, func(o *reach.Options) *uint32 { return &o.Interval }},
	{"TCP_KEEPCNT", unix.TCP_KEEPCNT, func(o *reach.Options) *uint32 { return &o.Probes }},
	{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, func(o *reach.Options) *uint32 { return &o.UserTimeout }},
}

// set switches the keep-alive on last: its timer starts with the times set before.
func (d *duplicate) set(o reach.Options) error {
	for _, n := range numbers {
		if value := *n.of(&o); value != 0 {
			if err := unix.SetsockoptInt(d.fd, unix.IPPROTO_TCP, n.option, int(value)); err != nil {
				return fmt.Errorf("set %s to %d: %w", n.name, value, err)
			}
		}
	}
	if err := unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return fmt.Errorf("set SO_KEEPALIVE: %w", err)
	}
	return nil
}

func (d *duplicate) options() (reach.Options, error) {
	var o reach.Options
	on, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	if err != nil {
		return o, fmt.Errorf("read SO_KEEPALIVE: %w", err)
	}
	o.Keepalive = on != 0
	for _, n := range numbers {
		value, err := unix.GetsockoptInt(d.fd, unix.IPPROTO_TCP, n.option)
		if err != nil {
			return o, fmt.Errorf("read %s: %w", n.name, err)
		}
		*n.of(&o) = uint32(value)
	}
	return o, nil
}
