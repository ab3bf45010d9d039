// SPDX-License-Identifier: Apache-2.0

// Package alias has the rules of RFC 5923: connection reuse by the Via parameter alias.
package alias

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
		Note:    note.Alias,
		Name:    "RFC 5923: alias",
		Flows:   flows,
		Watch:   rule.Check{Only: rule.Secured, Opened: opened, Request: request, Ended: ended, Closed: closed},
		New:     newMind,
		Evicted: func(mine any) uint64 { return mine.(*mind).evicted },
		Rules: []rule.Rule{
			noTLS, flag, originatorDrops, clientCertificate, serverIdentity, otherTarget, otherIdentity, plainTCP,
			unfinished, afterClose, policy, outlives, anyPort, servers, noCertificate, withKeep,
			acceptorDrops, secondConnection, unheard, noListener, unconfirmed, echo, rejected, oldPort, deadConnection,
			lateAck, forwardIdentity, hostedDomains, virtualTCP, certificateRequest, afterAlert, closureAlert, lowerVias,
			serverName,
		},
	}
}
