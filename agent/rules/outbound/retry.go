// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// How long a UA waits before it tries a server again (RFC 5626 section 4.5):
// at least half of W = min(1800 s, base * 2^failures), where the base is 30 s,
// or 90 s while another flow of the instance works.

const (
	baseAllFailed = 30 * time.Second
	baseOneWorks  = 90 * time.Second
	longestWait   = 1800 * time.Second
	storm         = time.Second // a retry within it is one of a storm
)

var backOff = rule.Rule{
	ID:       "OB-19",
	Source:   "RFC 5626 section 4.5, appendix A",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "After n failures in a row a UA waits half to all of base * 2^n before it tries the server again, at most 30 minutes; base is 30 s, or 90 s while another flow works.",
	Broken:   "A UA tried again sooner than the back-off allows",
	Silent:   "The first attempt after a flow that worked (OB-42). 401, 407, 420, 421, 423, 439 and redirections, which are no failures. Waits that the server asked for. Connects that several registrations may have made. Lost bytes. Advice unless retries follow each other within a second, as the times are configurable.",
	Check: rule.Check{
		Only: rule.New | rule.Register,
		Request: func(x *rule.Scene) {
			r := asks(x)
			if r == nil || !r.Direct || !supports(r) {
				return
			}
			c := r.Outbound()
			if c == nil {
				return
			}
			h := x.Mine.(*state).tries.find(registration.KeyOf(r, c, x.Conn.NetNS))
			if h != nil && h.before <= h.failed { // not a second request of one attempt
				early(x, h, r, c, x.Now)
			}
		},
		Closed: func(x *rule.Scene) {
			h, k := connects(x)
			if h == nil {
				return
			}
			at := x.Conn.First
			early(x, h, &registration.Request{Dir: k.Dir, AOR: k.AOR}, &registration.Contact{Instance: k.Instance, RegID: sipparse.NumParam{N: k.RegID}}, at)
			h.fail(x.Now, false)
			h.dialled = x.Now
		},
	},
}

// early reports an attempt at time at that comes too soon after a failure.
func early(x *rule.Scene, h *try, r *registration.Request, c *registration.Contact, at event.Time) {
	if h.failures == 0 || h.told || at < h.failed || x.Conn.Incomplete || lost(x, h.failed) {
		return
	}
	base := baseAllFailed
	for _, b := range x.Bindings.Of(r.AOR) {
		if b.Dir == r.Dir && b.Direct && b.Outbound && b.Contact.Instance == c.Instance && b.FlowOpen() && b.Alive(x.Now) {
			if b.RegID == c.RegID.N {
				return // a refresh over the flow that stands
			}
			base = baseOneWorks
		}
	}
	wait, least := at.Sub(h.failed), min(longestWait, base<<min(h.failures, 10))/2
	if wait >= least-storm {
		return
	}
	s := rule.Advice
	if wait < storm && h.failures >= 3 {
		s = rule.Violation
	}
	x.RaiseAs(s, fact.Side(r.Dir), "attempt %s after failure %d, at least %s are due", wait.Round(time.Millisecond), h.failures, least)
}

// connects returns the history of the registration that a failed connect was
// for, nil if that cannot be told.
func connects(x *rule.Scene) (*try, registration.Key) {
	s := x.Mine.(*state)
	if !x.Conn.Failed || x.Conn.Initiator != event.Local || s.proxies.len() == 0 {
		return nil, registration.Key{}
	}
	p := s.proxies.find(x.Conn.Remote)
	if p == nil || p.many || p.key.NetNS != x.Conn.NetNS {
		return nil, registration.Key{}
	}
	return s.tries.find(p.key), p.key
}

var worked = rule.Rule{
	ID:       "OB-42",
	Source:   "RFC 5626 section 4.5",
	Severity: rule.Info,
	Fault:    "-",
	Asks:     "For the back-off a flow worked if outbound registration succeeded on it and, where keep-alives are sent, one was answered.",
	Silent:   "Decides what OB-19 counts: an answered keep-alive, or the end of a flow that needed none, sets the failures to zero; a flow that ends before the first answer is one more.",
	Standing: rule.Recognised,
}

var after439 = rule.Rule{
	ID:       "OB-11",
	Source:   "RFC 5626 sections 4.2.1 and 11.6",
	Severity: rule.Info,
	Fault:    "registering UA",
	Asks:     "After 439 a UA may register again without outbound, or through another proxy.",
	Broken:   "A UA on this host gave up after 439",
	Silent:   "UAs elsewhere, which may register where it cannot be seen. The first five minutes.",
	Check: rule.Check{Only: rule.New | rule.Register | rule.Failure, Response: func(x *rule.Scene) {
		if x.Msg.Status != 439 || x.Verdict != transaction.Final || x.Tx.Binds == nil || !x.Tx.Binds.Direct || x.Tx.Dir != event.Out {
			return
		}
		s, aor, at := x.Mine.(*state), x.Tx.Binds.AOR, x.Now
		*s.refused.get(aor) = at
		x.After(givesUp, func(y *rule.Scene) {
			if t := s.refused.find(aor); t != nil && *t == at && !y.Conn.Incomplete && !lost(y, at) {
				s.refused.drop(aor)
				y.Raise(event.Local, "439, and no REGISTER for this user since, for %s", givesUp)
			}
		})
	}},
}

// givesUp is how long a UA may be silent after 439.
const givesUp = 5 * time.Minute
