// SPDX-License-Identifier: Apache-2.0

// Package limit holds sources of connections to the limits of a policy: new
// connections a second, and connections at a time, of one remote address within
// a row. It works out which row comes first for which network and port, hands
// that to the programs of package bpf, and names what they count.
//
// In and out are limited apart from each other: of what arrives, the address
// that calls; of what this host opens, the address that is called.
package limit

import (
	"errors"
	"fmt"
	"sync"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
)

// Count is what one row's limits have done since [Start].
type Count struct {
	Peer      string
	Direction string // in or out
	Mode      policy.Mode
	Refused   uint64 // connections, or in a dry run those that would have been
}

// Limiter keeps the limits of a policy in force. It is safe for concurrent use.
type Limiter struct {
	mu     sync.Mutex
	cgroup string
	loaded *bpf.Limiter // nil while the policy limits nothing
	rows   []series     // of the loaded tables
	ids    identities
	before map[series]bpf.Refusals // of earlier tables
	order  []series                // all that ever were, as they came
	limits []bpf.LimitRow          // of the loaded tables
	ledger ledger                  // of the loaded tables
	untold []Refused
	late   error // for the next recount
}

type series struct {
	peer string
	mode policy.Mode
}

// Options say where to limit.
type Options struct {
	Cgroup string // of the cgroup v2 hierarchy; default: its root, the whole host
}

// Start limits as p says; if p limits nothing, nothing is loaded. Errors about
// the host are those of package bpf. A policy with problems that are no warnings
// is refused.
func Start(p *policy.Policy, o Options) (*Limiter, error) {
	l := &Limiter{cgroup: o.Cgroup, ids: make(identities), before: make(map[series]bpf.Refusals)}
	err := l.Update(p)
	if err == nil {
		err = l.late
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Update changes to the limits of another policy. What is known of sources and
// open connections stays. After an error the limits are as they were. What goes
// wrong once the new limits are in force is told by the next [Limiter.Recount].
func (l *Limiter) Update(p *policy.Policy) error {
	t, problems := Compile(p)
	if err := severe(problems); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.ids.assign(&t)
	switch {
	case !t.Any() && l.loaded == nil:
		return nil
	case !t.Any():
		return l.unload()
	case l.loaded == nil:
		loaded, err := bpf.LoadLimiter(l.cgroup, &t.LimitTables)
		if err != nil {
			return err
		}
		l.loaded = loaded
	default:
		last, err := l.loaded.Replace(&t.LimitTables)
		if last.Rows == nil {
			return err
		}
		l.remember(last)
		l.late = err
	}
	l.ids = ids
	l.rows, l.limits, l.ledger = l.rows[:0], t.Rows, newLedger()
	for i, peer := range t.Peers {
		mode := policy.DryRun
		if t.Rows[i].Enforce {
			mode = policy.Enforce
		}
		l.rows = append(l.rows, series{peer, mode})
	}
	l.know()
	l.late = errors.Join(l.late, l.loaded.Recount())
	return nil
}

func severe(problems []Problem) error {
	var all []error
	for _, p := range problems {
		if !p.Warn {
			all = append(all, p)
		}
	}
	return errors.Join(all...)
}

func (l *Limiter) unload() error {
	last, err := l.loaded.Refused()
	if err != nil {
		return err
	}
	l.remember(last)
	err = l.loaded.Close()
	l.loaded, l.rows, l.limits, l.ids = nil, nil, nil, make(identities)
	return err
}

func (l *Limiter) remember(last bpf.Refused) {
	l.tell(last)
	for i, s := range l.rows {
		r := l.before[s]
		r.In += last.Rows[i].In
		r.Out += last.Rows[i].Out
		l.before[s] = r
	}
}

func (l *Limiter) know() {
	for _, s := range l.rows {
		if _, known := l.before[s]; !known {
			l.before[s] = bpf.Refusals{}
			l.order = append(l.order, s)
		}
	}
}

// Counters returns what every row has done that ever limited, in a fixed order.
// They never go down.
func (l *Limiter) Counters() ([]Count, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := make(map[series]bpf.Refusals)
	if l.loaded != nil {
		current, err := l.loaded.Refusals()
		if err != nil {
			return nil, err
		}
		for i, s := range l.rows {
			now[s] = current[i]
		}
	}
	var all []Count
	for _, s := range l.order {
		all = append(all,
			Count{s.peer, "in", s.mode, l.before[s].In + now[s].In},
			Count{s.peer, "out", s.mode, l.before[s].Out + now[s].Out})
	}
	return all, nil
}

// Recount compares the numbers of connections with the sockets of the host. Call
// it every few seconds: it is what makes a missed close harmless.
func (l *Limiter) Recount() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return nil
	}
	late := l.late
	l.late = nil
	return errors.Join(late, l.loaded.Recount())
}

// Close takes the limits away. It is safe to call twice.
func (l *Limiter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return nil
	}
	if err := l.unload(); err != nil {
		return fmt.Errorf("take the limits away: %w", err)
	}
	return nil
}
