// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"go.yaml.in/yaml/v3"

	"github.com/viaduct-project/viaduct/agent/policy"
)

// overlaps finds rows that can never be reached, as one above them matches all
// that they match, and names that are used twice. Rows that share some
// connections are meant: the first wins.
func (r *reader) overlaps(peers []policy.Peer, places []*yaml.Node) {
	named := make(map[string]int)
	tables := make([]*bart.Lite, len(peers))
	for i := range peers {
		tables[i] = tableOf(peers[i].Match.CIDRs)
		if first, used := named[peers[i].Name]; used && peers[i].Name != "" {
			r.fault(places[i], "peer %s: the name is used already, in line %d", peers[i].Name, places[first].Line)
		} else {
			named[peers[i].Name] = i
		}
		for j := range i {
			if covers(&peers[j].Match, &peers[i].Match, tables[j]) {
				r.fault(places[i], "peer %s: no connection gets here, all that it matches belongs to %s in line %d",
					peers[i].Name, peers[j].Name, places[j].Line)
				break
			}
		}
	}
}

// covers says whether a, whose networks are in the table, matches everything
// that b does.
func covers(a, b *policy.Match, addresses *bart.Lite) bool {
	return (len(a.CIDRs) == 0 || len(b.CIDRs) > 0 && within(addresses, b.CIDRs)) &&
		subset(b.Ports, a.Ports) && subset(b.Transports, a.Transports) &&
		subset(b.Process, a.Process) && subset(b.Pod, a.Pod) && subset(b.Container, a.Container) && subset(b.SentBy, a.SentBy) &&
		(a.Initiator == "" || a.Initiator == "any" || a.Initiator == b.Initiator)
}

// subset says whether what b allows, a allows too; an empty list allows all.
func subset[T comparable](b, a []T) bool {
	if len(a) == 0 {
		return true
	}
	return len(b) > 0 && !slices.ContainsFunc(b, func(v T) bool { return !slices.Contains(a, v) })
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
