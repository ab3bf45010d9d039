// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"go.yaml.in/yaml/v3"

	"github.com/viaduct-project/viaduct/agent/policy"
)

// names finds those that are used twice.
func (r *reader) names(peers []policy.Peer, places []*yaml.Node) {
	named := make(map[string]int)
	for i, peer := range peers {
		if first, used := named[peer.Name]; used && peer.Name != "" {
			r.fault(places[i], "peer %s: the name is used already, in line %d", peer.Name, places[first].Line)
		} else {
			named[peer.Name] = i
		}
	}
}

// overlaps finds rows that can never be reached, as one above them matches all
// that they match. Rows that share some connections are meant if the upper one
// is narrower; if neither is, it is worth a warning, once for each row.
func (r *reader) overlaps(peers []policy.Peer, places []*yaml.Node) {
	var above neighbours
	for i := range peers {
		peer := &peers[i]
		own := tableOf(peer.Match.CIDRs)
		near := above.of(peer.Match.CIDRs)
		covered := slices.IndexFunc(near, func(j int) bool { return covers(&peers[j].Match, &peer.Match, above.tables[j]) })
		if covered >= 0 {
			j := near[covered]
			r.fault(places[i], "peer %s: no connection gets here, all that it matches belongs to %s in line %d",
				peer.Name, peers[j].Name, places[j].Line)
		} else if at := slices.IndexFunc(near, func(j int) bool {
			return shares(&peers[j].Match, &peer.Match) && !covers(&peer.Match, &peers[j].Match, own)
		}); at >= 0 {
			j := near[at]
			r.warn(places[i], "peer %s: some connections match %s in line %d too, and neither row is narrower: the first, %s, has them",
				peer.Name, peers[j].Name, places[j].Line, peers[j].Name)
		}
		above.add(peer.Match.CIDRs, own)
	}
}

// neighbours finds those of many rows whose addresses meet others.
type neighbours struct {
	tables  []*bart.Lite // the networks of each row
	table   bart.Table[[]int]
	anyAddr []int // rows without networks
}

func (x *neighbours) add(cidrs []netip.Prefix, own *bart.Lite) {
	row := len(x.tables)
	x.tables = append(x.tables, own)
	if len(cidrs) == 0 {
		x.anyAddr = append(x.anyAddr, row)
	}
	for _, cidr := range cidrs {
		x.table.Modify(cidr, func(rows []int, _ bool) ([]int, bool) { return append(rows, row), false })
	}
}

// of returns the rows that an address in cidrs may belong to, in order.
func (x *neighbours) of(cidrs []netip.Prefix) []int {
	if len(cidrs) == 0 {
		all := make([]int, len(x.tables))
		for i := range all {
			all[i] = i
		}
		return all
	}
	all := slices.Clone(x.anyAddr)
	for _, cidr := range cidrs {
		for _, rows := range x.table.Supernets(cidr) {
			all = append(all, rows...)
		}
		for _, rows := range x.table.Subnets(cidr) {
			all = append(all, rows...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// covers says whether a, whose networks are in the table, matches everything
// that b does.
func covers(a, b *policy.Match, addresses *bart.Lite) bool {
	return (len(a.CIDRs) == 0 || len(b.CIDRs) > 0 && within(addresses, b.CIDRs)) &&
		subset(b.Ports, a.Ports) && subset(b.Transports, a.Transports) &&
		narrower(b.Process, a.Process) && narrower(b.Pod, a.Pod) && narrower(b.Container, a.Container) && narrower(b.SentBy, a.SentBy) &&
		(anySide(a.Initiator) || a.Initiator == b.Initiator)
}

// shares says whether a connection can match both, whose addresses meet.
func shares(a, b *policy.Match) bool {
	return meet(a.Ports, b.Ports) && meet(a.Transports, b.Transports) &&
		meetNames(a.Process, b.Process) && meetNames(a.Pod, b.Pod) && meetNames(a.Container, b.Container) && meetNames(a.SentBy, b.SentBy) &&
		(anySide(a.Initiator) || anySide(b.Initiator) || a.Initiator == b.Initiator)
}

func anySide(initiator string) bool { return initiator == "" || initiator == "any" }

// subset says whether what b allows, a allows too; an empty list allows all.
func subset[T comparable](b, a []T) bool {
	if len(a) == 0 {
		return true
	}
	return len(b) > 0 && !slices.ContainsFunc(b, func(v T) bool { return !slices.Contains(a, v) })
}

// meet says whether both allow something.
func meet[T comparable](a, b []T) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(v T) bool { return slices.Contains(b, v) })
}

func tableOf(all []netip.Prefix) *bart.Lite {
	t := new(bart.Lite)
	for _, p := range all {
		t.Insert(p)
	}
	return t
}

func within(outer *bart.Lite, all []netip.Prefix) bool {
	return !slices.ContainsFunc(all, func(p netip.Prefix) bool {
		_, ok := outer.LookupPrefixLPM(p)
		return !ok
	})
}
