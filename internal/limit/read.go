// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/bpf"
)

// Losses are connections that were not limited as they should have been, and
// what the recount put right, since the limits were last loaded.
func (l *Limiter) Losses() (bpf.LimitCounters, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return bpf.LimitCounters{}, nil
	}
	return l.loaded.Counters()
}

// Entries is how full the limiter's tables are; all zero if nothing is loaded.
func (l *Limiter) Entries() (bpf.LimitEntries, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return bpf.LimitEntries{}, nil
	}
	return l.loaded.Entries()
}

// Hooks are the limiter's programs; none if nothing is loaded.
func (l *Limiter) Hooks() ([]bpf.Hook, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return nil, nil
	}
	return l.loaded.Hooks()
}

// Source is a remote address with open connections that are counted.
type Source struct {
	Peer    string
	Address netip.Addr
	Out     bool // this host opened them
	Open    uint64
}

// Sources lists them, in no order.
func (l *Limiter) Sources() ([]Source, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded == nil {
		return nil, nil
	}
	peers := make(map[uint32]string)
	for peer, id := range l.ids {
		peers[id] = peer
	}
	var all []Source
	err := l.loaded.Sources(func(s bpf.LimitedSource) {
		if s.Open > 0 {
			all = append(all, Source{peers[s.Row], s.Address, s.Out, s.Open})
		}
	})
	return all, err
}
