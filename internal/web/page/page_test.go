// SPDX-License-Identifier: Apache-2.0

package page_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/view"
	"github.com/viaduct-project/viaduct/internal/web"
	"github.com/viaduct-project/viaduct/internal/web/api"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

// host is traffic that is served as an agent does. Its time is what the test
// says, under mu.
type host struct {
	*traffic.Traffic
	mu sync.Mutex
	*httptest.Server
}

func newHost(t testing.TB) *host {
	h := &host{Traffic: traffic.New(agent.Config{})}
	v := &view.View{Lock: &h.mu, Core: h.Core, Now: func() event.Time { return h.Now }, Host: report.Host{Name: "sip1.example.net", Kernel: "6.1.0"},
		Features: map[string]string{"tls": "unavailable: the content of TLS is not read"}}
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler())
	mux.Handle("/api/", api.New(v))
	h.Server = httptest.NewServer(web.NewHandler(web.Options{ // which lets browsers on this host in
		Private: mux, Metrics: http.NotFoundHandler(), Ready: func() error { return nil }, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(h.Server.Close)
	return h
}

// play has something happen.
func (h *host) play(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// fill plays what every test likes to see.
func (h *host) fill(n int) {
	h.play(func() {
		h.Connections(n)
		h.Wait(25 * time.Second)
	})
}

// file writes the report to a file, and returns its URL.
func (h *host) file(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h.play(func() {
		r := h.Core.Report(h.Now)
		r.Host.Name = "sip1.example.net"
		err = page.WriteReport(f, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + name
}
