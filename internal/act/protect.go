// SPDX-License-Identifier: Apache-2.0

package act

import (
	"maps"
	"slices"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// Protection is what to set on a socket.
type Protection struct {
	Target
	Options
}

// Protect sets options on each of the sockets, and returns an outcome for each. All of
// them take one or two passes over the host's sockets and files: protect many
// at once. It changes no byte of what the processes see.
func (h *Hands) Protect(all []Protection) []Outcome {
	return h.each(all, "protect",
		func(want map[uint64]reach.Options) (map[uint64]reach.Set, error) { return h.reach.SetOptions(want) },
		func(d *duplicate, want reach.Options) error { return d.set(want) },
		func(t Target, m Means, want, have reach.Options) Outcome {
			if wrong := differs(want, have); wrong != "" {
				return failed(m, "protect %s: after setting, %s", t, wrong)
			}
			return done(m)
		})
}

// Check says of each socket whether it still is as Protect left it: done, or
// skipped as changed, with what the process has undone.
func (h *Hands) Check(all []Protection) []Outcome {
	return h.each(all, "check",
		func(want map[uint64]reach.Options) (map[uint64]reach.Set, error) {
			return h.reach.Options(slices.Collect(maps.Keys(want))...)
		},
		func(*duplicate, reach.Options) error { return nil },
		func(t Target, m Means, want, have reach.Options) Outcome {
			if wrong := differs(want, have); wrong != "" {
				return skipped(m, Changed, "%s: %s", t, wrong)
			}
			return done(m)
		})
}

// each goes by iterator where that reaches, and by duplicate where it does not,
// or where the kernel is too old for the iterator's helpers.
func (h *Hands) each(all []Protection, verb string, pass func(map[uint64]reach.Options) (map[uint64]reach.Set, error),
	touch func(*duplicate, reach.Options) error, judge func(t Target, m Means, want, have reach.Options) Outcome) []Outcome {
	if len(all) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	outcomes := make([]Outcome, len(all))
	near := make(map[uint64]reach.Options)
	var rest []uint64
	for _, p := range all {
		if p.NetNS == h.netns || p.NetNS == 0 {
			near[p.Socket] = p.kernel()
		}
	}
	set, err := pass(near)
	for i, p := range all {
		if s, ok := set[p.Socket]; ok && err == nil && s.Err == nil {
			outcomes[i] = judge(p.Target, Iterator, p.kernel(), s.Options)
		} else {
			rest = append(rest, p.Socket)
		}
	}
	if rest == nil {
		return outcomes
	}
	holders, err := h.reach.Holders(rest...)
	for i, p := range all {
		switch {
		case outcomes[i].Result != 0:
		case err != nil:
			outcomes[i] = failed(Setsockopt, "%s %s: %w", verb, p.Target, err)
		default:
			outcomes[i] = h.byDuplicate(&p, verb, holders[p.Socket], touch, judge)
		}
	}
	return outcomes
}

func (h *Hands) byDuplicate(p *Protection, verb string, holders []reach.Holder,
	touch func(*duplicate, reach.Options) error, judge func(t Target, m Means, want, have reach.Options) Outcome) Outcome {
	t, want := p.Target, p.kernel()
	d, out := h.take(t, Setsockopt, holders)
	if d == nil {
		return out
	}
	defer h.drop(d)
	if l, err := d.look(); err == nil && l.State == stateClose {
		return skipped(Setsockopt, Gone, "%s: it is closed", t)
	}
	if err := touch(d, want); err != nil {
		return failed(Setsockopt, "%s %s: %w", verb, t, err)
	}
	have, err := d.options()
	if err != nil {
		return failed(Setsockopt, "%s %s: %w", verb, t, err)
	}
	return judge(t, Setsockopt, want, have)
}
