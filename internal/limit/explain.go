// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
)

// Explain says which limits hold for a connection that is opened to a port, by
// this host or by the other side, or why none do. A port of 0 is not known.
func Explain(p *policy.Policy, s *policy.Subject, port uint16, out bool) string {
	t, _ := Compile(p)
	side, flag := "remote", "--local"
	if out {
		side, flag = "local", "--remote"
	}
	asked := *s
	asked.Initiator = side
	asked.Ports = nil
	if port != 0 {
		asked.Ports = []uint16{port}
	}
	row := p.Of(&asked)
	limited := t.at(s.Remote, port, out)
	switch {
	case s.Transport == "udp":
		return "no: only connections are limited"
	case port == 0:
		return fmt.Sprintf("not known: it depends on the port, give it in %s", flag)
	case limited != bpf.NoRow:
		return fmt.Sprintf("by row %s, %v: %s", t.Peers[limited], modeOf(&t.Rows[limited]), limitsOf(&t.Rows[limited]))
	case !row.Limits.Any():
		return fmt.Sprintf("no: row %s has no limits", row.Name)
	case row.Enforce == policy.Observe:
		return fmt.Sprintf("no: row %s observes", row.Name)
	case out && !row.Limits.Out || !out && !row.Limits.In:
		return fmt.Sprintf("no: row %s limits the other direction only", row.Name)
	case t.Any() && t.Ports[port] == 0:
		return fmt.Sprintf("no: port %d is not among those of sip and of rows", port)
	}
	return fmt.Sprintf("no: when it is opened nobody knows whether it belongs to row %s or to one above", row.Name)
}

// at looks up what the programs do: the index of the row that limits, or NoRow.
func (t *Tables) at(remote netip.Addr, port uint16, out bool) int {
	class := t.Ports[port]
	longest, line := -1, 0
	for _, p := range t.Prefixes {
		if p.Prefix.Contains(remote) && p.Prefix.Bits() > longest {
			longest, line = p.Prefix.Bits(), p.Line
		}
	}
	switch {
	case class == 0 || longest < 0:
		return bpf.NoRow
	case out:
		return t.Lines[line][class-1].Out
	}
	return t.Lines[line][class-1].In
}

func modeOf(row *bpf.LimitRow) policy.Mode {
	if row.Enforce {
		return policy.Enforce
	}
	return policy.DryRun
}

// limitsOf is what one address may have.
func limitsOf(row *bpf.LimitRow) string {
	var all []string
	if row.PerSecond > 0 {
		all = append(all, fmt.Sprintf("%s new connections a second with a burst of %d", strconv.FormatFloat(row.PerSecond, 'g', -1, 64), max(1, row.Burst)))
	}
	if row.MaxConnections > 0 {
		all = append(all, fmt.Sprintf("%d connections at a time", row.MaxConnections))
	}
	return strings.Join(all, ", ")
}
