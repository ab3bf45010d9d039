// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(h http.Handler, method, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	body, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(body)
}

func TestPaths(t *testing.T) {
	var notReady error
	h := NewHandler(NewRegistry(collectorOf(zero())), Control{Ready: func() error { return notReady }}, slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		method, path string
		notReady     error
		status       int
		body         string // part of it
	}{
		{"GET", "/metrics", nil, 200, `viaduct_messages_total{direction="in",method="INVITE",transport="tcp",type="request"} 0`},
		{"GET", "/metrics", nil, 200, `viaduct_build_info{`},
		{"GET", "/metrics", nil, 200, `process_cpu_seconds_total `},
		{"GET", "/metrics", errors.New("still scanning"), 200, `viaduct_connections{`},
		{"GET", "/-/healthy", errors.New("still scanning"), 200, "viaduct is running\n"},
		{"GET", "/-/ready", nil, 200, "viaduct is ready\n"},
		{"GET", "/-/ready", errors.New("still scanning"), 503, "viaduct is not ready: still scanning\n"},
		{"HEAD", "/-/ready", errors.New("still scanning"), 503, ""},
		{"POST", "/-/ready", nil, 405, ""},
		{"POST", "/metrics", nil, 405, ""},
		{"GET", "/", nil, 404, ""},
		{"GET", "/-/reload", nil, 405, ""},
		{"GET", "/api/v1/report", nil, 404, ""},
		{"GET", "/debug/pprof/", nil, 404, ""},
	} {
		notReady = tt.notReady
		status, body := get(h, tt.method, tt.path)
		if status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: status %d, want %d; body %.300q, want %q in it", tt.method, tt.path, status, tt.status, body, tt.body)
		}
	}
}

// A scrape that cannot be answered in full must fail, not show a part.
func TestFailedSampleFailsTheScrape(t *testing.T) {
	var log bytes.Buffer
	broken := NewCollector(func() (Sample, error) { return zero(), errors.New("no such map") }, nil)
	h := NewHandler(NewRegistry(broken), Control{Ready: func() error { return nil }}, slog.New(slog.NewTextHandler(&log, nil)))
	status, body := get(h, "GET", "/metrics")
	if status != 500 || !strings.Contains(body, "no such map") || strings.Contains(body, "viaduct_messages_total") {
		t.Errorf("status %d, body %.300q", status, body)
	}
	if !strings.Contains(log.String(), "no such map") {
		t.Errorf("log %q does not say why", log.String())
	}
}

// TestReload: who may ask for it, and what it answers.
func TestReload(t *testing.T) {
	const here, there = "127.0.0.1:40000", "198.51.100.7:40000"
	for _, tt := range []struct {
		name          string
		client, host  string
		origin        string
		authenticated bool
		err           error
		status        int
		asked         bool
	}{
		{"from here", here, "127.0.0.1:19060", "", false, nil, 200, true},
		{"by name", here, "localhost:19060", "", false, nil, 200, true},
		{"by IPv6", "[::1]:40000", "[::1]:19060", "", false, nil, 200, true},
		{"refused file", here, "localhost:19060", "", false, errors.New("p:1:1: bad"), 422, true},
		{"from the network", there, "192.0.2.1:19060", "", false, nil, 403, false},
		{"from the network, authenticated", there, "192.0.2.1:19060", "", true, nil, 200, true},
		{"by a name that resolves to here", here, "trick.example.com:19060", "", false, nil, 403, false},
		{"a page of another site", here, "127.0.0.1:19060", "https://example.com", false, nil, 403, false},
		{"a page of another site, authenticated", there, "192.0.2.1:19060", "https://example.com", true, nil, 403, false},
		{"a page of ours", here, "127.0.0.1:19060", "http://127.0.0.1:19060", false, nil, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := false
			h := NewHandler(NewRegistry(collectorOf(zero())), Control{
				Ready:         func() error { return nil },
				Reload:        func() error { asked = true; return tt.err },
				Authenticated: tt.authenticated,
			}, slog.New(slog.DiscardHandler))
			r := httptest.NewRequest("POST", "http://"+tt.host+"/-/reload", nil)
			r.RemoteAddr = tt.client
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || asked != tt.asked {
				t.Errorf("status %d, asked %t; body %q", w.Code, asked, w.Body)
			}
		})
	}
	h := NewHandler(NewRegistry(collectorOf(zero())), Control{Ready: func() error { return nil }, Authenticated: true}, slog.New(slog.DiscardHandler))
	if status, body := get(h, "POST", "/-/reload"); status != 409 || !strings.Contains(body, "--policy FILE") {
		t.Errorf("without a policy: %d %s", status, body)
	}
}
