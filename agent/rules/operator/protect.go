// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
)

// placed looks at a connection whose row is known, or another one than before.
func placed(x *rule.Scene) { protect(x) }

// protectIfPersistent looks again when a final response may have made the
// connection a persistent one.
func protectIfPersistent(x *rule.Scene) {
	if x.Verdict == transaction.Final {
		protect(x)
	}
}

// protect asks for the protection of a connection that is to last, and asks
// again as long as it does.
func protect(x *rule.Scene) {
	p := &x.Conn.Row.Persistent
	if p.TCPKeepalive.Idle == 0 && p.UserTimeout == 0 || !x.Conn.Stream() || !x.Conn.Open() {
		return
	}
	w := noted(x)
	if w.protected || x.Expected(x.Conn, x.Now) != class.Persistent {
		return
	}
	w.protected = true
	x.Wish(rule.Wish{Action: rule.Protect, Reason: "persistent, policy row " + x.Conn.Row.Name})
	x.After(x.CheckProtected, func(x *rule.Scene) {
		noted(x).protected = false
		protect(x)
	})
}
