// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/viaduct-project/viaduct/agent"
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

// follow reads and counts until ctx is done, and logs nothing: who asked gets a
// report.
func (f *inForce) follow(ctx context.Context) error {
	silent := slog.New(slog.DiscardHandler)
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error { return f.watch.Run(ctx) })
	tasks.Go(func() error {
		f.recount(ctx, silent)
		return nil
	})
	return errors.Join(tasks.Wait(), f.tell(silent))
}

// recountEvery is how long a close that was missed holds its place.
const recountEvery = 15 * time.Second

// recount keeps the numbers of connections right until ctx is done, and tells
// who was refused meanwhile.
func (f *inForce) recount(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(recountEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := f.limiter.Recount(); err != nil {
				log.Warn("The limits' numbers of connections may be wrong", "err", err)
			}
			if err := f.tell(log); err != nil {
				log.Warn("What the limits have refused is not known", "err", err)
			}
		}
	}
}

// tell hands on, and logs, what the limits refused since it was told before.
func (f *inForce) tell(log *slog.Logger) error {
	refused, err := f.limiter.Refused()
	if err != nil || len(refused) == 0 {
		return err
	}
	all := make([]agent.Limited, 0, len(refused))
	for _, r := range refused {
		all = append(all, agent.Limited(r))
	}
	f.watch.Limited(all)
	logLimited(log, all)
	return nil
}

// logLimited writes a line for each row, direction and mode, which names the
// address that most was refused to, if that is known.
func logLimited(log *slog.Logger, all []agent.Limited) {
	type line struct {
		peer string
		out  bool
		mode policy.Mode
	}
	type told struct {
		connects uint64
		most     *agent.Limited
	}
	lines := make(map[line]*told)
	var order []line
	for i := range all {
		l := &all[i]
		at := line{l.Peer, l.Out, l.Mode}
		if lines[at] == nil {
			lines[at] = &told{most: l}
			order = append(order, at)
		}
		t := lines[at]
		t.connects += l.Count
		if l.Address.IsValid() && (!t.most.Address.IsValid() || l.Count > t.most.Count) {
			t.most = l
		}
	}
	for _, at := range order {
		t := lines[at]
		direction := "in"
		if at.out {
			direction = "out"
		}
		log.Warn("Limited connects", "action", t.most.Action(), "peer", at.peer, "direction", direction, "mode", at.mode, "outcome", t.most.Outcome(),
			"connects", t.connects, "most", t.most.Address, "reason", t.most.Reason)
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
	hooks, err := f.limiter.Hooks()
	if err != nil {
		return err
	}
	for _, h := range hooks { // what one of them missed another has seen: that is no loss
		s.Programs = append(s.Programs, exporter.Program{Name: h.Program, Attached: h.Attached, Runs: h.Runs, RunTime: h.RunTime})
	}
	entries, err := f.limiter.Entries()
	s.Tables = []exporter.Table{
		{Name: "limit_buckets", Entries: entries.Buckets},
		{Name: "limit_half_opens", Entries: entries.HalfOpens},
		{Name: "limit_sources", Entries: entries.Sources},
	}
	return err
}
