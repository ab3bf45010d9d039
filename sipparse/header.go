// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"encoding/binary"
)

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
	if bytes.IndexByte(name, '\r') >= 0 { // headerKey would take CR for '-'
		return HeaderOther
	}
	return lookupHeader(name)
}

// headerKey is a field name without its case: its first and last eight bytes
// (which overlap, or meet, in every name up to 16 bytes) and its length.
// Letters are told apart with bit 5 set; of the other bytes only CR falls
// together with one that occurs in a name ('-').
type headerKey struct {
	head, tail uint64
	length     int
}

const fold8 = 0x2020202020202020

func keyOf(name []byte) headerKey {
	n := len(name)
	switch {
	case n >= 8:
		return headerKey{binary.LittleEndian.Uint64(name) | fold8, binary.LittleEndian.Uint64(name[n-8:]) | fold8, n}
	case n >= 4:
		return headerKey{uint64(binary.LittleEndian.Uint32(name) | fold8>>32), uint64(binary.LittleEndian.Uint32(name[n-4:]) | fold8>>32), n}
	case n > 0:
		return headerKey{uint64(name[0] | 0x20), uint64(name[n/2]|0x20)<<8 | uint64(name[n-1]|0x20), n}
	}
	return headerKey{}
}

func (k headerKey) slot() uint8 {
	return uint8((k.head*0x9E3779B97F4A7C15 ^ k.tail*0xC2B2AE3D27D4EB4F) >> 56)
}

type headerEntry struct {
	key  headerKey
	id   HeaderID
	name string
}

// headerTable is an open-addressed hash table of every spelling.
var headerTable = func() (t [256]headerEntry) {
	for id, names := range headerNames[1:] {
		for _, name := range names {
			e := headerEntry{keyOf([]byte(name)), HeaderID(id + 1), name}
			i := e.key.slot()
			for t[i].id != HeaderOther {
				i++
			}
			t[i] = e
		}
	}
	return t
}()

// lookupHeader is LookupHeader for a name that has no CR in it.
func lookupHeader(name []byte) HeaderID {
	key := keyOf(name)
	for i := key.slot(); headerTable[i].id != HeaderOther; i++ {
		e := &headerTable[i]
		if e.key != key {
			continue
		}
		// Up to 16 bytes the key is the whole name.
		if len(name) <= 16 || foldEqualAny(name, e.name) {
			return e.id
		}
	}
	return HeaderOther
}
