// SPDX-License-Identifier: Apache-2.0

// Package rules is the catalogue: every rule that viaduct knows, by family.
package rules

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/alias"
	"github.com/viaduct-project/viaduct/agent/rules/crlf"
	"github.com/viaduct-project/viaduct/agent/rules/keep"
	"github.com/viaduct-project/viaduct/agent/rules/operator"
	"github.com/viaduct-project/viaduct/agent/rules/outbound"
	"github.com/viaduct-project/viaduct/agent/rules/persistent"
	"github.com/viaduct-project/viaduct/agent/rules/rport"
	"github.com/viaduct-project/viaduct/agent/rules/stun"
	"github.com/viaduct-project/viaduct/agent/rules/transport"
)

// Catalogue returns the families in the order in which they are listed.
func Catalogue() []rule.Family {
	return []rule.Family{
		keep.Family(),
		crlf.Family(),
		stun.Family(),
		outbound.Family(),
		alias.Family(),
		transport.Family(),
		rport.Family(),
		persistent.Family(),
		operator.Family(),
	}
}
