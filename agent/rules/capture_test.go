// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/flow"
	"github.com/viaduct-project/viaduct/internal/flow/pcap"
)

// TestFlowsFromCapture: what the example flows raise is raised as well when
// they are read from a capture file.
func TestFlowsFromCapture(t *testing.T) {
	played := 0
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			id := family.Rules[i].ID
			text, err := fs.ReadFile(family.Flows, "flows/"+id+".flow")
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			file, err := flow.ParseFile(id+".flow", text)
			if err != nil {
				t.Fatal(err)
			}
			for j := range file.Sections {
				if s := &file.Sections[j]; s.Pcap() {
					played++
					t.Run(fmt.Sprintf("%s/%s %s", id, s.Kind, s.Title), func(t *testing.T) { sameFromCapture(t, s) })
				}
			}
		}
	}
	if played == 0 {
		t.Error("no flow can be written as a capture")
	}
}

func sameFromCapture(t *testing.T, s *flow.Section) {
	var file bytes.Buffer
	if err := pcap.Write(&file, s); err != nil {
		t.Fatal(err)
	}
	var options track.Options
	local, _ := s.Addresses()
	for _, a := range local {
		options.Local = append(options.Local, netip.PrefixFrom(a, a.BitLen()))
	}
	config := config(t, s)
	config.Source = "pcap"
	c := agent.New(config)
	read, err := capture.Read(context.Background(), &file, options, c)
	if err != nil {
		t.Fatal(err)
	}
	c.Finish(read.Last)
	direct := agent.New(config)
	end := flow.Run(direct, s)
	direct.Finish(end)
	got, want := shown(t, c.Report(read.Last)), shown(t, direct.Report(end))
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("line %d from the capture:\n%s\nfrom the events:\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines from the capture, %d from the events", len(got), len(want))
	}
}

// shown is the report but for what no packet shows: the processes, and what
// the kernel measures.
func shown(t *testing.T, r *report.Report) []string {
	for i := range r.Connections {
		c := &r.Connections[i]
		c.Process, c.SRTTSeconds = nil, nil
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return strings.Split(b.String(), "\n")
}
