// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// link is the family's note on a connection that this host opened over TLS.
type link struct {
	hop    uint64 // hash of the next hop's host, 0 before
	mixed  bool   // of several
	domain int    // 1 + index of the hosted domain it was opened for, 0 before
}

func linkOf(x *rule.Scene) *link { return note.On[link](&x.Conn.Notes, note.Alias) }

var secondConnection = rule.Rule{
	ID:       "AL-18",
	Source:   "RFC 5923 section 8.1",
	Severity: rule.Advice,
	Fault:    "client (originator)",
	Asks:     "Having offered alias, the client sends later requests for the same address on that connection.",
	Broken:   "A second connection is opened to an address although an aliased one is there and idle",
	Silent:   "Peers: another process or host may share their address. On this host other processes, other next-hop names, connections of the same second, and an aliased connection with a transaction pending.",
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Beginning | rule.Secured, Request: secondOne},
}

var hopSeed = maphash.MakeSeed()

// hopOf is the hash of the next hop's host, 0 if it cannot be read.
func hopOf(x *rule.Scene) uint64 {
	uri, ok := message.NextHop(x.Msg.Head)
	if !ok {
		return 0
	}
	return maphash.Bytes(hopSeed, bytes.ToLower(uri.Host)) | 1
}

// knowHop notes where an aliased connection of ours leads: its first requests
// tell.
func knowHop(x *rule.Scene) {
	c := x.Conn
	if c.Initiator != event.Local || x.Dir != event.Out || c.Sent.N > watched || !own(x) || c.AliasBy() != event.Local {
		return
	}
	l, hop := linkOf(x), hopOf(x)
	l.mixed = l.mixed || l.hop != 0 && l.hop != hop
	l.hop = hop
}

// watched is how many requests of a connection tell where it leads.
const watched = 4

// toldLate is how long after the request that came of it the end of a TLS
// connection may be told of: it waits for plaintext.
const toldLate = 500 * time.Millisecond

// enough is how many older connections to one address are looked at.
const enough = 16

// secondOne judges the first request of a connection that this host opened.
func secondOne(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.TLS || c.Initiator != event.Local || x.Dir != event.Out || c.Sent.N != 1 || !own(x) || !c.Whole() {
		return
	}
	n := 0
	for older := range x.Outgoing.To(c.Remote) {
		if n++; n > enough {
			return
		}
		if older == c || older.AliasBy() != event.Local || older.Owner.PID != c.Owner.PID || c.Owner.PID == 0 ||
			older.NetNS != c.NetNS || older.Local.Addr() != c.Local.Addr() || !older.Open() ||
			older.OpenedAt == 0 || c.OpenedAt.Sub(older.OpenedAt) < oneSecond || older.Neg.Alias.At >= c.OpenedAt {
			continue
		}
		l := note.Of[link](older.Notes, note.Alias)
		if l == nil || l.mixed || l.hop == 0 || l.hop != hopOf(x) {
			continue
		}
		if txs, _ := x.Ends(older); txs.Pending(x.Now) > 0 {
			continue
		}
		evidence := fmt.Sprintf("%s went on a new connection to %s, alias was offered on the open one by %s", x.Msg.Label(), c.Remote, older.Neg.Alias.From)
		x.After(toldLate, func(x *rule.Scene) {
			if older.EndedAt == 0 || older.EndedAt > c.OpenedAt {
				x.Raise(event.Local, "%s", evidence)
			}
		})
		return
	}
}

// hosted returns the index of the domain, -1 if this host does not serve it.
func hosted(domains []string, host []byte) int {
	for i, d := range domains {
		if bytes.EqualFold([]byte(d), host) {
			return i
		}
	}
	return -1
}
