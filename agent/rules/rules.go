// SPDX-License-Identifier: Apache-2.0

// Package rules is the catalogue: every rule that viaduct knows, by family.
package rules

import (
	"github.com/viaduct-project/viaduct/agent/rule"
)

// Catalogue returns the families in the order in which they are listed.
func Catalogue() []rule.Family {
	return []rule.Family{}
}
