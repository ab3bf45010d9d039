// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"

	"github.com/viaduct-project/viaduct/internal/act"
)

// socketOptions sets options on sockets and sees to it that they stay.
type socketOptions interface {
	Protect([]act.Protection) []act.Outcome
	Check([]act.Protection) []act.Outcome
}

// protector knows the sockets on which options were set. It is for one
// goroutine.
type protector struct {
	set map[uint64]act.Options
}

// maxSet bounds what is remembered of sockets; at the bound it is forgotten,
// which costs setting the options once more.
const maxSet = 1 << 18

// protect sets the options where they are not set, and looks at the others: the
// process may have undone them. tell gets what came of each that was not as it
// should be, stands each that was, or that is gone.
func (p *protector) protect(hands socketOptions, all []*wanted, tell func(t *wanted, out act.Outcome, more string), stands func(*wanted)) {
	var first, known []*wanted
	for _, t := range all {
		if p.set[t.Socket] == t.options {
			known = append(known, t)
		} else {
			first = append(first, t)
		}
	}
	undone := make(map[*wanted]string)
	for i, out := range hands.Check(protections(known)) {
		t := known[i]
		switch {
		case out.Result == act.Skipped && out.Reason == act.Changed:
			undone[t] = fmt.Sprintf("; the process had undone it: %v", out.Err)
			first = append(first, t)
		case out.Result == act.Skipped:
			delete(p.set, t.Socket) // it is gone
			fallthrough
		default:
			stands(t)
		}
	}
	if p.set == nil || len(p.set) >= maxSet {
		p.set = make(map[uint64]act.Options)
	}
	for i, out := range hands.Protect(protections(first)) {
		if out.Result == act.Done {
			p.set[first[i].Socket] = first[i].options
		}
		tell(first[i], out, undone[first[i]])
	}
}

func protections(all []*wanted) []act.Protection {
	list := make([]act.Protection, len(all))
	for i, t := range all {
		list[i] = act.Protection{Target: t.Target, Options: t.options}
	}
	return list
}
