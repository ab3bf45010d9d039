// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
)

func of(t *traffic.Traffic) *View {
	return &View{Lock: new(sync.Mutex), Core: t.Core, Now: func() event.Time { return t.Now }}
}

func parse(t *testing.T, q string, sorts []string) *Query {
	t.Helper()
	values, err := url.ParseQuery(q)
	if err != nil {
		t.Fatal(err)
	}
	f, o, err := query.Parse(values.Get, sorts)
	if err != nil {
		t.Fatal(err)
	}
	return &Query{Filter: f, Order: o, Limit: 100}
}

// TestPagesAreTheReport: what the pages of a filter show is what the report
// has, once each.
func TestPagesAreTheReport(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Connections(1000)
	play.Hostile()
	play.Wait(90 * time.Second)
	play.Connections(300)
	r, v := play.Core.Report(play.Now), of(play)
	severe := func(line *report.Connection, severity string) bool {
		return slices.ContainsFunc(line.Findings, func(i int) bool {
			return query.Grave(r.Findings[i].Severity) >= query.Grave(severity)
		})
	}
	for q, want := range map[string]func(*report.Connection) bool{
		"":                      func(*report.Connection) bool { return true },
		"state=open":            func(l *report.Connection) bool { return l.Close == nil },
		"state=closed":          func(l *report.Connection) bool { return l.Close != nil },
		"class=persistent":      func(l *report.Connection) bool { return l.Class.Observed == "persistent" },
		"process=asterisk":      func(l *report.Connection) bool { return l.Process.Name == "asterisk" },
		"address=198.51.100.7:": func(l *report.Connection) bool { return strings.Contains(l.Remote, "198.51.100.7:") },
		"severity=advice":       func(l *report.Connection) bool { return severe(l, "advice") },
		"rule=tp-01": func(l *report.Connection) bool {
			return slices.ContainsFunc(l.Findings, func(i int) bool { return r.Findings[i].Rule == "TP-01" })
		},
		"text=keep": func(l *report.Connection) bool { return l.Negotiated.Keep != nil },
	} {
		var ids []string
		for i := range r.Connections {
			if want(&r.Connections[i]) {
				ids = append(ids, r.Connections[i].ID)
			}
		}
		if len(ids) == 0 {
			t.Errorf("%s means nothing", q)
		}
		slices.Sort(ids)
		for _, sort := range append([]string{"", "-newest", "-idle"}, query.Connections...) {
			if got := all(t, v, parse(t, q+"&sort="+sort, query.Connections)); !slices.Equal(got, ids) {
				t.Errorf("%s, sorted by %s: %d connections, want %d", q, sort, len(got), len(ids))
			}
		}
	}
}

// all goes through the pages.
func all(t *testing.T, v *View, q *Query) (ids []string) {
	for {
		page := v.Connections(q)
		for _, line := range page.Connections {
			ids = append(ids, line.ID)
			for _, i := range line.Findings {
				if page.Findings[i].Connection != line.ID {
					t.Fatalf("the finding %d of %s is on %s", i, line.ID, page.Findings[i].Connection)
				}
			}
		}
		if page.Next == nil {
			slices.Sort(ids)
			return ids
		}
		after, err := query.ParsePlace(*page.Next)
		if err != nil {
			t.Fatal(err)
		}
		q.After = &after
	}
}

// TestSorted: each order puts first what it says.
func TestSorted(t *testing.T) {
	play := traffic.New(agent.Config{})
	for range 5 {
		play.Connections(20)
		play.Wait(7 * time.Second)
	}
	v := of(play)
	for sort, key := range map[string]func(*report.Connection) float64{
		"idle": func(l *report.Connection) float64 {
			if l.IdleSeconds == nil {
				return -1
			}
			return *l.IdleSeconds
		},
		"requests": func(l *report.Connection) float64 { return float64(l.Transactions) },
		"bytes":    func(l *report.Connection) float64 { return float64(l.BytesSent + l.BytesReceived) },
		"findings": func(l *report.Connection) float64 { return float64(len(l.Findings)) },
	} {
		lines := v.Connections(parse(t, "sort="+sort, query.Connections)).Connections
		if !slices.IsSortedFunc(lines, func(a, b report.Connection) int { return int(key(&b)*1000) - int(key(&a)*1000) }) || key(&lines[0]) == key(&lines[99]) {
			t.Errorf("not sorted by %s", sort)
		}
	}
}

// TestOthers: findings, peers and actions are those of the report.
func TestOthers(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Connections(300)
	play.Hostile()
	play.Wait(90 * time.Second)
	r, v := play.Core.Report(play.Now), of(play)
	for _, sort := range query.Findings {
		for q, want := range map[string]func(*report.Finding) bool{
			"":                func(*report.Finding) bool { return true },
			"severity=advice": func(f *report.Finding) bool { return f.Severity != "info" },
			"rule=KEEP":       func(f *report.Finding) bool { return strings.HasPrefix(f.Rule, "KEEP") },
			"text=fin":        func(f *report.Finding) bool { return strings.Contains(strings.ToLower(fmt.Sprint(f)), "fin") },
		} {
			got, want := len(v.Findings(parse(t, q+"&sort="+sort, query.Findings)).Findings), len(slices.DeleteFunc(slices.Clone(r.Findings), func(f report.Finding) bool { return !want(&f) }))
			if got != min(want, 100) || want == 0 {
				t.Errorf("%s: %d findings, want %d", q, got, want)
			}
		}
	}
	of := parse(t, "", query.Findings)
	of.Connection = r.Findings[0].Connection
	for _, f := range v.Findings(of).Findings {
		if f.Connection != of.Connection {
			t.Errorf("a finding on %s", f.Connection)
		}
	}
	var peers []report.Peer
	for q := parse(t, "", query.Peers); ; {
		q.Limit = 2
		page := v.Peers(q)
		peers = append(peers, page.Peers...)
		if page.Next == nil {
			break
		}
		after, err := query.ParsePlace(*page.Next)
		if err != nil {
			t.Fatal(err)
		}
		q.After = &after
	}
	if len(peers) != len(r.Peers) || len(peers) < 3 || peers[0].ConnectionsOpened < peers[2].ConnectionsOpened {
		t.Errorf("%d peers, want %d", len(peers), len(r.Peers))
	}
	if c := v.Counts(); c.Open+c.Closed != len(r.Connections) || c.Findings != r.Summary.Findings || c.Peers != len(r.Peers) || c.Open == 0 || c.Closed == 0 {
		t.Errorf("%+v", c)
	}
}

// TestWriteReport: the report that is written piece by piece is the report.
func TestWriteReport(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Connections(200)
	play.Hostile()
	play.Wait(90 * time.Second)
	var b bytes.Buffer
	v := of(play)
	v.Host, v.Features = report.Host{Name: "host"}, map[string]string{"tls": "unavailable"}
	if err := v.WriteReport(&b); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := play.Core.Report(play.Now)
	if got.Schema != want.Schema || got.Summary != want.Summary || got.Lost != want.Lost || len(got.Peers) != len(want.Peers) ||
		!got.Started.Equal(want.Started) || !got.Ended.Equal(want.Ended) || got.Host.Name != "host" || got.Features["tls"] == "" {
		t.Errorf("%+v\n%+v", got.Summary, want.Summary)
	}
	for i := range want.Connections {
		g, w := &got.Connections[i], &want.Connections[i]
		if g.ID != w.ID || len(g.Findings) != len(w.Findings) {
			t.Fatalf("connection %d is %s with %d findings, want %s with %d", i, g.ID, len(g.Findings), w.ID, len(w.Findings))
		}
		for _, n := range g.Findings {
			if got.Findings[n].Connection != g.ID {
				t.Fatalf("finding %d is not of %s", n, g.ID)
			}
		}
	}
}

// TestFollow: what happened is told of, once it has.
func TestFollow(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Connections(100)
	play.Wait(10 * time.Second)
	f := of(play).Follow()
	play.Wait(10 * time.Second)
	if c := f.Next(); len(c.Connections) != 0 {
		t.Errorf("%d connections have changed", len(c.Connections))
	}
	conn := play.Open("203.0.113.9:5060", false, "kamailio")
	play.Wait(time.Second)
	c := f.Next()
	if len(c.Connections) != 1 || c.Connections[0].Remote != "203.0.113.9:5060" || c.Connections[0].Closed != nil {
		t.Errorf("opened: %+v", c.Connections)
	}
	conn.Request(false, "OPTIONS", "x", "", "")
	conn.Close(event.Remote)
	play.Wait(8 * time.Second)
	c = f.Next()
	if len(c.Connections) != 1 || c.Connections[0].Closed == nil || c.More {
		t.Errorf("closed: %+v", c)
	}
	for n := 0; len(f.Next().Findings) == 0; n++ {
		if play.Wait(time.Second); n == 100 {
			t.Fatal("no finding is told of")
		}
	}
	play.Connections(2000)
	if c := f.Next(); !c.More || len(c.Connections) > changedMax {
		t.Errorf("%d told of, more: %t", len(c.Connections), c.More)
	}
}
