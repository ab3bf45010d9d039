// SPDX-License-Identifier: Apache-2.0

package act

import (
	"github.com/viaduct-project/viaduct/bpf/reach"
)

// Protect sets o on each of the sockets, and returns an outcome for each. All of
// them take one or two passes over the host's sockets and files: protect many
// at once. It changes no byte of what the processes see.
func (h *Hands) Protect(all []Target, o Options) []Outcome {
	want := o.kernel()
	return h.each(all, "protect",
		func(sockets []uint64) (map[uint64]reach.Set, error) { return h.reach.SetOptions(want, sockets...) },
		func(d *duplicate) error { return d.set(want) },
		func(t Target, m Means, have reach.Options) Outcome {
			if wrong := differs(want, have); wrong != "" {
				return failed(m, "protect %s: after setting, %s", t, wrong)
			}
			return done(m)
		})
}

// Check says of each socket whether it still is as Protect left it: done, or
// skipped as changed, with what the process has undone.
func (h *Hands) Check(all []Target, o Options) []Outcome {
	want := o.kernel()
	return h.each(all, "check",
		func(sockets []uint64) (map[uint64]reach.Set, error) { return h.reach.Options(sockets...) },
		func(*duplicate) error { return nil },
		func(t Target, m Means, have reach.Options) Outcome {
			if wrong := differs(want, have); wrong != "" {
				return skipped(m, Changed, "%s: %s", t, wrong)
			}
			return done(m)
		})
}

// each goes by iterator where that reaches, and by duplicate where it does not,
// or where the kernel is too old for the iterator's helpers.
func (h *Hands) each(all []Target, verb string, pass func([]uint64) (map[uint64]reach.Set, error),
	touch func(*duplicate) error, judge func(Target, Means, reach.Options) Outcome) []Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	outcomes := make([]Outcome, len(all))
	var near, rest []uint64
	for _, t := range all {
		if t.NetNS == h.netns || t.NetNS == 0 {
			near = append(near, t.Socket)
		}
	}
	set, err := pass(near)
	for i, t := range all {
		if s, ok := set[t.Socket]; ok && err == nil && s.Err == nil {
			outcomes[i] = judge(t, Iterator, s.Options)
		} else {
			rest = append(rest, t.Socket)
		}
	}
	if rest == nil {
		return outcomes
	}
	holders, err := h.reach.Holders(rest...)
	for i, t := range all {
		switch {
		case outcomes[i].Result != 0:
		case err != nil:
			outcomes[i] = failed(Setsockopt, "%s %s: %w", verb, t, err)
		default:
			outcomes[i] = h.byDuplicate(t, verb, holders[t.Socket], touch, judge)
		}
	}
	return outcomes
}

func (h *Hands) byDuplicate(t Target, verb string, holders []reach.Holder,
	touch func(*duplicate) error, judge func(Target, Means, reach.Options) Outcome) Outcome {
	d, out := h.take(t, Setsockopt, holders)
	if d == nil {
		return out
	}
	defer h.drop(d)
	if l, err := d.look(); err == nil && l.State == stateClose {
		return skipped(Setsockopt, Gone, "%s: it is closed", t)
	}
	if err := touch(d); err != nil {
		return failed(Setsockopt, "%s %s: %w", verb, t, err)
	}
	have, err := d.options()
	if err != nil {
		return failed(Setsockopt, "%s %s: %w", verb, t, err)
	}
	return judge(t, Setsockopt, have)
}
