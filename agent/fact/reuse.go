// SPDX-License-Identifier: Apache-2.0

package fact

import "github.com/viaduct-project/viaduct/internal/event"

// AliasBy is the side that may expect requests back on this connection and
// said that it keeps it (RFC 5923 section 8.1): the originator that offered
// alias over TLS. It is Unknown where nobody did, or where alias has no
// meaning. The rules of RFC 5923 judge such connections' ends.
func (c *Conn) AliasBy() event.Side {
	if c.Neg == nil || c.Neg.Alias.By == 0 || c.Transport != event.TLS || c.Initiator != Side(c.Neg.Alias.By) {
		return event.Unknown
	}
	return c.Initiator
}

// PersistentBy is the side that offered to keep this connection by
// draft-jain-sipping-persistent-conn-reqs: the originator. It is Unknown where
// nobody did. The rules of the draft judge such connections' ends.
func (c *Conn) PersistentBy() event.Side {
	if c.Neg == nil || c.Neg.Persistent.By == 0 || !c.Stream() || c.Initiator != Side(c.Neg.Persistent.By) {
		return event.Unknown
	}
	return c.Initiator
}
