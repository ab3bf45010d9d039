// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

// bound is a rule with its family's state.
type bound struct {
	*Rule // nil for the bookkeeping of a family
	mine  any
}

// hook is one function that is called for one kind of event.
type hook struct {
	rule *bound
	mine any // the rule's
	f    func(*Scene)
	only Traits
}

// Engine calls the checks and keeps what they raise.
type Engine struct {
	World    *World
	Findings Findings
	Dropped  uint64 // timers that found no room

	// Settle, if set, is called before a timer of the connection fires: the
	// core decides what it holds of it up to that time.
	Settle func(*fact.Conn, event.Time)

	on      [numKinds][]hook
	apt     [2]map[Traits][]hook // for requests and responses, those that have something to say
	timers  timers
	leaving []leaving // ends that this host made, in the order of their times
	habits  map[habit]int
	forgot  []func() uint64 // what families count as evicted
	judged  []*Rule
	ungated bool
	byID    map[string]*bound
	wishes  []Wish
}

// Kind of a check.
type Kind uint8

const (
	Placed Kind = iota
	Opened
	Request
	Response
	TimedOut
	Beaten
	Defect
	Ended
	Closed
	DialogOn
	DialogOff
	Assisted
	numKinds
)

// habit is what Tally counts by.
type habit struct {
	rule *bound
	peer netip.Addr
}

const maxHabits = 100_000

// NewEngine returns an Engine for the rules of the families, which keeps at
// most limit findings.
func NewEngine(w *World, families []Family, limit int) *Engine {
	e := &Engine{World: w, Findings: newFindings(limit), habits: make(map[habit]int), byID: make(map[string]*bound)}
	e.apt = [2]map[Traits][]hook{make(map[Traits][]hook), make(map[Traits][]hook)}
	for i := range families {
		f := &families[i]
		var mine any
		if f.New != nil {
			mine = f.New()
		}
		if f.Evicted != nil {
			e.forgot = append(e.forgot, func() uint64 { return f.Evicted(mine) })
		}
		e.bind(&bound{mine: mine}, &f.Watch)
		for j := range f.Rules {
			r := &f.Rules[j]
			b := &bound{r, mine}
			e.byID[r.ID] = b
			e.bind(b, &r.Check)
			if r.Standing == Judged || r.Standing == ByPolicy {
				e.judged = append(e.judged, r)
			}
		}
	}
	return e
}

func (e *Engine) bind(b *bound, c *Check) {
	for k, f := range [numKinds]func(*Scene){
		Placed: c.Placed, Opened: c.Opened, Request: c.Request, Response: c.Response, TimedOut: c.TimedOut, Beaten: c.Beat, Defect: c.Defect,
		Ended: c.Ended, Closed: c.Closed, DialogOn: c.DialogOn, DialogOff: c.DialogOff, Assisted: c.Assisted,
	} {
		if f != nil {
			e.on[k] = append(e.on[k], hook{b, b.mine, f, c.Only})
		}
	}
}

// Show lets the checks of the kind look at x, whose World and Mine it sets.
func (e *Engine) Show(k Kind, x *Scene) {
	x.World, x.engine = e.World, e
	x.leaving = (k == Ended || k == Closed) && e.leaves(x.Conn)
	if x.leaving && k == Ended {
		e.hold(x.Conn, x.Now, nil)
	}
	hooks := e.on[k]
	if k == Request || k == Response {
		hooks = e.aptFor(k, x.traits())
	}
	for i := range hooks {
		h := &hooks[i]
		x.rule, x.Mine = h.rule, h.mine
		h.f(x)
	}
}

// aptFor returns the checks that have something to say about a message with
// the traits, in their order. Real messages have a few dozen sets of traits.
func (e *Engine) aptFor(k Kind, t Traits) []hook {
	known := e.apt[k-Request]
	hooks, ok := known[t]
	if ok {
		return hooks
	}
	for _, h := range e.on[k] {
		if h.only&^t == 0 || e.ungated {
			hooks = append(hooks, h)
		}
	}
	if len(known) >= maxSets {
		clear(known)
	}
	known[t] = hooks
	return hooks
}

// maxSets bounds the lists that are kept; somebody may try them all.
const maxSets = 1024

// Ungate has every check called for every message, to prove that [Check.Only]
// changes nothing.
func (e *Engine) Ungate() { e.ungated = true }

// Evicted is what the families have dropped at the limits of their maps.
func (e *Engine) Evicted() (n uint64) {
	for _, f := range e.forgot {
		n += f()
	}
	return n
}

// Wants says whether any check looks at events of the kind.
func (e *Engine) Wants(k Kind) bool { return len(e.on[k]) > 0 }

func (e *Engine) tally(b *bound, peer netip.Addr) int {
	k := habit{b, peer}
	n, known := e.habits[k]
	if !known && len(e.habits) >= maxHabits {
		clear(e.habits) // habits show again
	}
	e.habits[k] = n + 1
	return n + 1
}

func (e *Engine) raise(x *Scene, cause uint64, s Severity, party event.Side, evidence func() string) {
	if x.leaving && party == event.Local {
		r, c, now := x.rule.Rule, x.Conn, x.Now
		e.hold(c, now, func() { e.Findings.add(r, c, cause, s, party, now, evidence) })
		return
	}
	e.Findings.add(x.rule.Rule, x.Conn, cause, s, party, x.Now, evidence)
}

func (e *Engine) timer(t event.Time, c *fact.Conn, b *bound, f func(*Scene)) {
	if !e.timers.add(t, c, b, f) {
		e.Dropped++
	}
}

// Advance lets the timers fire that are due up to now, in their order.
func (e *Engine) Advance(now event.Time) {
	e.decide(now)
	for {
		t, ok := e.timers.due(now)
		if !ok {
			return
		}
		if e.Settle != nil {
			e.Settle(t.conn, t.at)
		}
		x := Scene{World: e.World, Now: t.at, Conn: t.conn, Mine: t.rule.mine, engine: e, rule: t.rule}
		t.f(&x)
	}
}

// Timers is how many are set.
func (e *Engine) Timers() int { return len(e.timers) }
