// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// upkeepLine is nil where this host owes no keep-alives and viaduct sends none.
func (conn *connection) upkeepLine(now event.Time) *report.Upkeep {
	if u := conn.upkeep; u != nil {
		return u.line()
	}
	at := now
	if conn.EndedAt != 0 {
		at = conn.EndedAt
	}
	t, ok := assist.Owed(conn.Neg, conn.Stream(), &policy.Keepalive{Inject: policy.InjectAgreed}, assist.Past{}, at)
	if !ok || conn.Sideless {
		return nil
	}
	line := &report.Upkeep{By: "nobody", State: assist.Fine.String()}
	promised(line, &t)
	if conn.Alive == nil {
		return line
	}
	s := conn.Alive.Sent(event.Out)
	n := s.Pings + s.Stun
	if n > 0 {
		line.By = "application"
		back := conn.Alive.Sent(event.In)
		line.Answered = answeredWord(back.Pongs+back.Answers, n)
	}
	kept(line, n, s.First, s.Last, s.Longest, s.RTT)
	return line
}

func (u *upkeep) line() *report.Upkeep {
	line := &report.Upkeep{
		By: "nobody", Method: report.Ref(u.Method.String()), Because: u.Why.String(), State: u.State.String(),
	}
	promised(line, &u.Terms)
	switch {
	case u.Own > 0 && u.App > 0:
		line.By = "both"
	case u.Own > 0:
		line.By = "viaduct"
	case u.App > 0:
		line.By = "application"
	}
	rtt := u.RTT
	answered, n := u.Answered, u.Own
	if alive := u.conn.Alive; alive != nil {
		back, sent := alive.Sent(event.In), alive.Sent(event.Out)
		answered += back.Pongs + back.Answers
		n += sent.Pings + sent.Stun
		if rtt == 0 {
			rtt = sent.RTT
		}
	}
	if n > 0 {
		line.Answered = answeredWord(answered, n)
	}
	kept(line, u.Own+u.App, u.First, u.Last, u.Longest, rtt)
	if u.Probed > 0 {
		line.KernelSeconds = report.Seconds(u.Probed)
	}
	if limits := u.Method.Limits(); limits != "" {
		line.Cannot = &limits
	}
	if u.Method == assist.TCP {
		line.ProbesUnanswered = report.Ref(u.conn.counts.Probes)
	}
	if m := u.Mapped(); m.IsValid() {
		line.MappedAddress = report.Ref(m.String())
	}
	return line
}

func promised(line *report.Upkeep, t *assist.Terms) {
	line.Basis = t.Basis.String()
	line.PromisedSeconds = t.Interval.Seconds()
}

func kept(line *report.Upkeep, n uint32, first, last event.Time, longest, rtt time.Duration) {
	if n > 1 && last > first {
		line.MeanSeconds = report.Seconds(last.Sub(first) / time.Duration(n-1))
		line.LongestSeconds = report.Seconds(longest)
	}
	if rtt > 0 {
		line.RoundTripSeconds = report.Seconds(rtt)
	}
}

// answeredWord tolerates the newest ones, which may be answered yet.
func answeredWord(answered, sent uint32) *string {
	switch {
	case answered == 0:
		return report.Ref("no")
	case answered+keepalive.Outstanding/2 < sent:
		return report.Ref("partly")
	}
	return report.Ref("yes")
}
