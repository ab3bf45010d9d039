// SPDX-License-Identifier: Apache-2.0

// Package outbound has the rules of RFC 5626: outbound registrations and their flows.
package outbound

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
		Note:  note.Outbound,
		Name:  "RFC 5626: outbound",
		Flows: flows,
		Rules: []rule.Rule{},
	}
}
