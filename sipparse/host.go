// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

type hostPort struct {
	host          []byte
	ipv6, hasPort bool
	port          uint16
	end           int
}

// parseHost reads host [":" port] at b[i:] up to a byte that ends a host. With
// lws, white space around the colon is allowed, as in a Via's sent-by
// (RFC 3261 section 20.42); a URI has none.
func parseHost(b []byte, i, base int, lws bool, d *Defects) (h hostPort) {
	if i < len(b) && b[i] == '[' {
		did(maxIPv6)
		j := bytes.IndexByte(b[i:min(len(b), i+maxIPv6)], ']')
		if j < 0 {
			d.add(CodeBracketOpen, base+i)
			s := i + 1
			i = s
			for i < len(b) && (class[b[i]]&classHost != 0 || b[i] == ':') {
				did(1)
				i++
			}
			h.host, h.ipv6, h.end = b[s:i], true, i
			return h
		}
		h.host, h.ipv6 = b[i+1:i+j], true
		i += j + 1
		if !isIPv6(h.host) {
			d.add(CodeHostInvalid, base+i-j)
		}
	} else {
		s := i
		for i < len(b) && class[b[i]]&classHost != 0 {
			i++
		}
		if i < len(b) && b[i] == ':' && isUnbracketed(b, s) {
			// Where the address ends and a port begins cannot be told
			// (RFC 5118 section 4.3): all of it is taken as the address.
			d.add(CodeHostUnbracketed, base+s)
			for i < len(b) && (class[b[i]]&classHost != 0 || b[i] == ':') {
				did(1)
				i++
			}
			h.host, h.ipv6, h.end = b[s:i], true, i
			return h
		}
		h.host = b[s:i]
		if j := run(b[:i], s, classHostName); j < i {
			d.add(CodeHostInvalid, base+j)
		}
	}
	h.end = i
	if lws {
		i = skipLWS(b, i)
	}
	if i >= len(b) || b[i] != ':' {
		return h
	}
	i++
	if lws {
		i = skipLWS(b, i)
	}
	s := i
	i, n, code := number(b, i, 65535)
	h.end = run(b, i, classHost)
	if code != CodeNone || h.end != i || n == 0 {
		d.add(CodePortInvalid, base+s)
		return h
	}
	h.port, h.hasPort = uint16(n), true
	return h
}

// maxIPv6 bounds the look for a closing bracket: an address with a zone
// identifier is shorter.
const maxIPv6 = 128

// isUnbracketed reports whether b[i:] is an IPv6 address without brackets: at
// least two colons in bytes that such an address can have.
func isUnbracketed(b []byte, i int) bool {
	colons := 0
	for j := i; j < len(b) && j < i+maxIPv6; j++ {
		did(1)
		c := b[j]
		switch {
		case c == ':':
			if colons++; colons == 2 {
				return true
			}
		case c-'0' > 9 && (c|0x20)-'a' > 5 && c != '.':
			return false
		}
	}
	return false
}

// isIPv6 reports whether h has the bytes of an IPv6 address: it is a check for
// faults, not a full parse, which belongs to net/netip.
func isIPv6(h []byte) bool {
	for i, c := range h {
		if c == '%' {
			return i > 0
		}
		if c-'0' > 9 && (c|0x20)-'a' > 5 && c != ':' && c != '.' {
			return false
		}
	}
	return bytes.IndexByte(h, ':') >= 0
}
