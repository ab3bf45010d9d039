// SPDX-License-Identifier: Apache-2.0

// Package note lets each family of rules write down something about a
// connection, a transaction, a dialog or a peer, in a type of its own.
package note

// Family numbers the families of rules that may keep notes.
type Family uint8

const (
	Keep Family = iota
	CRLF
	STUN
	Outbound
	Alias
	Transport
	RPort
	Persistent
	Cadence // CRLF and STUN together
	Policy
	Families
)

// Pad holds the notes about one thing, one sheet for each family that has
// written; it is collected with it. Most things have none, so they hold a
// pointer, and hardly any has more than two.
type Pad struct {
	note   any
	below  *Pad
	family Family
}

// On returns f's note on a pad, made when it is first asked for. T is the same
// in all calls of one family about one kind of thing.
func On[T any](pad **Pad, f Family) *T {
	if n := Of[T](*pad, f); n != nil {
		return n
	}
	n := new(T)
	*pad = &Pad{n, *pad, f}
	return n
}

// Of returns f's note, or nil if there is none.
func Of[T any](pad *Pad, f Family) *T {
	for ; pad != nil; pad = pad.below {
		if pad.family == f {
			n, _ := pad.note.(*T)
			return n
		}
	}
	return nil
}
