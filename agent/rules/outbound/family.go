// SPDX-License-Identifier: Apache-2.0

// Package outbound has the rules of RFC 5626: outbound registrations and their flows.
package outbound

import (
	"embed"

	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

//go:embed flows
var flows embed.FS

// Family returns the rules.
func Family() rule.Family {
	return rule.Family{
		Note:  note.Outbound,
		Name:  "RFC 5626: outbound",
		Flows: flows,
		New:   newState, Evicted: evicted,
		Watch: rule.Check{Request: request, Response: response, TimedOut: timedOut, Beat: answered, Ended: flowEnds},
		Rules: []rule.Rule{
			regIDAlone, lacksSupport, regIDValue, instanceForm, manyContacts,
			turns, sameFlow, missingRequire, firstHop, notFirstHop,
			after439, flowFailed, alongFlow, dialogFlow, timerPlace,
			timerForm, twoFlows, keepsRegID, backOff, oneAtATime,
			deadFlow, wrongRequire, wrong439, wildcard, thirdParty,
			noInstance, sameSet, sharedCall, keepsFlow, honoursWait,
			usesFlow, saysSupport, asksForFlow, throughNAT, ownToken,
			routeBack, oldFlow, storedFlow, nextFlow, settled,
			failedEnd, worked, outOfReach, refusedFlow, instanceScheme,
			largeRequest,
		},
	}
}

// request keeps the family's books of requests.
func request(x *rule.Scene) {
	s := x.Mine.(*state)
	s.aim, s.stray = nil, nil
	if x.Msg.Method != sipparse.MethodRegister {
		if x.Verdict == transaction.Fresh {
			visits(x)
			if s.aim = targets(x); len(s.aim) > 0 {
				s.stray = strays(x, s.aim)
				forks(x, s.aim)
			}
			cancels(x)
		}
		return
	}
	if r := asks(x); r != nil {
		tries(x, r)
		if n := note.Of[connNote](x.Conn.Notes, note.Outbound); n != nil {
			n.deferred = 0 // it tries again
		}
	}
}

// response keeps them of responses.
func response(x *rule.Scene) {
	forkEnds(x)
	r := answers(x)
	if r == nil {
		return
	}
	tried(x, r)
	putOff(x, r)
	proper := r.Outbound() != nil && supports(r) && reaches(r)
	if ok2xx(x) && requires(x.Msg) && proper || x.Msg.Status == 439 {
		*x.Mine.(*state).registrars.get(server(x.Tx.Conn, r.Dir)) = true
	}
	if ok2xx(x) && r.Direct {
		for _, b := range x.Bindings.Changed {
			leaves(x, b)
		}
	}
}

func timedOut(x *rule.Scene) {
	if x.Tx.Binds != nil {
		unheard(x)
	}
	forkTimesOut(x)
}
