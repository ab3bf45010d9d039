// SPDX-License-Identifier: Apache-2.0

// Package crlf has the rules of RFC 5626 for streams: CRLF ping and pong, and Flow-Timer.
package crlf

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
		Note:  note.CRLF,
		Name:  "RFC 5626: CRLF keep-alives and Flow-Timer",
		Flows: flows,
		Watch: watch,
		New:   newHabits,
		Rules: []rule.Rule{
			pingPong, goesOn, noPong, notOnePong, overUDP, insideMessage, tooSeldom, slowDefault,
			earlyClose, serverPings, stunOnStream, evenTimer, evenDefault, loneAnswered, neverStarts, expectsPong,
		},
	}
}
