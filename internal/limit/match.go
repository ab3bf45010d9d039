// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"slices"

	"github.com/viaduct-project/viaduct/agent/policy"
)

// answer says whether a row matches what a SYN shows.
type answer uint8

const (
	doesNot answer = iota
	may            // it depends on what is not known yet
	does
)

// tlsPorts are those that carry TLS: the standard port, and those that rows for
// TLS alone name, unless another row says that they carry TCP.
func tlsPorts(p *policy.Policy) map[uint16]bool {
	tls := map[uint16]bool{5061: true}
	each := func(transport string, set bool) {
		for i := range p.Peers {
			m := &p.Peers[i].Match
			if len(m.Transports) != 1 || m.Transports[0] != transport {
				continue
			}
			for _, port := range m.Ports {
				if port != 5060 && port != 5061 {
					tls[port] = set
				}
			}
		}
	}
	each("tls", true)
	each("tcp", false)
	return tls
}

// byPort leaves address and initiator aside.
func (c *compiler) byPort(m *policy.Match, port uint16) answer {
	transport := "tcp"
	if c.tls[port] {
		transport = "tls"
	}
	switch {
	case len(m.Ports) > 0 && !slices.Contains(m.Ports, port):
		return doesNot
	case len(m.Transports) > 0 && !slices.Contains(m.Transports, transport) && !webSocket(m):
		return doesNot
	case undecided(m) != "":
		return may
	}
	return does
}

// opens says whether the row is for connections that this side opens.
func opens(m *policy.Match, initiator string) bool {
	return m.Initiator == "" || m.Initiator == "any" || m.Initiator == initiator
}

func webSocket(m *policy.Match) bool {
	return slices.Contains(m.Transports, "ws") || slices.Contains(m.Transports, "wss")
}

// undecided names what the row is matched by that nobody knows at the SYN.
func undecided(m *policy.Match) string {
	switch {
	case len(m.Process) > 0:
		return "it is matched by process"
	case len(m.Pod) > 0:
		return "it is matched by pod"
	case len(m.Container) > 0:
		return "it is matched by container"
	case len(m.SentBy) > 0:
		return "it is matched by sent_by"
	case webSocket(m):
		return "its transports are told from the first bytes"
	}
	return ""
}

// neverApplies says why the row's limits cannot do anything; "" if they can.
func neverApplies(row *policy.Peer) string {
	m := &row.Match
	if why := undecided(m); why != "" {
		return fmt.Sprintf("connections are limited when they are opened, and which belong here is not known then, as %s: match by cidrs, ports, transports tcp and tls, and initiator", why)
	}
	if len(m.Transports) > 0 && !slices.Contains(m.Transports, "tcp") && !slices.Contains(m.Transports, "tls") {
		return "only connections are limited, and the row is for UDP: match tcp or tls"
	}
	if !row.Limits.Out && !opens(m, "remote") {
		return "direction is in, and the row is for connections that this host opens: write direction: out"
	}
	if !row.Limits.In && !opens(m, "local") {
		return "direction is out, and the row is for connections that others open: write direction: in"
	}
	return ""
}
