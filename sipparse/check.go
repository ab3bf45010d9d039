// SPDX-License-Identifier: Apache-2.0

package sipparse

import "math"

// Check reads everything in a message that this package can read, and returns
// all defects: of the start line, the lines, the values, and those that only
// show across fields, such as a missing or repeated one. Offsets count from the
// start of msg. The error is that of [Parser.Start].
//
// It is for tools and tests; a program that wants some of the fields finds their
// defects where it reads them.
func Check(msg []byte) (Defects, error) {
	var p Parser
	start, err := p.Start(msg)
	if err != nil {
		return Defects{}, err
	}
	c := checker{d: start.Defects, start: &start}
	if start.Request && !start.Defects.Has(CodeURIBrackets) && !start.Defects.Has(CodeURISpace) {
		c.requestURI(offsetIn(msg, start.URI))
	}
	for p.Next() {
		c.field(p.Field())
	}
	c.across(p.BodyOffset())
	c.d.merge(&p.defects)
	return c.d, nil
}

type checker struct {
	d     Defects
	start *StartLine
	seen  uint64 // bit per HeaderID
}

// offsetIn returns where in b its part sub begins.
func offsetIn(b, sub []byte) int { return cap(b) - cap(sub) }

func (c *checker) requestURI(at int) {
	var u URIParts
	u.parse(c.start.URI, at, &c.d)
	if u.URIHeaders != nil { // RFC 3261 section 19.1.1
		c.d.add(CodeURIHeaders, at)
	}
}

// limits are the largest values of the fields that hold one number.
var limits = map[HeaderID]uint32{
	HeaderExpires: math.MaxUint32, HeaderMinExpires: math.MaxUint32, HeaderRetryAfter: math.MaxUint32,
	HeaderFlowTimer: math.MaxUint32, HeaderPersistentTimeout: math.MaxUint32,
	HeaderMinPersistence: math.MaxUint32, HeaderMaxForwards: 255, HeaderRSeq: math.MaxUint32,
	HeaderContentLength: math.MaxUint32,
}

func (c *checker) field(h *Header) {
	again := c.seen&(1<<h.ID) != 0
	c.seen |= 1 << h.ID
	single := false
	switch h.ID {
	case HeaderOther:
		return
	case HeaderVia:
		l, v := h.Vias(), Via{}
		for l.Next(&v) {
			c.d.merge(&v.Defects)
		}
		c.d.merge(&l.Defects)
	case HeaderFrom, HeaderTo:
		single = true
		var a Address
		h.Address(&a)
		c.d.merge(&a.Defects)
		if h.ID == HeaderFrom && a.Tag == nil {
			c.d.add(CodeMissingTag, h.Offset)
		}
	case HeaderContact, HeaderRoute, HeaderRecordRoute, HeaderPath, HeaderServiceRoute:
		l, a := h.Addresses(), Address{}
		for l.Next(&a) {
			c.d.merge(&a.Defects)
		}
		c.d.merge(&l.Defects)
	case HeaderCSeq:
		single = true
		cseq := h.CSeq()
		c.d.merge(&cseq.Defects)
		if c.start.Request && string(cseq.MethodName) != string(c.start.MethodName) {
			c.d.add(CodeCSeqMethod, h.ValueOffset)
		}
	case HeaderCallID:
		single = true
		if len(h.Value) == 0 {
			c.d.add(CodeValueEmpty, h.ValueOffset)
		}
	case HeaderSupported, HeaderRequire, HeaderProxyRequire, HeaderUnsupported, HeaderAllow:
		l := h.Tags()
		for l.Next() != nil {
		}
		c.d.merge(&l.Defects)
	default:
		limit, ok := limits[h.ID]
		if !ok {
			return
		}
		single = true
		if _, code := parseNumber(h.Value, limit); code != CodeNone {
			c.d.add(code, h.ValueOffset)
		}
	}
	if single && again {
		c.d.add(CodeHeaderDuplicate, h.Offset)
	}
}

// across records the fields that are missing: RFC 3261 section 8.1.1 wants them
// in every request, section 8.2.6.2 in every response but for Max-Forwards.
func (c *checker) across(end int) {
	for _, want := range [...]struct {
		id   HeaderID
		code Code
	}{
		{HeaderVia, CodeMissingVia}, {HeaderCallID, CodeMissingCallID}, {HeaderCSeq, CodeMissingCSeq},
		{HeaderFrom, CodeMissingFrom}, {HeaderTo, CodeMissingTo}, {HeaderMaxForwards, CodeMissingMaxForwards},
	} {
		if c.seen&(1<<want.id) == 0 && (c.start.Request || want.id != HeaderMaxForwards) {
			c.d.add(want.code, end)
		}
	}
}
