// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/live"
)

// inForce is the policy that an agent follows, and what follows it.
type inForce struct {
	policy  *policy.Policy
	watch   *live.Watch
	limiter *limit.Limiter
}

// use puts a policy in force, once there is something to put it in force with.
func (f *inForce) use(p *policy.Policy) error {
	if f.watch != nil {
		if err := f.limiter.Update(p); err != nil {
			return err
		}
		f.watch.SetPolicy(p)
	}
	f.policy = p
	return nil
}

// start begins to follow the policy. The caller closes what it is given to.
func (f *inForce) start(w *live.Watch) (err error) {
	if f.limiter, err = limit.Start(f.policy, limit.Options{}); err != nil {
		return err
	}
	f.watch = w
	return nil
}

// recountEvery is how long a close that was missed holds its place.
const recountEvery = 15 * time.Second

// recount keeps the numbers of connections right until ctx is done, and logs
// who was refused meanwhile.
func (f *inForce) recount(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(recountEvery)
	defer ticker.Stop()
	logged := make(map[limit.Count]uint64)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := f.limiter.Recount(); err != nil {
				log.Warn("The limits' numbers of connections may be wrong", "err", err)
			}
			counts, err := f.limiter.Counters()
			if err != nil {
				log.Warn("What the limits have refused is not known", "err", err)
			}
			logRefused(log, counts, logged)
		}
	}
}

// sample adds what the limits have done.
func (f *inForce) sample(s *exporter.Sample) error {
	counts, err := f.limiter.Counters()
	if err != nil {
		return err
	}
	for _, c := range counts {
		s.Limits = append(s.Limits, exporter.Limit{Peer: c.Peer, Direction: c.Direction, Mode: c.Mode.String(), Refused: c.Refused})
	}
	lost, err := f.limiter.Losses()
	if err != nil {
		return err
	}
	s.Unlimited = map[string]uint64{
		"no_room": lost.NoRoom, "no_storage": lost.NoStorage, "no_bucket": lost.NoBucket,
		"unreadable": lost.Unreadable, "sideless": lost.Sideless,
	}
	return nil
}

// logRefused writes a line for each limit that has refused since it did so
// before; logged is by everything but the number.
func logRefused(log *slog.Logger, counts []limit.Count, logged map[limit.Count]uint64) {
	for _, c := range counts {
		n := c.Refused
		c.Refused = 0
		if more := n - logged[c]; more > 0 {
			log.Warn("Limited connects", "peer", c.Peer, "direction", c.Direction, "mode", c.Mode, "connects", more)
			logged[c] = n
		}
	}
}
