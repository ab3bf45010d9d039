// SPDX-License-Identifier: Apache-2.0

// Package api answers, in JSON, what scripts and the status page ask of a
// running agent under /api/v1/. Who may ask is not decided here.
package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/agent/rules/explain"
	"github.com/viaduct-project/viaduct/internal/view"
)

const (
	limitDefault = 100
	// reportsMax bounds how many whole reports are written at once: of a
	// million connections each is a gigabyte.
	reportsMax = 2
	reportWait = 10 * time.Minute // for the client to read one
)

// API is an http.Handler for the paths under /api/v1/.
type API struct {
	http.ServeMux
	view    *view.View
	reports chan struct{}
	stream  *hub
}

// New returns the API of what v shows. It starts nothing until it is asked.
func New(v *view.View) *API {
	a := &API{view: v, reports: make(chan struct{}, reportsMax), stream: newHub(v)}
	a.HandleFunc("GET /api/v1/report", a.report)
	a.HandleFunc("GET /api/v1/connections", pages(query.Connections, v.Connections))
	a.HandleFunc("GET /api/v1/findings", pages(query.Findings, v.Findings))
	a.HandleFunc("GET /api/v1/peers", pages(query.Peers, v.Peers))
	a.HandleFunc("GET /api/v1/actions", pages(query.Actions, v.Actions))
	a.HandleFunc("GET /api/v1/summary", func(w http.ResponseWriter, _ *http.Request) { send(w, v.Counts()) })
	a.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, _ *http.Request) { send(w, explain.Entries(rules.Catalogue())) })
	a.HandleFunc("GET /api/v1/stream", a.stream.serve)
	return a
}

// Stream says how many messages were ever handed to readers of the stream, and
// how many dropped because a reader was too slow.
func (a *API) Stream() (sent, dropped uint64) {
	a.stream.mu.Lock()
	defer a.stream.mu.Unlock()
	return a.stream.sent, a.stream.dropped
}

func (a *API) report(w http.ResponseWriter, _ *http.Request) {
	select {
	case a.reports <- struct{}{}:
		defer func() { <-a.reports }()
	default:
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d reports are being written already: ask again later, or for pages of /api/v1/connections", reportsMax))
		return
	}
	// A test's recorder has no deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reportWait))
	w.Header().Set("Content-Type", "application/json")
	_ = a.view.WriteReport(w) // who asked has gone
}

// pages answers with the page that the parameters ask for.
func pages(sorts []string, page func(*view.Query) *report.Page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := parse(r, sorts)
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		send(w, page(q))
	}
}

// known are the parameters that lists have.
var known = map[string]bool{
	"state": true, "transport": true, "class": true, "peer": true, "process": true, "address": true, "rule": true,
	"severity": true, "text": true, "sort": true, "after": true, "limit": true, "connection": true,
}

func parse(r *http.Request, sorts []string) (*view.Query, error) {
	values := r.URL.Query()
	for name := range values {
		if !known[name] {
			return nil, fmt.Errorf("%q is no parameter of %s", name, r.URL.Path)
		}
	}
	filter, order, err := query.Parse(values.Get, sorts)
	if err != nil {
		return nil, err
	}
	q := &view.Query{Filter: filter, Order: order, Limit: limitDefault, Connection: values.Get("connection")}
	if s := values.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > view.LimitMax {
			return nil, fmt.Errorf("limit=%q: must be a number from 1 to %d", s, view.LimitMax)
		}
		q.Limit = n
	}
	if s := values.Get("after"); s != "" {
		after, err := query.ParsePlace(s)
		if err != nil {
			return nil, err
		}
		q.After = &after
	}
	return q, nil
}

func send(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // who asked has gone
}

// refuse says in JSON why not.
func refuse(w http.ResponseWriter, status int, why error) {
	b, err := json.Marshal(map[string]string{"error": why.Error()})
	if err != nil {
		b = []byte(`{"error":"unknown"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
