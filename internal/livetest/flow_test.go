// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow"
	"github.com/viaduct-project/viaduct/internal/flow/stage"
	"github.com/viaduct-project/viaduct/internal/site"
)

// Of each family of rules some flows of either kind are played: the shortest,
// as long as they are brief, and at least one that is not too long.
const (
	someFlows = 3
	brief     = 2 * time.Second
	tooLong   = 40 * time.Second
)

// ofEachKind are flows that all of them can be played in a second.
const ofEachKind = `
tcp a in
a< INVITE ;keep
a> 180 split=3
a> 200 ;keep=30
a< ACK
+100ms
a< ping
a> pong
a> BYE
a< 200
a> close
tcp b out remote=203.0.113.9
b> OPTIONS
+100ms
b< rst
tcp c out refused remote=203.0.113.9
udp u
u> REGISTER ;keep
u< 200 ;keep=29
u> stun request
u< stun success
u< MESSAGE size=3000
u> 200
tcp d in
d< OPTIONS
d< fin
d> 200
d> fin
tcp e out local=[2001:db8::1]:41005 remote=[2001:db8::7]:5060
e> OPTIONS
`

// TestFlows: flows that are played through the kernel give the same report as
// when they are played straight into the core.
func TestFlows(t *testing.T) {
	file, err := flow.ParseFile("kinds", []byte(ofEachKind))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("kinds", func(t *testing.T) { testFlow(t, &file.Sections[0]) })
	for _, family := range rules.Catalogue() {
		for _, kind := range []flow.Kind{flow.Breaks, flow.Holds} {
			all := liveFlows(t, &family, kind)
			if len(all) == 0 || all[0].section.Duration() > tooLong {
				t.Errorf("no flow that %s a rule of %s can be played", kind, family.Name)
			}
			for i, f := range all {
				if d := f.section.Duration(); d > tooLong || i > 0 && (d > brief || i >= someFlows) {
					break
				}
				t.Run(fmt.Sprintf("%s/%s %s", f.rule, kind, f.section.Title), func(t *testing.T) { testFlow(t, f.section) })
			}
		}
	}
}

type liveFlow struct {
	rule    string
	section *flow.Section
}

// liveFlows are the flows of one kind that can be played, the shortest first.
func liveFlows(t *testing.T, family *rule.Family, kind flow.Kind) (all []liveFlow) {
	t.Helper()
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
			if s := &file.Sections[j]; s.Kind == kind && s.Live() {
				all = append(all, liveFlow{id, s})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b liveFlow) int { return cmp.Compare(a.section.Duration(), b.section.Duration()) })
	return all
}

func testFlow(t *testing.T, s *flow.Section) {
	l := newFlowLink(t, s)
	local, _ := s.Addresses()
	w := watchNamespace(t, l.a, local, s)
	playing, err := stage.Play(t.Context(), s, l.a.sockets(t), l.b.sockets(t))
	if err != nil {
		t.Fatal(err)
	}
	defer playing.Close()
	direct := agent.New(configOf(t, s, flow.Start))
	want := told(direct.Report(flow.Run(direct, s)))
	until(t, func() string {
		if got := told(w.report()); !slices.Equal(got, want) {
			return fmt.Sprintf("live:\n%s\nwant, as from the events alone:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return ""
	})
}

// told is what a report says that does not depend on who played the flow and
// how fast the host is.
func told(r *report.Report) (lines []string) {
	for i := range r.Connections {
		c := &r.Connections[i]
		f := factsOf(c)
		f.Process = ""
		lines = append(lines, fmt.Sprintf("%s to %s: %s, class %s, keep %s, alias %s, outbound %s", c.Local, c.Remote, text(f),
			c.Class.Observed, agreed(c.Negotiated.Keep), text(c.Negotiated.Alias), text(c.Negotiated.Outbound)))
	}
	for _, f := range r.Findings {
		lines = append(lines, fmt.Sprintf("%s %s %s %s, %d times", f.Rule, f.Severity, f.Party, f.Address, f.Count))
	}
	slices.Sort(lines)
	return lines
}

func agreed(k *report.Keep) string {
	if k == nil {
		return "none"
	}
	bare := *k
	bare.Until = nil
	return text(bare)
}

// host is a core that sees one namespace only.
type host struct {
	mu     sync.Mutex
	core   *agent.Core
	probes *bpf.Probes
	netns  uint64
	local  []netip.Addr // tell the namespace of datagrams, which carry none
}

// configOf is how the flow wants the core to be set.
func configOf(t *testing.T, s *flow.Section, started event.Time) agent.Config {
	t.Helper()
	c, err := site.Config(agent.Config{Source: "live", Started: started}, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watchNamespace watches n, as the flow's site does, until the test ends.
func watchNamespace(t *testing.T, n *namespace, local []netip.Addr, s *flow.Section) *host {
	t.Helper()
	probes, err := bpf.Load(bpf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{probes: probes, netns: n.cookie(t), local: local, core: agent.New(configOf(t, s, probes.Now()))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, probes.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *host) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := h.probes.Read(10*time.Millisecond, h.handle); err != nil {
			return err
		}
		h.mu.Lock()
		h.core.Tick(h.probes.Now())
		h.mu.Unlock()
	}
	return nil
}

func (h *host) handle(e *event.Event) {
	if e.NetNS != h.netns && (e.NetNS != 0 || !slices.Contains(h.local, e.Local.Addr())) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.core.Handle(e)
}

func (h *host) report() *report.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.core.Report(h.probes.Now())
}

// sockets makes n a host of live flows.
func (n *namespace) sockets(t *testing.T) stage.Sockets {
	return stage.Sockets{Enter: func(f func() error) (err error) {
		n.do(t, func() { err = f() })
		return err
	}}
}
