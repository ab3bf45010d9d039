// SPDX-License-Identifier: Apache-2.0

package sipparse

// HeaderID names a header field that this package knows. Compact forms
// (RFC 3261 section 7.3.3) and any case give the same HeaderID.
type HeaderID uint8

// HeaderOther is every field name that has no HeaderID.
const (
	HeaderOther HeaderID = iota
	HeaderVia
	HeaderCallID
	HeaderCSeq
	HeaderFrom
	HeaderTo
	HeaderContact
	HeaderRoute
	HeaderRecordRoute
	HeaderPath
	HeaderServiceRoute
	HeaderSupported
	HeaderRequire
	HeaderProxyRequire
	HeaderUnsupported
	HeaderAllow
	HeaderAccept
	HeaderExpires
	HeaderMinExpires
	HeaderContentLength
	HeaderContentType
	HeaderMaxForwards
	HeaderFlowTimer         // RFC 5626
	HeaderPersistentTimeout // draft-jain-sipping-persistent-conn-reqs; also Persistence-Timeout
	HeaderMinPersistence    // draft-jain-sipping-persistent-conn-reqs
	HeaderServer
	HeaderUserAgent
	HeaderRSeq
	HeaderRAck
	HeaderRetryAfter
	HeaderEvent
	HeaderSubscriptionState
	HeaderReplaces
	HeaderReferTo
	HeaderSubject
	HeaderAuthorization
	HeaderProxyAuthorization
	HeaderSessionExpires
	HeaderReason
)

// headerNames has the spellings of each field: the canonical one first, then
// the others that mean the same.
var headerNames = [...][]string{
	HeaderOther:              {"other"},
	HeaderVia:                {"Via", "v"},
	HeaderCallID:             {"Call-ID", "i"},
	HeaderCSeq:               {"CSeq"},
	HeaderFrom:               {"From", "f"},
	HeaderTo:                 {"To", "t"},
	HeaderContact:            {"Contact", "m"},
	HeaderRoute:              {"Route"},
	HeaderRecordRoute:        {"Record-Route"},
	HeaderPath:               {"Path"},
	HeaderServiceRoute:       {"Service-Route"},
	HeaderSupported:          {"Supported", "k"},
	HeaderRequire:            {"Require"},
	HeaderProxyRequire:       {"Proxy-Require"},
	HeaderUnsupported:        {"Unsupported"},
	HeaderAllow:              {"Allow"},
	HeaderAccept:             {"Accept"},
	HeaderExpires:            {"Expires"},
	HeaderMinExpires:         {"Min-Expires"},
	HeaderContentLength:      {"Content-Length", "l"},
	HeaderContentType:        {"Content-Type", "c"},
	HeaderMaxForwards:        {"Max-Forwards"},
	HeaderFlowTimer:          {"Flow-Timer"},
	HeaderPersistentTimeout:  {"Persistent-Timeout", "Persistence-Timeout"},
	HeaderMinPersistence:     {"Min-Persistence"},
	HeaderServer:             {"Server"},
	HeaderUserAgent:          {"User-Agent"},
	HeaderRSeq:               {"RSeq"},
	HeaderRAck:               {"RAck"},
	HeaderRetryAfter:         {"Retry-After"},
	HeaderEvent:              {"Event", "o"},
	HeaderSubscriptionState:  {"Subscription-State"},
	HeaderReplaces:           {"Replaces"},
	HeaderReferTo:            {"Refer-To", "r"},
	HeaderSubject:            {"Subject", "s"},
	HeaderAuthorization:      {"Authorization"},
	HeaderProxyAuthorization: {"Proxy-Authorization"},
	HeaderSessionExpires:     {"Session-Expires", "x"},
	HeaderReason:             {"Reason"},
}

// String returns the canonical field name, or "other".
func (id HeaderID) String() string {
	if int(id) < len(headerNames) {
		return headerNames[id][0]
	}
	return "other"
}

// LookupHeader returns the HeaderID of a field name without its colon, or
// HeaderOther.
func LookupHeader(name []byte) HeaderID {
	if len(name) > 16 {
		for _, long := range longNames {
			if foldEqualAny(name, long.name) {
				return long.id
			}
		}
		return HeaderOther
	}
	var b [16]byte
	copy(b[:], name)
	return shortHeader(foldWord(word(b[:], 0)), foldWord(word(b[:], 8)))
}

// headerEntry is a spelling of up to 16 bytes: two words of foldWord, padded
// with zeros.
type headerEntry struct {
	lo, hi uint64
	id     HeaderID
}

// headerTable has the spellings that fit, each in its slot; longNames has the
// others.
var (
	headerTable [256]headerEntry
	longNames   []longName
)

type longName struct {
	name string
	id   HeaderID
}

func init() {
	for i, names := range headerNames {
		for _, name := range names {
			if id := HeaderID(i); id != HeaderOther {
				addHeader(name, id)
			}
		}
	}
}

func addHeader(name string, id HeaderID) {
	if len(name) > 16 {
		longNames = append(longNames, longName{name, id})
		return
	}
	var b [16]byte
	copy(b[:], name)
	e := headerEntry{foldWord(word(b[:], 0)), foldWord(word(b[:], 8)), id}
	headerTable[headerSlot(e.lo, e.hi)] = e
}

// headerSlot is a perfect hash of the names above: its factors were found by
// trial, and a test says when a new name needs others.
func headerSlot(lo, hi uint64) uint8 {
	return uint8((lo*0x59d48b0f407a90b9 + hi*0x8dd26bb05364d08d) >> 56)
}

// shortHeader looks up a name of up to 16 bytes.
func shortHeader(lo, hi uint64) HeaderID {
	e := &headerTable[headerSlot(lo, hi)]
	if e.lo == lo && e.hi == hi {
		return e.id
	}
	return HeaderOther
}
