// SPDX-License-Identifier: Apache-2.0

package sipparse

import "encoding/binary"

// Options is a set of option tags that have a name here: those that speak about
// connections. [TagList] has the others.
type Options uint8

const (
	OptionOutbound    Options = 1 << iota // RFC 5626
	OptionPath                            // RFC 3327
	OptionPersistence                     // draft-jain-sipping-persistent-conn-reqs
)

const (
	wordOutbound = 0x646e756f6274756f // "outbound"
	wordPath     = 0x68746170         // "path"
	wordPersiste = 0x6574736973726570 // "persiste"
)

// ParseOptions returns which of the Options are elements of the list in value, in
// any case. It is [HasTag] for all of them at once.
func ParseOptions(value []byte) (set Options) {
	for i := 0; i < len(value); i++ {
		if value[i] == ' ' {
			i++
		}
		s := i
		for i < len(value) && value[i] != ',' {
			i++
		}
		did(i - s)
		tag := value[s:i]
		if len(tag) > 0 && (tag[0] <= ' ' || tag[len(tag)-1] <= ' ') {
			s, e := trimLWS(value, s, i)
			tag = value[s:e]
		}
		switch len(tag) {
		case 4:
			if foldLetters(uint64(binary.LittleEndian.Uint32(tag))) == wordPath {
				set |= OptionPath
			}
		case 8:
			if foldLetters(word(tag, 0)) == wordOutbound {
				set |= OptionOutbound
			}
		case 11:
			if foldLetters(word(tag, 0)) == wordPersiste && foldEqual(tag[8:], "nce") {
				set |= OptionPersistence
			}
		}
	}
	return set
}

// Options is [ParseOptions] of a Supported, Require, Proxy-Require or Unsupported
// field.
func (h *Header) Options() Options { return ParseOptions(h.Value) }
