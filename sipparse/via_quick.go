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
	if i < 0 || i > n-16 || cap(b)-n < quickSlack || word(b, i) != wordSIPSlash20 {
		return -1
	}
	x := word(b, i+8)
	switch uint32(x) {
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
	host := i + 12
	end := hostEnd(b, host)
	if end == host || end > n {
		return -1
	}
	v.Version, v.TransportName, v.Host = b[i+4:i+7], b[i+8:i+11], b[host:end]
	if i = end; i < n && b[i] == ':' {
		port, k := digits(word(b, i+1))
		if k == 0 || port == 0 || port > 65535 {
			return -1
		}
		v.HasPort, v.Port = true, uint16(port)
		i += 1 + k
	}
	params := i
	if i = v.quickParams(b, i); i < 0 || i > n {
		return -1
	}
	if params < i {
		v.Params = b[params:i]
	}
	v.Raw = b[start:i]
	return i
}

// quickParams reads the parameters at b[i:] and returns where they end, which may
// be behind b; or -1.
func (v *Via) quickParams(b []byte, i int) int {
	for i >= 0 && i < len(b) && b[i] != ',' {
		if b[i] != ';' {
			return -1
		}
		i++
		x := word(b, i)
		m := maskStop(x)
		if m == 0 {
			i = v.longParam(b, i, x)
			continue
		}
		// In front of a stop, setting the bit of lower case makes no letter of
		// anything else. And what follows is looked for behind the name that is
		// known by then, not behind the end that was found: so the processor need
		// not wait for it.
		switch name := i; (x | bytes20) & before(m) {
		case wordBranch:
			value := name + len("branch=")
			i = valueStop(b, value)
			if v.HasBranch || byteAt(x, len("branch")) != '=' || i-value == len(cookie) || i == value || i > len(b) {
				return -1
			}
			v.HasBranch, v.Branch = true, b[value:i]
			continue
		case wordRPort:
			i = v.RPort.quick(b, name+len("rport"), byteAt(x, len("rport")) == '=', 65535)
			continue
		case wordKeep:
			i = v.Keep.quick(b, name+len("keep"), byteAt(x, len("keep")) == '=', keepLimit)
			continue
		case wordAlias:
			v.Alias = true
			i += len("alias")
		case wordOB:
			v.OB = true
			i += len("ob")
		default:
			// Another name, or one with a rare meaning.
			k := firstByte(m)
			if i += k; k == 3 || k == 5 || i > len(b) || !isToken(b[name:i]) {
				return -1
			}
		}
		if i < len(b) && b[i] == '=' {
			value := i + 1
			if i = valueStop(b, value); i == value {
				return -1
			}
		}
	}
	return i
}

// longParam reads the parameter at b[i:], whose name has eight bytes or more, the
// first of them in word, and returns where it ends, or -1.
func (v *Via) longParam(b []byte, i int, word uint64) int {
	nameEnd := i + 8
	known := foldWord(word) == wordReceived && nameEnd < len(b) && b[nameEnd] == '='
	if !known {
		nameEnd = run(b, i, classToken)
		if nameEnd >= len(b) || b[nameEnd] != '=' || nameEnd-i == len("persistent") {
			return -1
		}
	}
	value := nameEnd + 1
	end := valueStop(b, value)
	if end == value || end > len(b) {
		return -1
	}
	if known {
		if v.HasReceived || b[value] == '[' {
			return -1
		}
		v.HasReceived, v.Received = true, b[value:end]
	}
	return end
}
