// SPDX-License-Identifier: Apache-2.0

// Package operator has the rules of the operator's own policy: of which class a
// peer's connections should be, how long they may idle, how many there may be.
package operator

import (
	"embed"
	"slices"

	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
)

//go:embed flows
var flows embed.FS

// Family returns the rules.
func Family() rule.Family {
	return rule.Family{
		Note:  note.Policy,
		Name:  "Policy",
		Flows: flows,
		Rules: slices.Concat(closing, idling, sharing, holding, keeping),
		Watch: rule.Check{Only: rule.New, Placed: placed, Response: protectIfPersistent, Ended: ended},
		New:   func() any { return &state{held: make(map[place][]turn)} },
	}
}
