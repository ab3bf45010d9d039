// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

func sample(t *testing.T) *File {
	t.Helper()
	text, err := os.ReadFile("testdata/sample.flow")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFile("testdata/sample.flow", text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGoldenEvents has every event of the sample, bytes and all.
func TestGoldenEvents(t *testing.T) {
	var b strings.Builder
	f := sample(t)
	for i := range f.Sections {
		s := &f.Sections[i]
		events, end := Events(s)
		fmt.Fprintf(&b, "== %s\n", s.Title)
		for j := range events {
			writeEvent(&b, &events[j])
		}
		fmt.Fprintf(&b, "end at %s, pcap %t, live %t\n\n", end.Sub(Start), s.Pcap(), s.Live())
	}
	const golden = "testdata/sample.events"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Fatalf("%s:%d:\n got %s\nwant %s\nif that is meant, run go test -update", golden, i+1, got[i], lines[i])
		}
	}
	if len(got) != len(lines) {
		t.Fatalf("%d lines, %d in %s", len(got), len(lines), golden)
	}
}

func writeEvent(b *strings.Builder, e *event.Event) {
	kinds := [...]string{"", "opened", "data", "half-closed", "closed", "owner", "figures", "listening"}
	fmt.Fprintf(b, "%s %s", e.Time.Sub(Start), kinds[e.Kind])
	if e.Socket != 0 {
		fmt.Fprintf(b, " %s socket %d %s - %s", [...]string{"?", "tcp", "tls", "udp"}[e.Transport], e.Socket, e.Local, e.Remote)
	}
	side := [...]string{"unknown", "local", "remote"}
	switch e.Kind {
	case event.Opened:
		fmt.Fprintf(b, " by %s, mid-life %t, next in %d, out %d", side[e.Initiator], e.MidLife, e.NextIn, e.NextOut)
	case event.Data:
		fmt.Fprintf(b, " %s seq %d length %d lost %t\n%q", [...]string{"", "in", "out"}[e.Direction], e.Seq, e.Length, e.Lost, e.Payload)
	case event.HalfClosed:
		fmt.Fprintf(b, " %s", [...]string{"", "in", "out"}[e.Direction])
	case event.Closed:
		fmt.Fprintf(b, " exiting %t by %s how %d, failed %t, sent %d received %d, idle in %s out %s", e.Exiting, side[e.By], e.How, e.Failed,
			e.Counts.BytesSent, e.Counts.BytesReceived, e.IdleIn, e.IdleOut)
	}
	if e.Kind != event.Data && e.Owner.PID != 0 {
		fmt.Fprintf(b, " of %s %d", e.Owner.Name, e.Owner.PID)
	}
	b.WriteString("\n")
}

// ticks notes what a core is told.
type ticks struct {
	t      *testing.T
	now    event.Time
	events int
	ticks  int
}

func (c *ticks) Handle(e *event.Event) {
	if e.Time < c.now {
		c.t.Errorf("event at %s after the tick of %s", e.Time.Sub(Start), c.now.Sub(Start))
	}
	c.now = e.Time
	c.events++
}

func (c *ticks) Tick(now event.Time) {
	if now < c.now || now.Sub(c.now) > time.Second {
		c.t.Errorf("tick at %s, after %s", now.Sub(Start), c.now.Sub(Start))
	}
	c.now = now
	c.ticks++
}

func TestRun(t *testing.T) {
	s := parse(t, "tcp a in\n+2500ms\na< ping\n+1s\na< close\n+3s")
	c := &ticks{t: t, now: Start}
	end := Run(c, s)
	if end != Start.Add(6500*time.Millisecond) || c.now != end || c.events != 4 || c.ticks != 7 {
		t.Errorf("end %s, %d events, %d ticks, last %s", end.Sub(Start), c.events, c.ticks, c.now.Sub(Start))
	}
}
