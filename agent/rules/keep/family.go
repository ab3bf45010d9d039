// SPDX-License-Identifier: Apache-2.0

// Package keep has the rules of RFC 6223: negotiating keep-alives by the Via parameter keep.
package keep

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
		Note:  note.Keep,
		Name:  "RFC 6223: keep",
		Flows: flows,
		Rules: []rule.Rule{onAck},
	}
}
