// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// Scheme is a URI scheme that has a name here.
type Scheme uint8

const (
	SchemeOther Scheme = iota
	SchemeSIP
	SchemeSIPS
	SchemeTel
)

// URIParts are the parts of a SIP or SIPS URI (RFC 3261 section 19.1). Of
// another scheme only the scheme is read.
type URIParts struct {
	Scheme        Scheme
	SchemeName    []byte
	User          []byte // everything before the @, password included, escapes left in
	Host          []byte // without brackets
	IPv6          bool
	HasPort       bool
	Port          uint16
	Transport     Transport
	TransportName []byte
	MAddr         []byte
	LR            bool
	OB            bool   // RFC 5626, in Contact and Path
	URIParams     []byte // from the first semicolon on
	URIHeaders    []byte // after the question mark
}

// ParseURI reads a URI without brackets around it.
func ParseURI(uri []byte, u *URIParts) Defects {
	var d Defects
	*u = URIParts{}
	u.parse(uri, 0, &d)
	return d
}

func (u *URIParts) parse(b []byte, base int, d *Defects) {
	colon := run(b, 0, classToken)
	if colon == 0 || colon == len(b) || b[colon] != ':' {
		d.add(CodeURIInvalid, base)
		return
	}
	u.SchemeName = b[:colon]
	switch {
	case foldEqual(u.SchemeName, "sip"):
		u.Scheme = SchemeSIP
	case foldEqual(u.SchemeName, "sips"):
		u.Scheme = SchemeSIPS
	case foldEqual(u.SchemeName, "tel"):
		u.Scheme = SchemeTel
		return
	default:
		return
	}
	i := colon + 1
	did(len(b))
	// An @ must be escaped everywhere else, so the last one ends the userinfo:
	// what comes before may hold ; and ? (RFC 3261 section 25.1).
	if at := bytes.LastIndexByte(b[i:], '@'); at >= 0 {
		u.User = b[i : i+at]
		i += at + 1
	}
	h := parseHost(b, i, base, false, d)
	u.Host, u.IPv6, u.HasPort, u.Port = h.host, h.ipv6, h.hasPort, h.port
	if len(h.host) == 0 {
		d.add(CodeHostMissing, base+i)
	}
	i = h.end
	if i < len(b) && b[i] == ';' {
		end := len(b)
		if q := bytes.IndexByte(b[i:], '?'); q >= 0 {
			end = i + q
		}
		u.URIParams = b[i:end]
		u.params(base+i, d)
		i = end
	}
	if i < len(b) && b[i] == '?' {
		u.URIHeaders = b[i+1:]
		i = len(b)
	}
	if i < len(b) {
		d.add(CodeURIInvalid, base+i)
	}
}

func (u *URIParts) params(base int, d *Defects) {
	b := u.URIParams
	var p param
	for i := 0; i < len(b); {
		if i = nextURIParam(b, i, &p); p.done {
			return
		}
		name := b[p.name:p.nameEnd]
		if len(name) == 0 {
			d.add(CodeParamInvalid, base+p.name)
			continue
		}
		switch {
		case len(name) == 2 && foldEqual(name, "lr"):
			u.LR = true
		case len(name) == 2 && foldEqual(name, "ob"):
			u.OB = true
		case len(name) == 9 && foldEqual(name, "transport"):
			if u.TransportName != nil {
				d.add(CodeParamDuplicate, base+p.name)
				break
			}
			u.TransportName = p.text(b)
			u.Transport = LookupTransport(u.TransportName)
		case len(name) == 5 && foldEqual(name, "maddr"):
			p.host(b, &u.MAddr, base, d)
		}
	}
}

// nextURIParam reads ;pname[=pvalue] at b[i], which is a semicolon. URI
// parameters have no quoting and no LWS, and more bytes than a token.
func nextURIParam(b []byte, i int, p *param) int {
	start := i
	*p = param{}
	i++
	s := i
	for i < len(b) && b[i] != ';' && b[i] != '=' {
		i++
	}
	p.name, p.nameEnd, p.value, p.valueEnd = s, i, i, i
	if i < len(b) && b[i] == '=' {
		i++
		p.hasValue, p.value = true, i
		for i < len(b) && b[i] != ';' {
			i++
		}
		p.valueEnd = i
	}
	did(i - start)
	return i
}
