// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Until when an answer may belong to a request that went before the flow was
// met: 64*T1, or as long as a call may ring and a little more (RFC 3261 section
// 16.6, timer C).
const (
	answersWithin = 32 * time.Second
	ringsWithin   = 200 * time.Second
)

// Unasked is how many datagrams answered what was not seen to be asked: in a
// capture a sign that datagrams are missing. (On a live host nothing is missing
// that no counter tells of.)
func (c *Core) Unasked() uint64 {
	n := c.unasked
	for _, f := range c.rules.Findings.Raised() {
		if f.Rule.ID == "STUN-15" { // says the same of Binding responses
			n += uint64(f.Count)
		}
	}
	return n
}

// answersNothing notes an answer without a request.
func (c *Core) answersNothing(conn *connection, t event.Time, m *message.Message) {
	within := answersWithin
	if m.Method == sipparse.MethodInvite {
		within = ringsWithin
	}
	if conn.Transport == event.UDP && t.Sub(conn.First) > within {
		c.unasked++
	}
}

// confirmsNothing notes an ACK for an INVITE that had no final response.
func (c *Core) confirmsNothing(tx *transaction.Transaction) {
	if tx.Conn.Transport == event.UDP && tx.Status() < 200 {
		c.unasked++
	}
}
