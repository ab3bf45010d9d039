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

// AliasPort is the port that the alias is good for, with the source address of
// the side that offered it: its sent-by's, or the default one (RFC 5923
// section 8.2).
func (c *Conn) AliasPort() uint16 {
	if c.Neg == nil || c.Neg.Alias.Port == 0 {
		return 5061
	}
	return c.Neg.Alias.Port
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

// PersistentBinds says whether side s is held to the offer of persistent: who
// made it is by its own word, and the other side once it has answered the
// request that made it, unless it declined.
func (c *Conn) PersistentBinds(s event.Side) bool {
	by := c.PersistentBy()
	return by != event.Unknown && (s == by || c.Neg.Persistent.Ended != 0 && !c.Neg.Persistent.Declined)
}

// Dropped says that one side ended the connection by a decision of its own, as
// far as can be seen: all of it was seen, no message was malformed (which
// leaves a stream only to be closed), and neither a failing network nor the
// end of a process explains it.
func (c *Conn) Dropped() bool {
	return c.EndedAt != 0 && c.By != event.Unknown && (c.How == event.FIN || c.How == event.RST) &&
		c.Whole() && !c.Exiting && c.Messages.Malformed == 0
}

// Acceptor is the side that did not open the connection.
func (c *Conn) Acceptor() event.Side {
	switch c.Initiator {
	case event.Local:
		return event.Remote
	case event.Remote:
		return event.Local
	}
	return event.Unknown
}
