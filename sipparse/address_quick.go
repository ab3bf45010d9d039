// SPDX-License-Identifier: Apache-2.0

package sipparse

import "math"

const (
	wordTag      = 0x676174           // "tag"
	wordTagIs    = 0x3d6761743b       // ";tag="
	wordRegID    = 0x64692d676572     // "reg-id"
	wordExpires  = 0x73657269707865   // "expires"
	wordSIP      = 0x3a706973         // "sip:"
	wordLR       = 0x726c             // "lr"
	wordTranspor = 0x726f70736e617274 // "transpor"
	wordMAddr    = 0x726464616d       // "maddr"
	lenInstance  = 13                 // of "+sip.instance"
)

// quick reads [name] <sip:[user@]host[:port][;params]> [;params] at b[i:] if it
// has no other white space, quoting, IPv6 or faults, and returns where it ends;
// or -1, and then a holds nothing of value.
func (a *Address) quick(b []byte, i int) int {
	n, start := len(b), i
	if i < 0 || i > n-8 || cap(b)-n < quickSlack {
		return -1
	}
	if b[i] != '<' {
		if i = quickName(b, i); i < 0 {
			return -1
		}
		a.DisplayName = trimName(b[start:i])
	}
	if i = a.quickURI(b, i+1); i < 0 {
		return -1
	}
	a.Bracketed = true
	params := i
	for i < n && b[i] != ',' {
		if i = a.quickParam(b, i); i < 0 {
			return -1
		}
	}
	if i > n {
		return -1
	}
	if params < i {
		a.Params = b[params:i]
	}
	a.Raw = b[start:i]
	return i
}

// quickParam reads the parameter at b[i], which must be a semicolon, and returns
// where it ends, which may be behind b; or -1.
func (a *Address) quickParam(b []byte, i int) int {
	if b[i] != ';' {
		return -1
	}
	i++
	x := word(b, i)
	m := maskStop(x)
	nameEnd := i + firstByte(m)
	if m == 0 {
		if nameEnd = run(b, i, classToken); nameEnd < i+8 { // the rest is behind b
			return -1
		}
	} else {
		hasValue := byteAt(x, nameEnd-i) == '='
		switch foldWord(x & before(m)) {
		case wordTag:
			value := i + len("tag=")
			i = valueStop(b, value)
			if a.Tag != nil || !hasValue || i == value || i > len(b) {
				return -1
			}
			a.Tag = b[value:i]
			return i
		case wordExpires:
			return a.Expires.quick(b, i+len("expires"), hasValue, math.MaxUint32)
		case wordRegID:
			return a.RegID.quick(b, i+len("reg-id"), hasValue, math.MaxInt32)
		}
		if nameEnd > len(b) || !isToken(b[i:nameEnd]) {
			return -1
		}
	}
	if nameEnd-i == lenInstance {
		return -1
	}
	if nameEnd == len(b) || b[nameEnd] != '=' {
		return nameEnd
	}
	value := nameEnd + 1
	if i = valueStop(b, value); i == value {
		return -1
	}
	return i
}

// quickName reads a display name of tokens, or in quotes without an escape, and
// returns the index of the bracket behind it, or -1.
func quickName(b []byte, i int) int {
	if i < 0 {
		return -1
	}
	if b[i] == '"' {
		for i++; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' {
				return -1
			}
		}
		i++
		if i < len(b) && b[i] == ' ' {
			i++
		}
	} else {
		for i < len(b) && class[b[i]]&className != 0 {
			i++
		}
	}
	if i >= len(b) || b[i] != '<' {
		return -1
	}
	return i
}

// trimName returns the text of what quickName read.
func trimName(name []byte) []byte {
	for len(name) > 0 && name[len(name)-1] == ' ' {
		name = name[:len(name)-1]
	}
	if len(name) > 1 && name[0] == '"' {
		name = name[1 : len(name)-1]
	}
	return name
}

// quickURI reads a SIP URI and the bracket behind it, and returns the index
// after that.
func (a *Address) quickURI(b []byte, i int) int {
	n, s := len(b), i
	if i < 0 || i > n-6 || uint32(word(b, i)) != wordSIP {
		return -1
	}
	h := i + 4
	i = h
	if b[i] == '+' { // of a telephone number
		i++
	}
	if i = hostEnd(b, i); i < n && b[i] == '@' {
		a.User = b[h:i]
		h = i + 1
		i = hostEnd(b, h)
	}
	if i >= n || i == h || b[h] == '+' {
		return -1
	}
	a.Scheme, a.SchemeName, a.Host = SchemeSIP, b[s:s+3], b[h:i]
	if b[i] == ':' {
		port, k := digits(word(b, i+1))
		if k == 0 || port == 0 || port > 65535 {
			return -1
		}
		a.HasPort, a.Port = true, uint16(port)
		i += 1 + k
	}
	params := i
	for i < n && b[i] == ';' {
		if i = a.quickURIParam(b, i+1); i < 0 {
			return -1
		}
	}
	if i >= n || b[i] != '>' {
		return -1
	}
	if params < i {
		a.URIParams = b[params:i]
	}
	a.URI = b[s:i]
	return i + 1
}

// quickURIParam reads the URI parameter whose name is at b[i] and returns where
// it ends.
func (a *Address) quickURIParam(b []byte, i int) int {
	s := i
	name := word(b, i)
	transport := false
	if m := maskNotHost(name); m != 0 {
		i += firstByte(m)
		name = foldWord(name & before(m))
	} else {
		i = hostEnd(b, i+8)
		transport = i == s+9 && i <= len(b) && foldWord(name) == wordTranspor && b[s+8]|0x20 == 't'
		name = 0
	}
	if i >= len(b) || i == s {
		return -1
	}
	var value []byte
	if b[i] == '=' {
		v := i + 1
		if i = hostEnd(b, v); i >= len(b) {
			return -1
		}
		value = b[v:i]
	}
	switch {
	case transport:
		if a.TransportName != nil || value == nil {
			return -1
		}
		a.TransportName, a.Transport = value, LookupTransport(value)
	case name == wordLR:
		a.LR = true
	case name == wordOB:
		a.OB = true
	case name == wordMAddr:
		return -1
	}
	return i
}
