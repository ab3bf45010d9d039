// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"

	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/web/api"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

// status shows addresses and calls: the page at /, and the API that it asks.
func status(w *live.Watch) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler())
	mux.Handle("/api/v1/", api.New(w.View()))
	return mux
}
