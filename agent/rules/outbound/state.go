// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/internal/event"
)

// state is what the family remembers beyond connections and bindings.
type state struct {
	instances  bounded[who, history]
	tries      bounded[registration.Key, try]
	proxies    bounded[netip.AddrPort, proxy]        // that this host's UAs register with
	registrars bounded[netip.AddrPort, bool]         // that showed to do outbound
	refused    bounded[uint64, event.Time]           // addresses-of-record whose newest REGISTER got 439
	retry      bounded[registration.Key, retryAfter] // registrations that a 503 told to wait
	tokens     bounded[uint64, token]                // by user, host and port of the Path URI
	dialogs    int                                   // that have a note

	aim   []*registration.Binding // of the request of the moment: what its URI is the Contact of
	stray *registration.Binding   // and the one whose flow it should have used
}

func newState() any { return new(state) }

// evicted adds up what the maps dropped.
func evicted(mine any) uint64 {
	s := mine.(*state)
	return s.instances.Evicted + s.tries.Evicted + s.proxies.Evicted + s.registrars.Evicted +
		s.refused.Evicted + s.retry.Evicted + s.tokens.Evicted
}

// limit bounds each map. UAs that do outbound behind one host are fewer.
const limit = 100_000

// bounded is a map that drops an entry when it is full, and counts that. The
// zero value is ready.
type bounded[K comparable, V any] struct {
	m       map[K]*V
	Evicted uint64
}

// get returns the entry, made if it is new.
func (b *bounded[K, V]) get(k K) *V {
	if v := b.m[k]; v != nil {
		return v
	}
	if b.m == nil {
		b.m = make(map[K]*V)
	}
	if len(b.m) >= limit {
		for old := range b.m {
			delete(b.m, old)
			break
		}
		b.Evicted++
	}
	v := new(V)
	b.m[k] = v
	return v
}

// find returns the entry, or nil.
func (b *bounded[K, V]) find(k K) *V { return b.m[k] }

func (b *bounded[K, V]) drop(k K) { delete(b.m, k) }

func (b *bounded[K, V]) len() int { return len(b.m) }
