// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"

	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/web/api"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

// status shows addresses and calls: the page at /, and the API that it asks.
type status struct {
	http.ServeMux
	api *api.API
}

func newStatus(w *live.Watch) *status {
	s := &status{api: api.New(w.View())}
	s.Handle("/", page.Handler())
	s.Handle("/api/v1/", s.api)
	return s
}

func (s *status) sample(to *exporter.Sample) {
	to.Exported.Stream, to.Unexported.Stream = s.api.Stream()
}
