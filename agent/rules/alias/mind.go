// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// limit bounds each of the maps below. They hold what is rare: beyond the
// limit the map is emptied, which counts in mind.evicted.
const limit = 50_000

// mind is what the family remembers beyond one connection.
type mind struct {
	evicted    uint64
	habits     map[habit]int                       // AL-03, AL-17: drops in a row
	advertised map[netip.AddrPort]ad               // AL-20: where peers with an alias say that they listen
	gone       map[netip.Addr]once                 // AL-24: aliased connections that ended
	retries    map[netip.AddrPort]*attempt         // AL-25: who has to connect
	rejected   map[uint64]rejection                // AL-23: by Call-ID
	unacked    map[transaction.Key]event.Direction // AL-26: INVITEs that wait for an ACK
}

func newMind() any {
	return &mind{
		habits: make(map[habit]int), advertised: make(map[netip.AddrPort]ad), gone: make(map[netip.Addr]once),
		retries: make(map[netip.AddrPort]*attempt), rejected: make(map[uint64]rejection),
		unacked: make(map[transaction.Key]event.Direction),
	}
}

// room empties a map that is full.
func room[K comparable, V any](m *mind, in map[K]V) {
	if len(in) >= limit {
		m.evicted += uint64(len(in))
		clear(in)
	}
}

func opened(x *rule.Scene) {
	m := x.Mine.(*mind)
	if len(m.retries) > 0 && x.Conn.Initiator == event.Local {
		m.tried(x.Conn.Remote)
	}
}

func request(x *rule.Scene) {
	if x.Conn.Transport != event.TLS {
		return
	}
	m := x.Mine.(*mind)
	m.advertise(x)
	m.mustConnect(x)
	knowHop(x)
}

func ended(x *rule.Scene) {
	if x.Conn.AliasBy() != event.Unknown {
		x.Mine.(*mind).learnHabit(x)
	}
}

func closed(x *rule.Scene) {
	m := x.Mine.(*mind)
	if x.Conn.Failed {
		if len(m.retries) > 0 {
			m.tried(x.Conn.Remote)
		}
		return
	}
	if x.Conn.AliasBy() == event.Remote {
		m.withdraw(x.Conn)
		m.remember(x)
	}
}

// goodFor is the address that an alias stands for: the source address of the
// side that offered it, with the port of its sent-by (RFC 5923 section 8.2).
func goodFor(c *fact.Conn) netip.AddrPort {
	return netip.AddrPortFrom(c.Address(c.Initiator).Addr(), c.AliasPort())
}
