// SPDX-License-Identifier: Apache-2.0

package sipparse

// quickSlack is how many bytes must be readable behind a value for the quick
// paths, which load words: there are in a Header's Value, whose bytes lie in a
// message.
const quickSlack = 24

// Parameter names and transports as words.
const (
	wordSIPSlash20 = 0x2f302e322f504953 // "SIP/2.0/"
	wordUDP        = 0x20504455         // "UDP "
	wordTCP        = 0x20504354         // "TCP "
	wordTLS        = 0x20534c54         // "TLS "
	wordWSS        = 0x20535357         // "WSS "
	wordBranch     = 0x68636e617262     // "branch"
	wordRPort      = 0x74726f7072       // "rport"
	wordReceived   = 0x6465766965636572 // "received"
	wordAlias      = 0x7361696c61       // "alias"
	wordKeep       = 0x7065656b         // "keep"
	wordOB         = 0x626f             // "ob"
)

// quick reads the via-parm at b[i:] if it is written without white space,
// quotes, IPv6 or faults, and returns where it ends; or -1, and then v holds
// nothing of value.
func (v *Via) quick(b []byte, i int) int {
	n, start := len(b), i
	if n-i < 16 || cap(b)-n < quickSlack || word(b, i) != wordSIPSlash20 {
		return -1
	}
	w := b[:n+quickSlack]
	switch uint32(word(b, i+8)) {
	case wordUDP:
		v.Transport = TransportUDP
	case wordTCP:
		v.Transport = TransportTCP
	case wordTLS:
		v.Transport = TransportTLS
	case wordWSS:
		v.Transport = TransportWSS
	default:
		return -1
	}
	v.Version, v.TransportName = b[i+4:i+7], b[i+8:i+11]
	i += 12
	end := min(hostEnd(w, i), n)
	if end == i {
		return -1
	}
	v.Host = b[i:end]
	i = end
	if i < n && b[i] == ':' {
		port := uint32(0)
		for i++; i < n && b[i]-'0' <= 9 && port < 1e5; i++ {
			port = port*10 + uint32(b[i]-'0')
		}
		if port == 0 || port > 65535 {
			return -1
		}
		v.HasPort, v.Port = true, uint16(port)
	}
	params := i
	for i < n && b[i] != ',' {
		if b[i] != ';' {
			return -1
		}
		// Name and end are looked for side by side, not one behind the other.
		s := i + 1
		i = paramEnd(w, s)
		name := word(w, s)
		m := maskStop(name)
		if i > n {
			return -1
		}
		if m == 0 { // eight bytes or more
			if !v.longParam(b, s, i, name) {
				return -1
			}
			continue
		}
		k := firstByte(m)
		name = foldWord(name & lowBytes(k))
		value := s + k
		hasValue := value < i && b[value] == '='
		if hasValue {
			value++
		}
		if hasValue == (value == i) || i < n && b[i] != ';' && b[i] != ',' {
			return -1 // among others: an empty value, or a name with other bytes
		}
		switch name {
		case wordBranch:
			if v.HasBranch || !hasValue || i-value == len(cookie) {
				return -1
			}
			v.HasBranch, v.Branch = true, b[value:i]
		case wordRPort:
			if !v.RPort.quick(b[value:i], hasValue, 65535) {
				return -1
			}
		case wordKeep:
			if !v.Keep.quick(b[value:i], hasValue, keepLimit) {
				return -1
			}
		case wordAlias:
			v.Alias = true
		case wordOB:
			v.OB = true
		default:
			// Another name, or one with a rare meaning.
			if k == 3 || k == 5 || !isToken(b[s:s+k]) {
				return -1
			}
		}
	}
	if params < i {
		v.Params = b[params:i]
	}
	v.Raw = b[start:i]
	return i
}

// longParam stores the parameter b[s:end], whose name has eight bytes or more,
// the first of them in word. It is false if it takes more to read it.
func (v *Via) longParam(b []byte, s, end int, word uint64) bool {
	n := len(b)
	if end < n && b[end] != ';' && b[end] != ',' {
		return false
	}
	nameEnd := run(b[:end], s, classToken)
	value := nameEnd + 1
	if value >= end || b[nameEnd] != '=' || nameEnd-s == len("persistent") {
		return false
	}
	if nameEnd == s+8 && foldWord(word) == wordReceived {
		if v.HasReceived || b[value] == '[' {
			return false
		}
		v.HasReceived, v.Received = true, b[value:end]
	}
	return true
}
