// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// WriteReport writes the whole report as JSON. It holds the identifiers of the
// connections in memory, and the findings, not the lines: there may be
// gigabytes of these. Connections come in the order in which they were met.
func (v *View) WriteReport(w io.Writer) error {
	counts := v.Counts()
	out := &object{w: bufio.NewWriterSize(w, 1<<16)}
	out.member("schema", report.Schema)
	out.member("source", counts.Source)
	out.member("started", counts.Started)
	out.member("ended", counts.At)
	out.member("host", counts.Host)
	findings, on := v.allFindings()
	summary := report.Summary{}
	out.begin("connections")
	for some := range slices.Chunk(v.ids(), lined) {
		for _, line := range v.Lines(some) {
			line.Findings = append(line.Findings, on[line.ID]...)
			summary.Connections++
			if line.Class.Observed == "persistent" {
				summary.Persistent++
			}
			out.element(&line)
		}
		if out.err != nil {
			return out.err // who asked has gone
		}
	}
	out.end()
	out.begin("peers")
	var peers []*peer.Peer
	v.hold(func(event.Time) { peers = v.Core.Peers() })
	slices.SortFunc(peers, func(a, b *peer.Peer) int { return a.Address.Compare(b.Address) })
	for some := range slices.Chunk(peers, lined) {
		var lines []report.Peer
		v.hold(func(event.Time) {
			for _, p := range some {
				lines = append(lines, v.Core.PeerLine(p))
			}
		})
		for i := range lines {
			out.element(&lines[i])
		}
	}
	out.end()
	for i := range findings {
		summary.Findings.Add(findings[i].Severity)
	}
	var acts []report.Action
	v.hold(func(event.Time) { acts = v.Core.Acts() })
	out.member("findings", findings)
	out.member("actions", acts)
	out.member("summary", summary)
	out.member("lost", counts.Lost)
	out.member("features", counts.Features)
	return out.close()
}

// ids returns those of all connections, the oldest first.
func (v *View) ids() (all []uint64) {
	for below := uint64(agent.Newest); below > 0; {
		v.hold(func(now event.Time) {
			below = v.Core.Look(now, &query.Filter{}, "", nil, below, looked, func(p query.Place) { all = append(all, p.ID) })
		})
	}
	slices.Reverse(all)
	return all
}

// allFindings returns the findings in the order in which they were raised, and
// their indexes by connection.
func (v *View) allFindings() (all []report.Finding, on map[string][]int) {
	raised := v.raised()
	slices.Reverse(raised)
	all, on = make([]report.Finding, 0, len(raised)), make(map[string][]int)
	for some := range slices.Chunk(raised, 10*lined) {
		v.hold(func(event.Time) {
			for _, f := range some {
				all = append(all, v.Core.FindingLine(f))
			}
		})
	}
	for i := range all {
		on[all[i].Connection] = append(on[all[i].Connection], i)
	}
	return all, on
}

// object writes a JSON object member by member.
type object struct {
	w    *bufio.Writer
	some bool // a comma is due
	err  error
}

func (o *object) write(s string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(s)
	}
}

func (o *object) value(v any) {
	b, err := json.Marshal(v)
	if err != nil && o.err == nil {
		o.err = err
	}
	o.write(string(b))
}

func (o *object) comma(first string) {
	if o.some {
		first = ",\n"
	}
	o.some = true
	o.write(first)
}

func (o *object) member(name string, v any) {
	o.comma("{")
	o.write(`"` + name + `":`)
	o.value(v)
}

func (o *object) begin(name string) {
	o.comma("{")
	o.write(`"` + name + `":[`)
	o.some = false
}

func (o *object) element(v any) {
	o.comma("\n")
	o.value(v)
}

func (o *object) end() {
	o.write("]")
	o.some = true
}

func (o *object) close() error {
	o.write("}\n")
	if o.err != nil {
		return o.err
	}
	return o.w.Flush()
}
