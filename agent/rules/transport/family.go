// SPDX-License-Identifier: Apache-2.0

// Package transport has the rules of RFC 3261 that speak about connections: sections 7.5, 8, 16 to 18 and 20.
package transport

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
		Note:  note.Transport,
		Name:  "RFC 3261: transport",
		Flows: flows,
		New:   func() any { return newMemory() },
		Watch: watch,

		Evicted: forgotten,
		Rules: []rule.Rule{
			linger, completion,
			sameConnection, newConnection, listensAtSentBy, usesOpenConnection,
			size, transportToken, fallback,
			foreignSentBy, severalVias,
			received, receivedValue,
			lengthMissing, lengthInvalid, bodyShort, leadingCRLF,
			listensBoth,
			branchCookie, branchUnique,
			retransmission, schedule,
			sameTarget,
			viaList,
			responseTarget,
			keepsRegistered,
			accepted, failure, optionTag,
			broadcast,
		},
	}
}
