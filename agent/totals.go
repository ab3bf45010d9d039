// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/viaduct-project/viaduct/agent/report"

// Totals returns how many connections and flows were seen and are remembered,
// how many messages, and what was lost: cheap enough to ask for every second.
func (c *Core) Totals() (connections int, messages uint64, lost report.Lost) {
	for _, directions := range c.counters.Messages {
		for _, types := range directions {
			for _, methods := range types {
				for _, n := range methods {
					messages += n
				}
			}
		}
	}
	return len(c.tcp) + len(c.flows) + c.closed.len(), messages, c.losses()
}
