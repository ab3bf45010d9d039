// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestWriteLines: each line is an object of its own, with the report's fields.
func TestWriteLines(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &Report{
		Started: started, Ended: started, Host: Host{Name: "sip1"}, Source: "live",
		Connections: []Connection{{ID: "c1", Remote: "192.0.2.1:5060", Findings: []int{1}}, {ID: "c2"}},
		Findings:    []Finding{{ID: "f1", Rule: "A-01", Connection: "c9"}, {ID: "f2", Rule: "A-02", Connection: "c1", Evidence: "To: <sip:a@example.com>"}},
		Peers:       []Peer{{Address: "192.0.2.1"}},
		Actions:     []Action{{Action: "close", Connection: "c1"}},
		Summary:     Summary{Connections: 2},
	}
	var b bytes.Buffer
	if err := r.WriteLines(&b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if o["host"] != "sip1" || o["since"] != "2026-01-02T03:04:05Z" {
			t.Errorf("%s", line)
		}
		got = append(got, o["record"].(string))
		switch o["id"] {
		case "c1":
			if ids := o["findings"].([]any); len(ids) != 1 || ids[0] != "f2" || o["remote"] != "192.0.2.1:5060" {
				t.Errorf("%s", line)
			}
		case "c2":
			if len(o["findings"].([]any)) != 0 {
				t.Errorf("%s", line)
			}
		case "f2":
			if o["rule"] != "A-02" || o["evidence"] != "To: <sip:a@example.com>" {
				t.Errorf("%s", line)
			}
		}
	}
	if want := "finding finding connection connection peer action summary"; strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
	if err := r.WriteLines(broken{}); err == nil {
		t.Error("a failure to write is not told")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }
