// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"math"
)

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
	if n-i < 8 || cap(b)-n < quickSlack {
		return -1
	}
	w := b[:n+quickSlack]
	if b[i] != '<' {
		if i = a.quickName(b, i); i < 0 {
			return -1
		}
	}
	if i = a.quickURI(b, w, i+1); i < 0 {
		return -1
	}
	a.Bracketed = true
	params := i
	var p paramWord
	for i < n && b[i] != ',' {
		end := quickParam(b, w, i, &p)
		if end < 0 {
			return -1
		}
		switch p.word {
		case wordTag:
			if a.Tag != nil || !p.hasValue {
				return -1
			}
			a.Tag = b[p.value:p.valueEnd]
		case wordExpires:
			if !a.Expires.quick(b[p.value:p.valueEnd], p.hasValue, math.MaxUint32) {
				return -1
			}
		case wordRegID:
			if !a.RegID.quick(b[p.value:p.valueEnd], p.hasValue, math.MaxInt32) {
				return -1
			}
		default:
			if p.nameEnd-p.name == lenInstance || !isToken(b[p.name:p.nameEnd]) {
				return -1
			}
		}
		i = end
	}
	if params < i {
		a.Params = b[params:i]
	}
	a.Raw = b[start:i]
	return i
}

// quickName reads a display name of tokens, or in quotes without an escape, and
// returns the index of the bracket behind it.
func (a *Address) quickName(b []byte, i int) int {
	s := i
	if b[i] == '"' {
		for i++; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' {
				return -1
			}
		}
		a.DisplayName = b[s+1 : min(i, len(b))]
		i++
		if i < len(b) && b[i] == ' ' {
			i++
		}
		if i >= len(b) || b[i] != '<' {
			return -1
		}
		return i
	}
	for i < len(b) && (class[b[i]]&classToken != 0 || b[i] == ' ') {
		i++
	}
	if i == len(b) || b[i] != '<' {
		return -1
	}
	e := i
	for e > s && b[e-1] == ' ' {
		e--
	}
	a.DisplayName = b[s:e]
	return i
}

// quickURI reads a SIP URI and the bracket behind it, and returns the index
// after that.
func (a *Address) quickURI(b, w []byte, i int) int {
	n, s := len(b), i
	if i+4 > n || uint32(word(w, i)) != wordSIP {
		return -1
	}
	a.Scheme, a.SchemeName = SchemeSIP, b[i:i+3]
	i += 4
	h := i
	if b[min(i, n-1)] == '+' {
		i++
	}
	if i = hostEnd(w, i); i < n && b[i] == '@' {
		a.User = b[h:i]
		h = i + 1
		i = hostEnd(w, h)
	}
	if i >= n || i == h || b[h] == '+' {
		return -1
	}
	a.Host = b[h:i]
	if b[i] == ':' {
		port := uint32(0)
		for i++; i < n && b[i]-'0' <= 9 && port < 1e5; i++ {
			port = port*10 + uint32(b[i]-'0')
		}
		if port == 0 || port > 65535 {
			return -1
		}
		a.HasPort, a.Port = true, uint16(port)
	}
	params := i
	for i < n && b[i] == ';' {
		if i = a.quickURIParam(b, w, i+1); i < 0 {
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
func (a *Address) quickURIParam(b, w []byte, i int) int {
	s := i
	name := word(w, i)
	if m := maskNotHost(name); m != 0 {
		k := firstByte(m)
		i += k
		name = foldWord(name & lowBytes(k))
	} else {
		i = hostEnd(w, i+8)
		name = foldWord(name)
		if name == wordTranspor && i == s+9 && w[s+8]|0x20 != 't' {
			name = 0
		}
	}
	if i >= len(b) || i == s {
		return -1
	}
	nameEnd, value := i, []byte(nil)
	if b[i] == '=' {
		v := i + 1
		if i = hostEnd(w, v); i >= len(b) {
			return -1
		}
		value = b[v:i]
	}
	switch name {
	case wordLR:
		a.LR = true
	case wordOB:
		a.OB = true
	case wordMAddr:
		return -1
	case wordTranspor:
		if nameEnd == s+9 {
			if a.TransportName != nil || value == nil {
				return -1
			}
			a.TransportName, a.Transport = value, LookupTransport(value)
		}
	}
	return i
}

// quickTag finds the tag if it is the only parameter behind a URI in brackets,
// or if there is none. It is false if it takes more to tell.
func quickTag(b []byte) (tag []byte, ok bool) {
	if cap(b)-len(b) < quickSlack {
		return nil, false
	}
	i := 0
	for i < len(b) && (class[b[i]]&classToken != 0 || b[i] == ' ') {
		i++
	}
	if i == len(b) || b[i] != '<' {
		return nil, false
	}
	j := bytes.IndexByte(b[i:], '>')
	if j < 0 {
		return nil, false
	}
	i += j + 1
	if i == len(b) {
		return nil, true
	}
	w := b[:len(b)+quickSlack]
	if foldWord(word(w, i)&lowBytes(5)) != wordTagIs || i+5 >= len(b) {
		return nil, false
	}
	if i += 5; valueStop(w, i) != len(b) {
		return nil, false
	}
	return b[i:], true
}
