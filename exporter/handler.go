// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapesMax bounds the scrapes that are answered at once: each stops the
// reader of events for a moment.
const scrapesMax = 4

// NewRegistry returns what a scrape gathers: c, the build, and the figures of
// the Go runtime and of this process.
func NewRegistry(c *Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		c,
		version.NewCollector("viaduct"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Control is what the handler asks of the agent; its functions are called from
// many goroutines.
type Control struct {
	Ready  func() error // why the agent is not ready, in a sentence, or nil
	Reload func() error // reads the policy again; nil if there is none to read
	// Authenticated: the web configuration lets nobody in whom it does not know.
	Authenticated bool
}

// NewHandler serves the paths that may be seen from the network, since they
// hold no address and no call: /metrics, /-/healthy and /-/ready; and to this
// host, or to whom the web configuration knows, POST /-/reload. All other paths
// are not found.
func NewHandler(r *prometheus.Registry, agent Control, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		Registry:            r,
		MaxRequestsInFlight: scrapesMax,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "viaduct is running")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := agent.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, "viaduct is not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "viaduct is ready")
	})
	mux.Handle("POST /-/reload", trusted(agent.Authenticated, func(w http.ResponseWriter, _ *http.Request) {
		if agent.Reload == nil {
			answer(w, http.StatusConflict, "there is no policy file to reload: start the agent with --policy FILE")
			return
		}
		if err := agent.Reload(); err != nil {
			answer(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
		answer(w, http.StatusOK, "the policy is in force")
	}))
	return mux
}

func answer(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that has gone needs no answer.
	_, _ = fmt.Fprintln(w, sentence)
}
