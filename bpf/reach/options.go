// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"errors"
	"fmt"
	"maps"
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

// SetOptions switches the keep-alive of these sockets on, each as wanted, and
// returns how they are then. One that is not in this network namespace is missing.
func (r *Reach) SetOptions(wanted map[uint64]Options) (map[uint64]Set, error) {
	wishes := make(map[uint64]programsWish, len(wanted))
	for socket, o := range wanted {
		wishes[socket] = programsWish{Keepalive: 1, IdleS: o.Idle, IntervalS: o.Interval, Probes: o.Probes, UserTimeoutMs: o.UserTimeout}
	}
	return r.options(wishes)
}

// Options returns how these sockets are. One that is not in this network
// namespace is missing.
func (r *Reach) Options(sockets ...uint64) (map[uint64]Set, error) {
	wishes := make(map[uint64]programsWish, len(sockets))
	for _, socket := range sockets {
		wishes[socket] = programsWish{}
	}
	return r.options(wishes)
}

func (r *Reach) options(wishes map[uint64]programsWish) (map[uint64]Set, error) {
	all := make(map[uint64]Set, len(wishes))
	for some := range slices.Chunk(slices.Collect(maps.Keys(wishes)), targetsMax) {
		found, err := r.optionsOf(some, wishes)
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

func (r *Reach) optionsOf(sockets []uint64, wishes map[uint64]programsWish) ([]programsOptions, error) {
	clear, err := aim(r.objects.Maps[programsMapWishes], sockets, func(socket uint64) programsWish { return wishes[socket] })
	if err != nil {
		return nil, err
	}
	found, err := pass[programsOptions](r.objects.Programs[programsProgSocketOptions])
	return found, errors.Join(err, clear())
}
