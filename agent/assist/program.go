// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"cmp"
	"slices"
)

// Name is a program of this host. Programs of one name in different containers
// are not taken for the same.
type Name struct {
	Name      string
	Container string // its id, empty outside of any
}

// Program is what has been seen of a program, on whichever connections.
type Program struct {
	Offers  bool `json:",omitempty"` // keep or outbound, itself
	Pings   bool `json:",omitempty"` // on streams
	Copes   bool `json:",omitempty"` // was seen not to close for pongs that it had not asked for
	Reads   bool `json:",omitempty"` // has answered a request that came behind such a pong
	Suffers Harm `json:",omitempty"` // from pongs; holds for all programs of the name
}

// maxPrograms bounds what is remembered.
const maxPrograms = 4096

// Programs remembers programs.
type Programs struct {
	Evicted uint64
	all     map[Name]*Program
	harmed  map[string]Harm
}

// Get returns what is remembered of a program, nil if that is nothing.
func (t *Programs) Get(n Name) *Program {
	if p := t.all[n]; p != nil {
		return p
	}
	if h := t.harmed[n.Name]; h != Unharmed {
		return t.Make(n)
	}
	return nil
}

// Make is Get, and remembers a program that is new. A program without a name is
// not remembered.
func (t *Programs) Make(n Name) *Program {
	if n.Name == "" {
		return new(Program)
	}
	if p := t.all[n]; p != nil {
		return p
	}
	if t.all == nil {
		t.all, t.harmed = make(map[Name]*Program), make(map[string]Harm)
	}
	if len(t.all) >= maxPrograms {
		for old := range t.all { // any: who is met again is learned again
			delete(t.all, old)
			t.Evicted++
			break
		}
	}
	p := &Program{Suffers: t.harmed[n.Name]}
	t.all[n] = p
	return p
}

// Harmed remembers that a program suffers. It returns whether that is news.
func (t *Programs) Harmed(n Name, h Harm) bool {
	p := t.Make(n)
	if p.Suffers != Unharmed {
		return false
	}
	p.Suffers = h
	if n.Name == "" {
		return true
	}
	if len(t.harmed) >= maxPrograms {
		clear(t.harmed)
		t.Evicted++
	}
	t.harmed[n.Name] = h
	for other, p := range t.all {
		if other.Name == n.Name {
			p.Suffers = h
		}
	}
	return true
}

// SavedProgram is a Program for another process to take up.
type SavedProgram struct {
	Name      string
	Container string `json:",omitempty"`
	Program
}

// Save returns the programs, in an order of their own.
func (t *Programs) Save() []SavedProgram {
	all := make([]SavedProgram, 0, len(t.all))
	for n, p := range t.all {
		all = append(all, SavedProgram{n.Name, n.Container, *p})
	}
	slices.SortFunc(all, func(a, b SavedProgram) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container))
	})
	return all
}

// Restore takes up what another process has saved.
func (t *Programs) Restore(all []SavedProgram) {
	for _, s := range all {
		if s.Program.Suffers > maxHarm {
			continue
		}
		n := Name{s.Name, s.Container}
		p := t.Make(n)
		p.Offers, p.Pings, p.Copes, p.Reads = p.Offers || s.Offers, p.Pings || s.Pings, p.Copes || s.Copes, p.Reads || s.Reads
		if s.Suffers != Unharmed {
			t.Harmed(n, s.Suffers)
		}
	}
}
