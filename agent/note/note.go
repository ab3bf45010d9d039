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

// Pad holds the notes about one thing; it is collected with it. Most things
// have none, so they hold a pointer.
type Pad [Families]any

// On returns f's note on a pad, both made when they are first asked for. T is
// the same in all calls of one family about one kind of thing.
func On[T any](pad **Pad, f Family) *T {
	if *pad == nil {
		*pad = new(Pad)
	}
	n, ok := (*pad)[f].(*T)
	if !ok {
		n = new(T)
		(*pad)[f] = n
	}
	return n
}

// Of returns f's note, or nil if there is none.
func Of[T any](pad *Pad, f Family) *T {
	if pad == nil {
		return nil
	}
	n, _ := pad[f].(*T)
	return n
}
