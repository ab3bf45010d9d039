// SPDX-License-Identifier: Apache-2.0

// Package persistent has the rules of draft-jain-sipping-persistent-conn-reqs, versions 01 to 03.
// Where the versions differ the later one binds, and what any of them defines
// is understood.
package persistent

import (
	"embed"

	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
)

//go:embed flows
var flows embed.FS

// Family returns the rules.
func Family() rule.Family {
	return rule.Family{
		Note:    note.Persistent,
		Name:    "draft-jain-sipping-persistent-conn-reqs: persistent",
		Flows:   flows,
		Watch:   rule.Check{Only: rule.New | rule.Reuse, Response: noteRefusal},
		New:     newMind,
		Evicted: func(mine any) uint64 { return mine.(*mind).evicted },
		Rules: []rule.Rule{
			viaFlag, beyondTransaction, beyondDialog, choice, connectsAnew, unfinished, explicitClose, release,
			dialogOnly, agesOut, bothSigns, required, unlimited, upperBound, counter, retryValue, loop, token, others,
			swamping, pair, unasked, mayDeny, oneWay, selected, hijack, discretion, classes, idleTimers,
		},
	}
}
