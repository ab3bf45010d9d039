// SPDX-License-Identifier: Apache-2.0

package exporter

import (
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

// NewHandler answers scrapes. A scrape that cannot be answered in full fails.
func NewHandler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		Registry:            r,
		MaxRequestsInFlight: scrapesMax,
		EnableOpenMetrics:   true,
	})
}
