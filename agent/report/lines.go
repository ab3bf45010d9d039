// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"io"
	"time"
)

// Lines writes records, one JSON object a line: for log shippers and for tools
// that read a line at a time. The fields are those of the report, with what it
// was and where and when it was seen. IDs are unique within one observation, by
// host and since.
type Lines struct {
	enc *json.Encoder
	of  Observation
}

// Observation is what made the records.
type Observation struct {
	Host  string    `json:"host"`
	Since time.Time `json:"since"` // its beginning
}

// NewLines returns what writes to w.
func NewLines(w io.Writer, of Observation) *Lines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &Lines{enc, of}
}

type head struct {
	Record string `json:"record"`
	Observation
}

// Connection writes a connection, with the IDs of the findings on it.
func (l *Lines) Connection(c *Connection, findings []string) error {
	if findings == nil {
		findings = []string{}
	}
	return l.enc.Encode(struct {
		head
		*Connection
		Findings []string `json:"findings"` // in the place of the report's indexes
	}{head{"connection", l.of}, c, findings})
}

// Finding writes a finding.
func (l *Lines) Finding(f *Finding) error {
	return l.enc.Encode(struct {
		head
		*Finding
	}{head{"finding", l.of}, f})
}

// Action writes an action.
func (l *Lines) Action(a *Action) error {
	return l.enc.Encode(struct {
		head
		*Action
	}{head{"action", l.of}, a})
}

// WriteLines writes r as lines: its findings, connections, peers and actions,
// and at last what is said of all of it.
func (r *Report) WriteLines(w io.Writer) error {
	l := NewLines(w, Observation{r.Host.Name, r.Started})
	var first error
	note := func(err error) { first = cmp.Or(first, err) }
	for i := range r.Findings {
		note(l.Finding(&r.Findings[i]))
	}
	for i := range r.Connections {
		c := &r.Connections[i]
		var ids []string
		for _, n := range c.Findings {
			ids = append(ids, r.Findings[n].ID)
		}
		note(l.Connection(c, ids))
	}
	for i := range r.Peers {
		note(l.enc.Encode(struct {
			head
			*Peer
		}{head{"peer", l.of}, &r.Peers[i]}))
	}
	for i := range r.Actions {
		note(l.Action(&r.Actions[i]))
	}
	note(l.enc.Encode(struct {
		head
		Source   string            `json:"source"`
		Ended    time.Time         `json:"ended"`
		Summary  Summary           `json:"summary"`
		Lost     Lost              `json:"lost"`
		Features map[string]string `json:"features"`
	}{head{"summary", l.of}, r.Source, r.Ended, r.Summary, r.Lost, r.Features}))
	return first
}
