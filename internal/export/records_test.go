// SPDX-License-Identifier: Apache-2.0

package export

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// host is a core with a clock, whose peers break a rule with each connection.
type host struct {
	mu   sync.Mutex
	core *agent.Core
	now  event.Time
	n    int
}

func newHost() *host {
	start := event.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return &host{core: agent.New(agent.Config{Started: start}), now: start}
}

func (h *host) source() Source {
	return func(f func(*agent.Core, event.Time)) {
		h.mu.Lock()
		defer h.mu.Unlock()
		f(h.core, h.now)
	}
}

// call has a peer send a request and reset the connection, and lets it be
// put away.
func (h *host) call() { h.callAnd(time.Minute) }

func (h *host) callAnd(wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	e := event.Event{
		Kind: event.Opened, Transport: event.TCP, Initiator: event.Remote, Socket: uint64(h.n), Time: h.now,
		Local: address("192.0.2.1:5060"), Remote: address(fmt.Sprintf("198.51.100.%d:5060", h.n)), Owner: event.Process{PID: 1, Name: "proxy"},
	}
	h.core.Handle(&e)
	e.Kind = event.Data
	for _, d := range []event.Direction{event.In, event.Out} { // KEEP-35: a ping every two seconds
		e.Direction = d
		e.Payload = fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/TCP 198.51.100.%d;branch=z9hG4bK%d;keep%s\r\nFrom: <sip:b@example.com>;tag=b\r\n"+
			"To: <sip:b@example.com>\r\nCall-ID: %d@example.com\r\nCSeq: 1 REGISTER\r\nContact: <sip:b@198.51.100.1>\r\nContent-Length: 0\r\n\r\n",
			[]string{event.In: "REGISTER sip:example.com SIP/2.0", event.Out: "SIP/2.0 200 OK"}[d], h.n, h.n, []string{event.In: "", event.Out: "=2"}[d], h.n)
		e.Length = len(e.Payload)
		h.core.Handle(&e)
	}
	e.Kind, e.Payload, e.By, e.How = event.Closed, nil, event.Remote, event.RST
	h.core.Handle(&e)
	h.now = h.now.Add(wait)
	h.core.Tick(h.now)
}

func records(t *testing.T, names ...string) (all []map[string]any) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var o map[string]any
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, o)
		}
	}
	return all
}

func kinds(all []map[string]any) map[string]int {
	n := make(map[string]int)
	for _, o := range all {
		n[o["record"].(string)]++
	}
	return n
}

// TestRecords: each record once, with what was found on it, also across a
// rotation, and at the end all that there is.
func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "records.jsonl")
		h := newHost()
		r, err := OpenRecords(name, "sip1", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx, h.source()) }()
		for range 2*batch + 1 {
			h.call()
		}
		time.Sleep(2 * every)
		synctest.Wait()
		if n := kinds(records(t, name)); n["connection"] != 2*batch+1 {
			t.Errorf("%v", n)
		}
		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
		h.call()
		r.Action(report.Action{Action: "close", Connection: "c1"})
		time.Sleep(2 * every)
		if n := kinds(records(t, name)); n["connection"] != 1 || n["action"] != 1 {
			t.Errorf("after the rotation: %v", n)
		}
		h.callAnd(0) // still waits for what may come late
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		all := records(t, name+".1", name)
		seen, found := make(map[any]bool), make(map[any]bool)
		for _, o := range all {
			if id := o["id"]; id != nil && seen[id] {
				t.Errorf("%v twice", id)
			}
			seen[o["id"]] = true
			if o["record"] == "finding" {
				found[o["id"]] = true
			}
		}
		n := 0
		for _, o := range all {
			if o["record"] == "connection" {
				for _, id := range o["findings"].([]any) {
					if !found[id] {
						t.Errorf("%v is on a connection, and not there", id)
					}
					n++
				}
			}
		}
		if k := kinds(all); k["connection"] != 2*batch+3 || k["finding"] == 0 || n == 0 {
			t.Errorf("%v, %d findings on connections", k, n)
		}
		if written, dropped := r.Counts(); int(written) != len(all) || dropped != 0 {
			t.Errorf("%d written, %d dropped, %d lines", written, dropped, len(all))
		}
	})
}

// TestRecordsLost: what cannot be written is counted, told once, and does not
// keep what comes later from being written.
func TestRecordsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "away")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		name := filepath.Join(dir, "records.jsonl")
		r, err := OpenRecords(name, "", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		h := newHost()
		r.source = h.source()
		h.call()
		r.step()
		h.call()
		r.step()
		_, dropped := r.Counts()
		if dropped < 2 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%d dropped, log: %s", dropped, log.String())
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		h.call()
		r.step()
		if n := kinds(records(t, name)); n["connection"] != 1 {
			t.Errorf("%v", n)
		}
		for range mostActions + 7 {
			r.Action(report.Action{})
		}
		if _, after := r.Counts(); after != dropped+7 {
			t.Errorf("%d dropped", after)
		}
		if err := r.out.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenRecords(t *testing.T) {
	if _, err := OpenRecords(t.TempDir(), "", nil); err == nil {
		t.Error("a directory is no file")
	}
	r, err := OpenRecords(Standard, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.out.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(os.Stdout, ""); err != nil {
		t.Error("standard output is closed")
	}
}
