// SPDX-License-Identifier: Apache-2.0

package agent

// Ungate has every rule look at every message.
func (c *Core) Ungate() { c.rules.Ungate() }

// Timers is how many the rules have set.
func (c *Core) Timers() int { return c.rules.Timers() }
