// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"math"
)

// Via is one via-parm (RFC 3261 section 20.42): a Via field may hold several.
type Via struct {
	Version       []byte // "2.0"
	Transport     Transport
	TransportName []byte
	Host          []byte // sent-by without its port and without brackets
	IPv6          bool   // Host is an IPv6 address
	HasPort       bool   // a valid port is there
	Port          uint16
	Branch        []byte
	Received      []byte   // without quotes or brackets
	MAddr         []byte   // without quotes or brackets
	RPort         NumParam // RFC 3581: bare in requests
	Keep          NumParam // RFC 6223: bare offers, a number accepts; saturates at 2^31-1
	TTL           NumParam
	Alias         bool // RFC 5923, with or without a value
	Persistent    bool // draft-jain-sipping-persistent-conn-reqs
	OB            bool
	HasReceived   bool
	HasBranch     bool
	Params        []byte // all parameters from the first semicolon on; see [Params]
	Raw           []byte // the whole via-parm
	Offset        int    // of Raw
	Defects       Defects
}

// ViaList iterates over the values of one Via field. Bytes that make no sense
// are a Via with defects, so the count of Vias is never short in silence.
type ViaList struct {
	b    []byte
	pos  int
	base int
	// Defects has the empty elements.
	Defects Defects
}

// Vias iterates over the value of a Via field; offsets count from its start.
func Vias(value []byte) ViaList { return ViaList{b: value} }

// Vias iterates over the values of a Via field; offsets count from the start
// of the message.
func (h *Header) Vias() ViaList { return ViaList{b: h.Value, base: h.ValueOffset} }

// keepLimit is where seconds saturate: more than anybody waits, and safe to
// turn into a time.Duration.
const keepLimit = math.MaxInt32

// More says whether anything is left to read, a value or the rest of a broken
// list.
func (l *ViaList) More() bool { return l.pos < len(l.b) }

// Next reads the next value into v, all of whose fields it sets, and reports
// whether there was one.
func (l *ViaList) Next(v *Via) bool {
	b := l.b
	for {
		i := l.pos
		if i > 0 || len(b) == 0 || b[0] <= ',' { // not simply the first
			if i > 0 && i == len(b) {
				return false
			}
			if i = nextElement(b, i, l.base, &l.Defects); i < 0 {
				l.pos = len(b)
				return false
			}
		}
		*v = Via{}
		v.Offset = l.base + i
		if end := v.quick(b, i); end >= 0 {
			l.pos = end
			return true
		}
		*v = Via{Offset: v.Offset}
		l.pos = v.slow(b, i, l.base)
		if len(v.Host)+len(v.TransportName)+len(v.Version) > 0 {
			return true
		}
		l.Defects.add(CodeListEmpty, l.base+i) // semicolons and nothing else
	}
}

// slow reads the via-parm at b[i:] in whatever form it has, and returns where
// it ends.
func (v *Via) slow(b []byte, i, base int) int {
	start := i
	i = v.protocol(b, i, base)
	v.Transport = LookupTransport(v.TransportName)
	i = v.sentBy(b, i, base)
	p := i
	i = v.params(b, i, base)
	_, end := trimLWS(b, start, i)
	if p = skipLWS(b[:end], p); p < end && b[p] == ';' {
		v.Params = b[p:end]
	}
	v.Raw = b[start:end]
	return i
}

// protocol reads a sent-protocol.
func (v *Via) protocol(b []byte, i, base int) int {
	var part [3][]byte
	start := i
	for n := range part {
		i = skipLWS(b, i)
		s := i
		for i < len(b) && class[b[i]]&classHost != 0 && b[i] != '/' {
			i++
		}
		part[n] = b[s:i]
		if n == 2 {
			break
		}
		if j := skipLWS(b, i); j < len(b) && b[j] == '/' {
			i = j + 1
			continue
		}
		// Fewer than three parts. The last is more likely the transport if
		// another word follows, and the sent-by if none does.
		v.Defects.add(CodeProtocolInvalid, base+start)
		j := skipLWS(b, i)
		if j == i || j == len(b) || class[b[j]]&classHost == 0 {
			return s
		}
		if n == 0 {
			v.TransportName = part[0]
		} else {
			v.Version = part[1]
		}
		return j
	}
	v.Version, v.TransportName = part[1], part[2]
	switch {
	case !foldEqual(part[0], "sip") || len(part[1]) == 0 || len(part[2]) == 0:
		v.Defects.add(CodeProtocolInvalid, base+start)
	case string(part[1]) != "2.0":
		v.Defects.add(CodeVersionUnknown, base+start)
	}
	return skipLWS(b, i)
}

// sentBy reads host [COLON port].
func (v *Via) sentBy(b []byte, i, base int) int {
	h := parseHost(b, i, base, true, &v.Defects)
	v.Host, v.IPv6, v.HasPort, v.Port = h.host, h.ipv6, h.hasPort, h.port
	if len(h.host) == 0 {
		v.Defects.add(CodeHostMissing, base+i)
	}
	return h.end
}

// params reads the parameters up to the comma that ends the value, or to the
// end of b, and returns its index.
func (v *Via) params(b []byte, i, base int) int {
	var p param
	for i < len(b) {
		i = nextParam(b, i, base, true, &p, &v.Defects)
		if p.done {
			break
		}
		name := b[p.name:p.nameEnd]
		switch len(name) {
		case 2:
			if foldEqual(name, "ob") {
				v.OB = true
			}
		case 3:
			if foldEqual(name, "ttl") {
				p.number(b, &v.TTL, 255, base, &v.Defects)
			}
		case 4:
			if foldEqual(name, "keep") {
				p.number(b, &v.Keep, keepLimit, base, &v.Defects)
			}
		case 5:
			switch {
			case foldEqual(name, "rport"):
				p.number(b, &v.RPort, 65535, base, &v.Defects)
			case foldEqual(name, "alias"):
				v.Alias = true
			case foldEqual(name, "maddr"):
				p.host(b, &v.MAddr, base, &v.Defects)
			}
		case 6:
			if foldEqual(name, "branch") {
				if v.HasBranch {
					v.Defects.add(CodeParamDuplicate, base+p.name)
					break
				}
				v.HasBranch, v.Branch = true, p.text(b)
				if len(v.Branch) == 0 {
					v.Defects.add(CodeValueEmpty, base+p.name)
				} else if len(v.Branch) == len(cookie) && v.Cookie() {
					v.Defects.add(CodeBranchCookie, base+p.value)
				}
			}
		case 8:
			if foldEqual(name, "received") {
				v.HasReceived = true
				p.host(b, &v.Received, base, &v.Defects)
			}
		case 10:
			if foldEqual(name, "persistent") {
				v.Persistent = true
			}
		}
	}
	return i
}

const cookie = "z9hG4bK"

// Cookie reports whether the branch begins with the magic cookie of RFC 3261
// section 8.1.1.7, that is, whether it names a transaction by itself.
func (v *Via) Cookie() bool {
	return len(v.Branch) >= len(cookie) && string(v.Branch[:len(cookie)]) == cookie
}
