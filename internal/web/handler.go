// SPDX-License-Identifier: Apache-2.0

// Package web serves what the agent shows over HTTP, and decides who may see
// what: figures without addresses may go to the network, all else stays on this
// host or with whom the web configuration knows.
package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Options say what is served; the functions and handlers are called from many
// goroutines at once.
type Options struct {
	Metrics http.Handler // for everybody: it must show no address and no call
	Ready   func() error // why the agent is not ready, in a sentence, or nil
	Reload  func() error // reads the policy again; nil if there is none to read
	// Private answers all paths that are not handled here, to who may see
	// addresses and calls; nil if there is nothing more.
	Private http.Handler
	// ConfigFile has TLS and authentication, in the toolkit's format; empty if
	// there are none.
	ConfigFile string
	Log        *slog.Logger
}

// scrapeWait is how long a client may take to read /metrics: as many as are
// answered at once could otherwise keep all others out.
const scrapeWait = 30 * time.Second

// NewHandler serves to everybody /metrics, /-/healthy and /-/ready; and to this
// host, or to whom the web configuration knows, POST /-/reload and what is
// private.
func NewHandler(o Options) http.Handler {
	mux, private := http.NewServeMux(), http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		// A test's recorder has no deadline.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(scrapeWait))
		o.Metrics.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "viaduct is running")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, "viaduct is not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "viaduct is ready")
	})
	private.HandleFunc("POST /-/reload", func(w http.ResponseWriter, _ *http.Request) { reload(w, o.Reload) })
	if o.Private != nil {
		private.Handle("/", o.Private)
	}
	mux.Handle("/", guard(knows(o.ConfigFile), private))
	return mux
}

func reload(w http.ResponseWriter, again func() error) {
	if again == nil {
		answer(w, http.StatusConflict, "there is no policy file to reload: start the agent with --policy FILE")
		return
	}
	if err := again(); err != nil {
		answer(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, "the policy is in force")
}

func answer(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that has gone needs no answer.
	_, _ = fmt.Fprintln(w, sentence)
}
