// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
)

// Tables are the limits of a policy. The IDs of the rows are their indices.
type Tables struct {
	bpf.LimitTables
	Peers []string // the name of each row
}

// Any says whether anything is limited, or counted in a dry run.
func (t *Tables) Any() bool { return len(t.Rows) > 0 }

// Problem is a limit that does not do what the file seems to say.
type Problem struct {
	Peer string // of the row
	What string // what is wrong, and what to write
	// Warn is set where the limits work, but not for all connections of the row.
	Warn bool
}

func (p Problem) Error() string { return fmt.Sprintf("peer %s: %s", p.Peer, p.What) }

const (
	maxClasses = math.MaxUint8
	maxPlaces  = 1 << 22 // 16 MiB
)

// Compile turns the limits of a policy into tables: for each network that the
// policy names and each service port, the first row that matches, if that can be
// told from a SYN. Rows that observe have no limits, but keep the rows below them
// from limiting what is theirs. Connections for which nobody can tell are left
// alone.
func Compile(p *policy.Policy) (Tables, []Problem) {
	c := newCompiler(p)
	c.own()
	if len(c.problems) > 0 {
		return Tables{}, c.problems
	}
	ports := c.classify()
	if len(c.classes) > maxClasses {
		return Tables{}, []Problem{{Peer: policy.Other, What: fmt.Sprintf("limits: the rows tell %d kinds of ports apart; at most %d are possible", len(c.classes), maxClasses)}}
	}
	c.Ports = ports
	for _, prefix := range c.prefixes() {
		c.Prefixes = append(c.Prefixes, bpf.LimitPrefix{Prefix: prefix, Line: c.line(prefix)})
	}
	if n := len(c.Lines) * len(c.classes) * 2; n > maxPlaces {
		return Tables{}, []Problem{{Peer: policy.Other, What: fmt.Sprintf("limits: networks and ports make %d combinations; at most %d are possible: use fewer different ports", n, maxPlaces)}}
	}
	if !c.Any() {
		return Tables{}, c.problems
	}
	return c.Tables, c.problems
}

type compiler struct {
	Tables
	rows     []*policy.Peer // the last is the fallback
	tls      map[uint16]bool
	all      []uint16          // ports that carry SIP, or that a row names
	classes  []uint16          // one port of each class
	anywhere []int             // rows without networks
	networks bart.Table[[]int] // rows by network
	lines    map[string]int    // by content
	places   map[int]int       // a row's index in Tables.Rows
	shadows  map[int]bool      // rows that were warned of
	problems []Problem
}

func newCompiler(p *policy.Policy) *compiler {
	c := &compiler{lines: make(map[string]int), places: make(map[int]int), shadows: make(map[int]bool), tls: tlsPorts(p)}
	carry := map[uint16]bool{}
	for _, port := range p.Ports {
		carry[port] = true
	}
	if len(p.Ports) == 0 {
		carry[5060], carry[5061] = true, true
	}
	for i := range p.Peers {
		row := &p.Peers[i]
		c.rows = append(c.rows, row)
		for _, port := range row.Match.Ports {
			carry[port] = true
		}
		if len(row.Match.CIDRs) == 0 {
			c.anywhere = append(c.anywhere, i)
		}
		for _, cidr := range row.Match.CIDRs {
			c.networks.Modify(cidr.Masked(), func(rows []int, _ bool) ([]int, bool) { return append(rows, i), false })
		}
	}
	c.anywhere = append(c.anywhere, len(c.rows))
	c.rows = append(c.rows, &p.Fallback)
	c.all = slices.Sorted(maps.Keys(carry))
	return c
}

// own finds limits that can never apply to their own row. What a row has from
// the defaults is not meant for it alone, and is no mistake of its.
func (c *compiler) own() {
	fallback := c.rows[len(c.rows)-1]
	for _, row := range c.rows {
		if row != fallback && row.Limits == fallback.Limits || !row.Limits.Any() {
			continue
		}
		if what := neverApplies(row); what != "" {
			c.problems = append(c.problems, Problem{Peer: row.Name, What: "limits: " + what})
		}
	}
}

// classify gives ports that no row tells apart the same class.
func (c *compiler) classify() map[uint16]uint8 {
	ports := make(map[uint16]uint8)
	seen := make(map[string]int)
	for _, port := range c.all {
		kind := make([]byte, len(c.rows))
		for i, row := range c.rows {
			kind[i] = byte(c.byPort(&row.Match, port))
		}
		class, known := seen[string(kind)]
		if !known {
			c.classes = append(c.classes, port)
			class = len(c.classes)
			seen[string(kind)] = class
		}
		ports[port] = uint8(class) // Compile refuses more
	}
	return ports
}

// prefixes are the networks of the policy, and all addresses of each family.
func (c *compiler) prefixes() []netip.Prefix {
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for prefix := range c.networks.AllSorted() {
		if prefix.Bits() > 0 {
			all = append(all, prefix)
		}
	}
	return all
}

// line returns the line for addresses of which prefix is the closest network.
func (c *compiler) line(prefix netip.Prefix) int {
	rows := slices.Clone(c.anywhere)
	for _, more := range c.networks.Supernets(prefix) {
		rows = append(rows, more...)
	}
	slices.Sort(rows)
	line := make([]bpf.LimitChoice, len(c.classes))
	for i, port := range c.classes {
		line[i] = bpf.LimitChoice{In: c.choose(rows, port, "remote"), Out: c.choose(rows, port, "local")}
	}
	key := fmt.Sprint(line)
	at, known := c.lines[key]
	if !known {
		at = len(c.Lines)
		c.lines[key] = at
		c.Lines = append(c.Lines, line)
	}
	return at
}

// choose returns the place of the first row that matches, or NoRow if that row
// has no limit in the direction, or if a row above it may be the first.
func (c *compiler) choose(rows []int, port uint16, initiator string) int {
	perhaps := -1
	for _, i := range rows {
		row := c.rows[i]
		if !opens(&row.Match, initiator) {
			continue
		}
		switch c.byPort(&row.Match, port) {
		case may:
			if perhaps < 0 {
				perhaps = i
			}
		case does:
			limited := row.Limits.Any() && row.Enforce != policy.Observe && (row.Limits.In && initiator == "remote" || row.Limits.Out && initiator == "local")
			switch {
			case !limited:
				return bpf.NoRow
			case perhaps >= 0:
				c.shadow(perhaps, row)
				return bpf.NoRow
			}
			return c.place(i)
		}
	}
	return bpf.NoRow // not reached: the fallback matches everything
}

// shadow warns, once a row, of what a row that cannot be told at the SYN does to
// the limits below it.
func (c *compiler) shadow(above int, below *policy.Peer) {
	if c.shadows[above] {
		return
	}
	c.shadows[above] = true
	c.problems = append(c.problems, Problem{Peer: c.rows[above].Name, Warn: true, What: fmt.Sprintf(
		"whether a connection belongs here, as %s, is not known when it is opened: what may belong here is not limited by %s or any row below", undecided(&c.rows[above].Match), below.Name)})
}

// place puts a row into the tables.
func (c *compiler) place(i int) int {
	at, known := c.places[i]
	if known {
		return at
	}
	at = len(c.Rows)
	c.places[i] = at
	row := c.rows[i]
	l := row.Limits
	if l.Burst == 0 {
		l.Burst = int(math.Ceil(l.ConnectsPerSecond)) // a second's worth
	}
	c.Peers = append(c.Peers, row.Name)
	c.Rows = append(c.Rows, bpf.LimitRow{
		ID: uint32(at), PerSecond: l.ConnectsPerSecond, Burst: l.Burst, MaxConnections: l.MaxConnections,
		Enforce: row.Enforce == policy.Enforce,
	})
	return at
}
