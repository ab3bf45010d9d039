// SPDX-License-Identifier: Apache-2.0

package flow

import "github.com/viaduct-project/viaduct/internal/event"

// Pcap says whether a capture file can show the flow: all is on the wire, and
// nothing is encrypted.
func (s *Section) Pcap() bool {
	for i := range s.actions {
		a := &s.actions[i]
		switch a.kind {
		case listens, unlistens, exits:
			return false
		case fails, closes:
			if a.how == event.Timeout {
				return false // no packet says when a host gives up
			}
		}
		if a.conn.transport == event.TLS {
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
		case a.kind == loses, a.kind == sends && a.seen >= 0:
			return false
		case a.kind == fails && a.how != event.Refused:
			return false
		case a.kind == opens && a.conn.midLife:
			return false
		}
	}
	return true
}
