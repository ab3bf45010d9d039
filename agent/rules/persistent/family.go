// SPDX-License-Identifier: Apache-2.0

// Package persistent has the rules of the persistent-connection drafts (draft-jain-sipping-persistent-conn-reqs, versions 01 to 03).
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
		Note:  note.Persistent,
		Name:  "Persistent connections",
		Flows: flows,
		Rules: []rule.Rule{},
	}
}
