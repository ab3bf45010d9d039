// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/view"
)

func played() (*traffic.Traffic, *API) {
	play := traffic.New(agent.Config{})
	play.Connections(250)
	play.Hostile()
	play.Wait(time.Minute)
	return play, New(&view.View{Lock: new(sync.Mutex), Core: play.Core, Now: func() event.Time { return play.Now }})
}

func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestPaths(t *testing.T) {
	_, a := played()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/api/v1/report":      {200, `"schema":"viaduct.report/v1"`},
		"/api/v1/summary":     {200, `"schema":"viaduct.summary/v1"`},
		"/api/v1/rules":       {200, `"id":"KEEP-09"`},
		"/api/v1/connections": {200, `"schema":"viaduct.page/v1"`},
		"/api/v1/connections?limit=1&state=open&sort=idle":     {200, `"next":"-`},
		"/api/v1/connections?state=ajar":                       {400, `must be one of open, closed`},
		"/api/v1/connections?sort=colour":                      {400, `must be one of newest`},
		"/api/v1/connections?limit=1001":                       {400, `1 to 1000`},
		"/api/v1/connections?limit=many":                       {400, `1 to 1000`},
		"/api/v1/connections?after=here":                       {400, `not a cursor`},
		"/api/v1/connections?pear=other":                       {400, `\"pear\" is no parameter`},
		"/api/v1/findings?severity=advice&limit=3&sort=count":  {200, `"rule":"TP-0`},
		"/api/v1/findings?sort=idle":                           {400, `must be one of newest, severity, count`},
		"/api/v1/peers?limit=2&sort=avoidable":                 {200, `"peers":[{`},
		"/api/v1/actions":                                      {200, `"actions":[]`},
		"/api/v1/nothing":                                      {404, ""},
		"/api/v1/connections?text=%3Cscript%3E%00%ff&limit=10": {200, `"connections":[]`},
	} {
		status, body := get(a, path)
		if status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
		if status != 404 && !json.Valid([]byte(body)) {
			t.Errorf("%s: not JSON: %.300s", path, body)
		}
	}
}

// TestPaging: a script that follows next sees each connection once.
func TestPaging(t *testing.T) {
	play, a := played()
	seen, next := make(map[string]bool), ""
	for pages := 1; ; pages++ {
		_, body := get(a, "/api/v1/connections?limit=40&sort=requests&after="+next)
		var page report.Page
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, line := range page.Connections {
			if seen[line.ID] {
				t.Errorf("%s comes twice", line.ID)
			}
			seen[line.ID] = true
		}
		if page.Next == nil {
			if want := (len(seen) + 39) / 40; pages != want {
				t.Errorf("%d pages, want %d", pages, want)
			}
			break
		}
		next = *page.Next
	}
	if want := len(play.Core.Report(play.Now).Connections); len(seen) != want {
		t.Errorf("%d connections, want %d", len(seen), want)
	}
}

// TestTooManyReports: two are written at once, who comes third is told so.
func TestTooManyReports(t *testing.T) {
	_, a := played()
	for range reportsMax {
		a.reports <- struct{}{}
	}
	if status, body := get(a, "/api/v1/report"); status != 503 || !strings.Contains(body, "ask again later") {
		t.Errorf("%d %s", status, body)
	}
	<-a.reports
	if status, _ := get(a, "/api/v1/report"); status != 200 {
		t.Errorf("%d when one has ended", status)
	}
}

// TestStream: who reads is told each second; when nobody does, nobody looks.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := played()
		ctx, cancel := context.WithCancel(t.Context())
		from, to := io.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			a.ServeHTTP(&piped{ResponseRecorder: httptest.NewRecorder(), to: to}, httptest.NewRequest("GET", "/api/v1/stream", nil).WithContext(ctx))
		}()
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, 1<<20)
		next := func() (line string) {
			for lines.Scan() {
				if line = lines.Text(); strings.HasPrefix(line, "data: ") {
					break
				}
			}
			return strings.TrimPrefix(line, "data: ")
		}
		for range 3 {
			began := time.Now()
			var m struct {
				Dropped *int
				Counts  report.Counts
			}
			if err := json.Unmarshal([]byte(next()), &m); err != nil || m.Dropped == nil || m.Counts.Open == 0 {
				t.Fatalf("%v: %+v", err, m)
			}
			if d := time.Since(began); d != every {
				t.Errorf("a message after %v", d)
			}
		}
		if sent, _ := a.Stream(); sent != 3 {
			t.Errorf("%d messages sent", sent)
		}
		cancel()
		<-served
		synctest.Wait() // ends only if the goroutine that looks has
		if n := len(a.stream.readers); n != 0 || a.stream.stop != nil {
			t.Errorf("%d readers", n)
		}
	})
}

// TestSlowReader: who does not read costs nothing but a counter, and is told.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := played()
		slow, quick := a.stream.join(), a.stream.join()
		var last string
		for range 30 {
			last = string(<-quick.messages)
		}
		if !strings.Contains(last, `"dropped":0,`) {
			t.Errorf("the quick one: %.80s", last)
		}
		if n := len(slow.messages); n != waitingMax {
			t.Errorf("%d messages wait", n)
		}
		if _, dropped := a.Stream(); dropped != 30-waitingMax {
			t.Errorf("%d dropped", dropped)
		}
		for range waitingMax {
			<-slow.messages
		}
		if m := string(<-slow.messages); !strings.Contains(m, `"dropped":22,`) {
			t.Errorf("the slow one is not told: %.80s", m)
		}
		a.stream.leave(slow)
		a.stream.leave(quick)
		for range readersMax {
			if a.stream.join() == nil {
				t.Fatal("no room")
			}
		}
		if status, body := get(a, "/api/v1/stream"); status != 503 {
			t.Errorf("one too many: %d %s", status, body)
		}
		for r := range a.stream.readers {
			a.stream.leave(r)
		}
	})
}

// piped is a response that can be read while it is written.
type piped struct {
	*httptest.ResponseRecorder
	to *io.PipeWriter
}

func (p *piped) Write(b []byte) (int, error) { return p.to.Write(b) }
