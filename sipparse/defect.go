// SPDX-License-Identifier: Apache-2.0

package sipparse

import "math/bits"

// Code says what is wrong with some bytes. Its String is stable: it is meant
// for counters, reports and tests.
type Code uint8

const (
	CodeNone Code = iota

	// Start line.
	CodeStartSpace      // elements not separated by exactly one SP
	CodeStartTrailing   // white space after the last element
	CodeVersionUnknown  // not SIP/2.0
	CodeMethodInvalid   // method is not a token
	CodeStatusInvalid   // status code is not three digits of 100..699
	CodeURIBrackets     // Request-URI in angle brackets
	CodeURISpace        // white space inside a URI
	CodeURIHeaders      // headers in a Request-URI, or in a URI that needs brackets for them
	CodeURIInvalid      // no scheme, no host, or bytes that a URI cannot have
	CodeHeadEmpty       // no header field at all
	CodeHeadUnfinished  // no empty line after the header fields
	CodeLineBareLF      // a line that ends in LF alone
	CodeLineBareCR      // a line that ends in CR alone, or in CR CR LF
	CodeHeaderNoColon   // a line without a colon
	CodeHeaderName      // a field name that is not a token
	CodeValueEmpty      // nothing where a value must be
	CodeListEmpty       // an empty element in a list
	CodeQuoteOpen       // a quoted string that does not end
	CodeBracketOpen     // an angle or square bracket that does not close
	CodeParamInvalid    // a parameter without a name, or with bytes it cannot have
	CodeParamDuplicate  // a parameter given twice; the first one counts
	CodeNumberInvalid   // something else than digits where a number must be
	CodeNumberOverflow  // a number above the limit of its field
	CodeProtocolInvalid // sent-protocol is not SIP/version/transport
	CodeHostMissing     // no host
	CodeHostInvalid     // bytes a host cannot have
	CodeHostUnbracketed // an IPv6 address without brackets
	CodePortInvalid     // a port that is not a number of 1..65535
	CodeBranchCookie    // a branch that is the magic cookie and nothing else
	CodeJunk            // bytes between a value and the next separator
	CodeDisplayName     // an unquoted display name with bytes other than tokens
	CodeAddrSpace       // white space inside angle brackets
	CodeCSeqRange       // a CSeq number of 2^31 or more
	CodeCSeqMethod      // the method in CSeq is not the method of the request
	CodeMissingVia
	CodeMissingCallID
	CodeMissingCSeq
	CodeMissingFrom
	CodeMissingTo
	CodeMissingMaxForwards
	CodeMissingTag      // no tag in From (RFC 2543 style)
	CodeHeaderDuplicate // a single-value field given twice; the first one counts

	// Content-Length and what it frames.
	CodeLengthMissing  // no Content-Length on a stream
	CodeLengthInvalid  // Content-Length is not a number
	CodeLengthConflict // two Content-Length fields that differ
	CodeLengthTooLarge // Content-Length above the framer's limit
	CodeBodyShort      // fewer bytes than Content-Length says
	CodeBodyExtra      // bytes of a datagram after the body
	CodeBodyDropped    // a body above the framer's limit: counted, not given

	// Streams.
	CodeGarbage      // bytes between messages that are neither message nor keep-alive
	CodeHeadTooLarge // a head above the framer's limit
	CodeHeadCut      // a new start line inside a head
	CodeGapInHead    // bytes lost inside a head
	CodeGapInBody    // bytes lost inside a body

	codeCount
)

var codeNames = [...]string{
	CodeNone: "none", CodeStartSpace: "start-space", CodeStartTrailing: "start-trailing-space",
	CodeVersionUnknown: "version-unknown", CodeMethodInvalid: "method-invalid",
	CodeStatusInvalid: "status-invalid", CodeURIBrackets: "uri-brackets", CodeURISpace: "uri-space",
	CodeURIHeaders: "uri-headers", CodeURIInvalid: "uri-invalid", CodeHeadEmpty: "head-empty",
	CodeHeadUnfinished: "head-unfinished", CodeLineBareLF: "line-bare-lf", CodeLineBareCR: "line-bare-cr",
	CodeHeaderNoColon: "header-no-colon", CodeHeaderName: "header-name", CodeValueEmpty: "value-empty",
	CodeListEmpty: "list-empty", CodeQuoteOpen: "quote-open", CodeBracketOpen: "bracket-open",
	CodeParamInvalid: "param-invalid", CodeParamDuplicate: "param-duplicate",
	CodeNumberInvalid: "number-invalid", CodeNumberOverflow: "number-overflow",
	CodeProtocolInvalid: "protocol-invalid", CodeHostMissing: "host-missing",
	CodeHostInvalid: "host-invalid", CodeHostUnbracketed: "host-unbracketed",
	CodePortInvalid: "port-invalid", CodeBranchCookie: "branch-cookie-only", CodeJunk: "junk",
	CodeDisplayName: "display-name", CodeAddrSpace: "addr-space", CodeCSeqRange: "cseq-range",
	CodeCSeqMethod: "cseq-method", CodeMissingVia: "missing-via", CodeMissingCallID: "missing-call-id",
	CodeMissingCSeq: "missing-cseq", CodeMissingFrom: "missing-from", CodeMissingTo: "missing-to",
	CodeMissingMaxForwards: "missing-max-forwards", CodeMissingTag: "missing-from-tag",
	CodeHeaderDuplicate: "header-duplicate", CodeLengthMissing: "content-length-missing",
	CodeLengthInvalid: "content-length-invalid", CodeLengthConflict: "content-length-conflict",
	CodeLengthTooLarge: "content-length-too-large", CodeBodyShort: "body-short",
	CodeBodyExtra: "body-extra", CodeBodyDropped: "body-dropped", CodeGarbage: "garbage", CodeHeadTooLarge: "head-too-large",
	CodeHeadCut: "head-cut", CodeGapInHead: "gap-in-head", CodeGapInBody: "gap-in-body",
}

// String returns the stable name of the code.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown"
}

// Defect is one thing that is wrong, and where. Offset counts bytes from the
// start of the message when the value came from a [Parser], and from the
// start of the parsed value otherwise.
type Defect struct {
	Code   Code
	Offset int
}

const defectPlaces = 4

// Defects are the defects of one parsed thing: every code that occurred, and
// the places of the first four different ones. The zero value is "none".
type Defects struct {
	set    uint64
	offset [defectPlaces]uint32
	code   [defectPlaces]Code
	n      uint8
}

// add records code at offset, once per code.
func (d *Defects) add(code Code, offset int) {
	if d.set&(1<<code) != 0 {
		return
	}
	d.set |= 1 << code
	if d.n < defectPlaces {
		d.code[d.n], d.offset[d.n] = code, uint32(min(uint64(offset), 1<<32-1))
		d.n++
	}
}

// merge adds the defects of e to d.
func (d *Defects) merge(e *Defects) {
	if e.set == 0 {
		return
	}
	for i := range int(e.n) {
		d.add(e.code[i], int(e.offset[i]))
	}
	d.set |= e.set
}

// Any reports whether there is a defect.
func (d *Defects) Any() bool { return d.set != 0 }

// Has reports whether code occurred.
func (d *Defects) Has(code Code) bool { return code < 64 && d.set&(1<<code) != 0 }

// Len returns how many different codes occurred, which may be more than have
// a place.
func (d *Defects) Len() int { return bits.OnesCount64(d.set) }

// Places returns for how many codes [Defects.At] knows the place: all of
// them up to four.
func (d *Defects) Places() int { return int(d.n) }

// At returns the i-th defect in the order of discovery, 0 <= i < Places.
func (d *Defects) At(i int) Defect { return Defect{d.code[i], int(d.offset[i])} }

// All calls yield for every code, in the order of the constants, until yield
// returns false.
func (d *Defects) All(yield func(Code) bool) {
	for set := d.set; set != 0; set &= set - 1 {
		if !yield(Code(bits.TrailingZeros64(set))) {
			return
		}
	}
}
