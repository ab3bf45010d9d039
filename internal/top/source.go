// SPDX-License-Identifier: Apache-2.0

// Package top shows the connections of a host in a terminal, while they live.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/view"
)

// Source is where what is shown comes from.
type Source interface {
	Connections(context.Context, *view.Query) (*report.Page, error)
	Counts(context.Context) (report.Counts, error)
}

// Here is what this process sees itself.
type Here struct{ *view.View }

// Connections and Counts never fail.
func (h Here) Connections(_ context.Context, q *view.Query) (*report.Page, error) {
	return h.View.Connections(q), nil
}

func (h Here) Counts(context.Context) (report.Counts, error) { return h.View.Counts(), nil }

const (
	answerWait = 10 * time.Second
	answerMax  = 64 << 20 // bytes
)

// Agent is a running agent, asked over HTTP.
type Agent struct {
	base   *url.URL
	client http.Client
}

// NewAgent takes the URL at which the agent's page is; a user and a password in
// it are those of its web configuration.
func NewAgent(at string) (*Agent, error) {
	if !strings.Contains(at, "://") {
		at = "http://" + at
	}
	base, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("%q is no URL of an agent, as in http://127.0.0.1:19060", at)
	}
	return &Agent{base: base, client: http.Client{Timeout: answerWait}}, nil
}

// Connections asks for a page.
func (a *Agent) Connections(ctx context.Context, q *view.Query) (*report.Page, error) {
	page := new(report.Page)
	return page, a.get(ctx, "connections", parameters(q), page)
}

// Counts asks for the figures of the whole.
func (a *Agent) Counts(ctx context.Context) (c report.Counts, err error) {
	return c, a.get(ctx, "summary", nil, &c)
}

func parameters(q *view.Query) url.Values {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	sort := q.By
	if q.Reverse && sort != "" {
		sort = "-" + sort
	}
	for name, value := range map[string]string{
		"state": q.State, "transport": q.Transport, "severity": q.Severity, "text": q.Text, "sort": sort, "connection": q.Connection,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

func (a *Agent) get(ctx context.Context, path string, query url.Values, into any) error {
	at := a.base.JoinPath("api/v1", path)
	at.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	answer, err := a.client.Do(r)
	if err != nil {
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL, in which there may be a password
		}
		return fmt.Errorf("ask the agent at %s: %w", a.base.Host, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil {
		return fmt.Errorf("ask the agent at %s: %w", a.base.Host, err)
	}
	if answer.StatusCode != http.StatusOK {
		why, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		return fmt.Errorf("the agent at %s answers %s: %s", a.base.Host, answer.Status, why)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the agent at %s: what it answers is not of its API: %w", a.base.Host, err)
	}
	return nil
}
