// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Limited are connections that a row's limits refused to one address, or in a
// dry run would have. There is no connection to tell of: that is the point.
type Limited struct {
	Peer        string     // the row
	Address     netip.Addr // who called, or was called; invalid: several, which nobody remembers apart
	Out         bool       // this host called
	Mode        policy.Mode
	Reason      string // the limit
	Count       uint64
	First, Last event.Time
}

type limitKey struct {
	peer    string
	address netip.Addr
	out     bool
	mode    policy.Mode
	reason  string
}

// Limited tells what the limits did since it was told before. The lines of the
// report are as many as findings may be; the metrics count all.
func (c *Core) Limited(all []Limited, now event.Time) {
	for i := range all {
		c.limited(&all[i], now)
	}
}

func (c *Core) limited(l *Limited, now event.Time) {
	action, outcome := l.Action(), l.Outcome()
	c.by.Of(l.Peer).Actions[action][l.Mode][outcome] += l.Count
	first, last := l.First, l.Last
	if last == 0 {
		first, last = now, now
	}
	k := limitKey{l.Peer, l.Address, l.Out, l.Mode, l.Reason}
	if line := c.acts.limits[k]; line != nil {
		line.Count = uint32(min(uint64(line.Count)+l.Count, math.MaxUint32))
		line.Last = last.Go()
		return
	}
	if len(c.acts.order) >= c.cfg.MaxFindings {
		c.acts.dropped++
		return
	}
	line := &report.Action{
		Action: action.String(), Mode: l.Mode.String(), Outcome: outcome.String(), Reason: l.why(),
		Time: first.Go(), Last: last.Go(), Count: uint32(min(l.Count, math.MaxUint32)),
	}
	if l.Address.IsValid() {
		line.Remote = l.Address.String()
	}
	if c.acts.limits == nil {
		c.acts.limits = make(map[limitKey]*report.Action)
	}
	c.acts.limits[k] = line
	c.acts.order = append(c.acts.order, line)
}

// Action is [rule.Limit] of what came in, and [rule.Refuse] of what this host
// wanted to open.
func (l *Limited) Action() rule.Action {
	if l.Out {
		return rule.Refuse
	}
	return rule.Limit
}

// Outcome is [Skipped] in a dry run, which lets everything pass.
func (l *Limited) Outcome() Outcome {
	if l.Mode == policy.Enforce {
		return Done
	}
	return Skipped
}

func (l *Limited) why() string {
	why := l.Reason
	if !l.Address.IsValid() {
		why = "limits: more addresses than are remembered apart"
	}
	why = fmt.Sprintf("peer %s, %s", l.Peer, why)
	if l.Mode != policy.Enforce {
		return "dry-run: " + why
	}
	return why
}
