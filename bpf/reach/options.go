// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Options of a socket's keep-alive, in the units of tcp(7). To set: a 0 leaves
// what is there.
type Options struct {
	Keepalive   bool
	Idle        uint32 // seconds
	Interval    uint32 // seconds
	Probes      uint32
	UserTimeout uint32 // milliseconds
}

// Set is what a pass came upon: the options as they are now, or the error of
// setting or reading them.
type Set struct {
	Options
	Err error
}

// SetOptions switches the keep-alive of these sockets on, as in o, and returns
// how they are then. One that is not in this network namespace is missing.
func (r *Reach) SetOptions(o Options, sockets ...uint64) (map[uint64]Set, error) {
	return r.options(programsOptions{
		Keepalive: 1, IdleS: o.Idle, IntervalS: o.Interval, Probes: o.Probes, UserTimeoutMs: o.UserTimeout,
	}, sockets)
}

// Options returns how these sockets are. One that is not in this network
// namespace is missing.
func (r *Reach) Options(sockets ...uint64) (map[uint64]Set, error) {
	return r.options(programsOptions{}, sockets)
}

func (r *Reach) options(wanted programsOptions, sockets []uint64) (map[uint64]Set, error) {
	if err := r.objects.Variables[programsVarWanted].Set(wanted); err != nil {
		return nil, fmt.Errorf("say which options to set: %w", err)
	}
	all := make(map[uint64]Set, len(sockets))
	for some := range slices.Chunk(sockets, targetsMax) {
		found, err := about[programsOptions](r, programsProgSocketOptions, some)
		if err != nil {
			return nil, fmt.Errorf("pass over the options of %d sockets: %w", len(some), err)
		}
		for _, f := range found {
			set := Set{Options: Options{
				Keepalive: f.Keepalive != 0, Idle: f.IdleS, Interval: f.IntervalS, Probes: f.Probes, UserTimeout: f.UserTimeoutMs,
			}}
			if f.Result != 0 {
				set.Err = fmt.Errorf("options of socket %d: %w", f.Cookie, unix.Errno(-f.Result))
			}
			all[f.Cookie] = set
		}
	}
	return all, nil
}
