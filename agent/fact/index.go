// SPDX-License-Identifier: Apache-2.0

package fact

import (
	"iter"
	"net/netip"
)

// Index finds connections by where they go.
type Index struct {
	byRemote map[netip.AddrPort]*Conn
}

// NewIndex returns an empty one.
func NewIndex() *Index { return &Index{byRemote: make(map[netip.AddrPort]*Conn)} }

// Add puts c into the index.
func (ix *Index) Add(c *Conn) {
	if c.indexed {
		return
	}
	c.indexed = true
	head := ix.byRemote[c.Remote]
	c.nextThere, c.prevThere = head, nil
	if head != nil {
		head.prevThere = c
	}
	ix.byRemote[c.Remote] = c
}

// Remove takes c out, if it is in.
func (ix *Index) Remove(c *Conn) {
	if !c.indexed {
		return
	}
	c.indexed = false
	if c.nextThere != nil {
		c.nextThere.prevThere = c.prevThere
	}
	switch {
	case c.prevThere != nil:
		c.prevThere.nextThere = c.nextThere
	case c.nextThere != nil:
		ix.byRemote[c.Remote] = c.nextThere
	default:
		delete(ix.byRemote, c.Remote)
	}
	c.nextThere, c.prevThere = nil, nil
}

// To returns the connections to remote, newest first. There may be many: the
// caller stops when it has seen enough.
func (ix *Index) To(remote netip.AddrPort) iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for c := ix.byRemote[remote]; c != nil; c = c.nextThere {
			if !yield(c) {
				return
			}
		}
	}
}
