// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const here, there = "127.0.0.1:40000", "198.51.100.7:40000"

// shown is a handler whose private paths say that they were reached.
func shown(o Options) http.Handler {
	o.Log = slog.New(slog.DiscardHandler)
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "figures") })
	o.Private = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "calls") })
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	return NewHandler(o)
}

func ask(h http.Handler, method, path, client, host string, header ...string) (int, string) {
	r := httptest.NewRequest(method, "http://"+host+path, nil)
	r.RemoteAddr = client
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestPaths(t *testing.T) {
	scanning := errors.New("still scanning")
	for _, tt := range []struct {
		method, path string
		client       string
		notReady     error
		status       int
		body         string
	}{
		{"GET", "/metrics", there, nil, 200, "figures"},
		{"GET", "/metrics", there, scanning, 200, "figures"},
		{"GET", "/-/healthy", there, scanning, 200, "viaduct is running\n"},
		{"GET", "/-/ready", there, nil, 200, "viaduct is ready\n"},
		{"GET", "/-/ready", there, scanning, 503, "viaduct is not ready: still scanning\n"},
		{"HEAD", "/-/ready", there, scanning, 503, "viaduct is not ready"},
		{"POST", "/-/ready", there, nil, 403, "only this host"},
		{"POST", "/metrics", there, nil, 403, "only this host"},
		{"GET", "/", there, nil, 403, "only this host"},
		{"GET", "/-/reload", there, nil, 403, "only this host"},
		{"GET", "/api/v1/report", there, nil, 403, "only this host"},
		{"GET", "//metrics", there, nil, 307, "metrics"}, // to the clean path
		{"GET", "/metrics/../api/v1/report", there, nil, 307, "/api/v1/report"},
		{"GET", "/metrics/", there, nil, 403, "only this host"},
		{"GET", "/", here, nil, 200, "calls"},
		{"GET", "/api/v1/report", here, nil, 200, "calls"},
		{"POST", "/-/reload", here, nil, 409, "--policy FILE"},
	} {
		h := shown(Options{Ready: func() error { return tt.notReady }})
		status, body := ask(h, tt.method, tt.path, tt.client, "192.0.2.1:19060")
		if tt.client == here {
			status, body = ask(h, tt.method, tt.path, tt.client, "localhost:19060")
		}
		if status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: status %d, want %d; body %.300q, want %q in it", tt.method, tt.path, status, tt.status, body, tt.body)
		}
	}
}

func TestReload(t *testing.T) {
	for _, tt := range []struct {
		client string
		err    error
		status int
		asked  bool
	}{
		{here, nil, 200, true},
		{here, errors.New("p:1:1: bad"), 422, true},
		{there, nil, 403, false},
	} {
		asked := false
		h := shown(Options{Reload: func() error { asked = true; return tt.err }})
		if status, body := ask(h, "POST", "/-/reload", tt.client, "127.0.0.1:19060"); status != tt.status || asked != tt.asked {
			t.Errorf("from %s, with %v: status %d, asked %t; %q", tt.client, tt.err, status, asked, body)
		}
	}
}
