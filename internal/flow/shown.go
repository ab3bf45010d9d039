// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Pcap says whether a capture file can show the flow: all is on the wire, and
// nothing is encrypted.
func (s *Section) Pcap() bool {
	for i := range s.actions {
		a := &s.actions[i]
		switch a.Act {
		case Listens, Unlistens, Exits:
			return false
		case Fails, Closes:
			if a.How == event.Timeout {
				return false // no packet says when a host gives up
			}
		}
		if a.Own || a.Conn.Transport == event.TLS {
			return false
		}
	}
	return true
}

// Live says whether two ends with sockets can play the flow: what Pcap asks
// for, and nothing that only an observer can miss.
func (s *Section) Live() bool {
	if !s.Pcap() {
		return false
	}
	for i := range s.actions {
		a := &s.actions[i]
		switch {
		case a.Act == Loses, a.Act == Sends && a.Seen >= 0:
			return false
		case a.Act == Fails && a.How != event.Refused:
			return false
		case a.Act == Opens && a.Conn.MidLife:
			return false
		}
	}
	return true
}

// Addresses returns what the two hosts must have to play the flow.
func (s *Section) Addresses() (local, remote []netip.Addr) {
	known := make(map[netip.Addr]bool)
	add := func(to *[]netip.Addr, a netip.Addr) {
		if !known[a] {
			known[a] = true
			*to = append(*to, a)
		}
	}
	for i := range s.actions {
		if c := s.actions[i].Conn; c != nil {
			add(&local, c.Local.Addr())
			add(&remote, c.Remote.Addr())
		}
	}
	return local, remote
}
