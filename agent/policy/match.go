// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Subject is what is known of a connection. What is not known is empty, and
// matches no row that asks for it.
type Subject struct {
	Remote    netip.Addr
	Ports     []uint16 // where the accepting side listens; of UDP both ends'
	Transport string
	Initiator string // local, remote, or empty
	Process   string
	Pod       []string // what it is called: uid, name, namespace/name
	Container []string // id, name
	SentBy    string
}

// Of returns the row that s belongs to: the first that matches, or the
// fallback.
func (p *Policy) Of(s *Subject) *Peer {
	for _, i := range p.index.candidates(s.Remote) {
		if peer := &p.Peers[i]; peer.Match.rest(s) == "" {
			return peer
		}
	}
	return &p.Fallback
}

// rest says why s does not match, leaving its address aside; "" if it does.
func (m *Match) rest(s *Subject) string {
	switch {
	case len(m.Ports) > 0 && !slices.ContainsFunc(s.Ports, func(p uint16) bool { return slices.Contains(m.Ports, p) }):
		return fmt.Sprintf("port %s is not among %s", list(s.Ports), list(m.Ports))
	case len(m.Transports) > 0 && !slices.Contains(m.Transports, s.Transport):
		return fmt.Sprintf("transport %s is not among %s", known(s.Transport), list(m.Transports))
	case m.Initiator != "" && m.Initiator != "any" && m.Initiator != s.Initiator:
		return fmt.Sprintf("initiator is %s, not %s", known(s.Initiator), m.Initiator)
	case !matches(m.Process, s.Process):
		return fmt.Sprintf("process %s is not among %s", known(s.Process), list(m.Process))
	case !matchesAny(m.Pod, s.Pod):
		return fmt.Sprintf("pod %s is not among %s", list(s.Pod), list(m.Pod))
	case !matchesAny(m.Container, s.Container):
		return fmt.Sprintf("container %s is not among %s", list(s.Container), list(m.Container))
	case !matches(m.SentBy, s.SentBy):
		return fmt.Sprintf("sent-by %s is not among %s", known(s.SentBy), list(m.SentBy))
	}
	return ""
}

// matches compares a name with patterns, letters of either case alike.
func matches(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return true
	}
	if name == "" {
		return false
	}
	name = strings.ToLower(name)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), name)
		return ok && err == nil
	})
}

// matchesAny compares all that something is called.
func matchesAny(patterns, names []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(names, func(name string) bool { return matches(patterns, name) })
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func list[T any](all []T) string {
	if len(all) == 0 {
		return "unknown"
	}
	var b strings.Builder
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

// Reason is why a row matches, or does not.
type Reason struct {
	Peer    string
	Matches bool
	Why     string
}

// Explain goes through the rows as Of does, up to the one that matches.
func (p *Policy) Explain(s *Subject) []Reason {
	var all []Reason
	for i := range p.Peers {
		peer := &p.Peers[i]
		why := peer.Match.address(s.Remote)
		if why == "" {
			why = peer.Match.rest(s)
		}
		if why == "" {
			return append(all, Reason{peer.Name, true, peer.Match.grounds(s)})
		}
		all = append(all, Reason{peer.Name, false, why})
	}
	return append(all, Reason{p.Fallback.Name, true, "no row matches"})
}

func (m *Match) address(a netip.Addr) string {
	if len(m.CIDRs) == 0 || slices.ContainsFunc(m.CIDRs, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }) {
		return ""
	}
	return fmt.Sprintf("address %s is not in %s", a, list(m.CIDRs))
}

// grounds lists what the row asked for.
func (m *Match) grounds(s *Subject) string {
	var all []string
	add := func(asked bool, format string, args ...any) {
		if asked {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(len(m.CIDRs) > 0, "address %s", s.Remote)
	add(len(m.Ports) > 0, "port %s", list(s.Ports))
	add(len(m.Transports) > 0, "transport %s", s.Transport)
	add(m.Initiator != "" && m.Initiator != "any", "initiator %s", s.Initiator)
	add(len(m.Process) > 0, "process %s", s.Process)
	add(len(m.Pod) > 0, "pod %s", list(s.Pod))
	add(len(m.Container) > 0, "container %s", list(s.Container))
	add(len(m.SentBy) > 0, "sent-by %s", s.SentBy)
	if len(all) == 0 {
		return "matches everything"
	}
	return strings.Join(all, ", ")
}

// ServicePorts are the ports that a row's ports are compared with: where the
// accepting side listens. If it is not known who opened the connection, or on
// UDP, either end may be that.
func ServicePorts(transport, initiator string, local, remote uint16) []uint16 {
	var all []uint16
	if local != 0 && (transport == "udp" || initiator != "local") {
		all = append(all, local)
	}
	if remote != 0 && (transport == "udp" || initiator != "remote") {
		all = append(all, remote)
	}
	return all
}
