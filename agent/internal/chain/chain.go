// SPDX-License-Identifier: Apache-2.0

// Package chain is a doubly linked list through links that its elements hold:
// joining and leaving take no memory and no search, however long it is.
package chain

// Chain holds elements in the order in which they joined. The zero value is
// empty. It must not be copied once something has joined it, and is not safe for
// concurrent use.
type Chain[T any] struct {
	first, last *Link[T]
	n           int
}

// Link is the place of an element, one for each chain that it may be in at the
// same time. The zero value is in none.
type Link[T any] struct {
	of         *T
	in         *Chain[T]
	prev, next *Link[T]
}

// Len is the number of elements.
func (c *Chain[T]) Len() int { return c.n }

// First returns the element that joined before all others, nil if there is none.
func (c *Chain[T]) First() *T { return c.first.element() }

// Last returns the element that joined after all others, nil if there is none.
func (c *Chain[T]) Last() *T { return c.last.element() }

// Join puts of, whose link is l, at the end of c, out of whatever chain it was in.
func (l *Link[T]) Join(c *Chain[T], of *T) {
	if c.last == l {
		return
	}
	l.Leave()
	l.of, l.in, l.prev = of, c, c.last
	c.n++
	if c.last != nil {
		c.last.next = l
	} else {
		c.first = l
	}
	c.last = l
}

// Leave takes the element out of the chain that it is in, if any.
func (l *Link[T]) Leave() {
	c := l.in
	if c == nil {
		return
	}
	c.n--
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		c.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		c.last = l.prev
	}
	*l = Link[T]{}
}

// In returns the chain that the element is in, nil if it is in none.
func (l *Link[T]) In() *Chain[T] { return l.in }

// Next returns the element that joined after this one, nil if it is the last.
func (l *Link[T]) Next() *T { return l.next.element() }

// Prev returns the element that joined before this one, nil if it is the first.
func (l *Link[T]) Prev() *T { return l.prev.element() }

func (l *Link[T]) element() *T {
	if l == nil {
		return nil
	}
	return l.of
}
