// SPDX-License-Identifier: Apache-2.0

// Package rport has the rules of RFC 3581: symmetric responses.
package rport

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
		Note:  note.RPort,
		Name:  "RFC 3581: rport",
		Flows: flows,
		Rules: []rule.Rule{
			bare, filled, sameSource, toSource,
			staysOpen, listensAtSentBy,
			repeats, streams, grammar, learned,
			unasked,
		},
	}
}
