// SPDX-License-Identifier: Apache-2.0

package message

import (
	"bytes"
	"net/netip"

	"github.com/viaduct-project/viaduct/sipparse"
)

// NextHop is the URI that the sender of the request with the given head had to
// resolve: that of the first Route, else the Request-URI (RFC 3261 section
// 8.1.2). ok is false if there is none that can be read. It reads the head
// anew, so it is for requests that are worth it. Its byte slices point into
// head.
func NextHop(head []byte) (uri sipparse.URIParts, ok bool) {
	start, route, routed := read(head)
	if routed {
		return route, len(route.Host) > 0
	}
	sipparse.ParseURI(start.URI, &uri)
	return uri, len(uri.Host) > 0
}

// Route is the URI of the request's first Route: where it goes for sure, while
// one without may go to a server that its sender was told of. ok is false if
// there is none. Its byte slices point into head.
func Route(head []byte) (uri sipparse.URIParts, ok bool) {
	_, route, routed := read(head)
	return route, routed && len(route.Host) > 0
}

// read finds the request line and the first Route.
func read(head []byte) (start sipparse.StartLine, route sipparse.URIParts, routed bool) {
	var p sipparse.Parser
	start, err := p.Start(head)
	if err != nil || !start.Request {
		return sipparse.StartLine{}, route, false
	}
	for p.Next() {
		h := p.Field()
		if h.ID != sipparse.HeaderRoute {
			continue
		}
		var a sipparse.Address
		if list := h.Addresses(); list.Next(&a) {
			return start, a.URIParts, true
		}
	}
	return start, route, false
}

// HopIs says whether the next hop of the request with the given head is written
// as the address and port of at, so that nothing had to be resolved. A URI
// without a port has the default one, secure says of which.
func HopIs(head []byte, at netip.AddrPort, secure bool) bool {
	hop, ok := NextHop(head)
	if !ok {
		return false
	}
	host, port := hop.Host, hop.Port
	if len(hop.MAddr) > 0 {
		host = hop.MAddr // RFC 3263 section 4
	}
	if !hop.HasPort {
		port = defaultPort(secure)
	}
	if port != at.Port() {
		return false
	}
	addr, err := netip.ParseAddr(string(bytes.Trim(host, "[]"))) // maddr keeps its brackets
	return err == nil && addr.Unmap() == at.Addr()
}

func defaultPort(secure bool) uint16 {
	if secure {
		return 5061
	}
	return 5060
}

// FromHost is the host of the URI in From, nil if there is none.
func FromHost(head []byte) []byte {
	var p sipparse.Parser
	if _, err := p.Start(head); err != nil {
		return nil
	}
	for p.Next() {
		if h := p.Field(); h.ID == sipparse.HeaderFrom {
			var a sipparse.Address
			h.Address(&a)
			return a.Host
		}
	}
	return nil
}
