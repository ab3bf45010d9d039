// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	table "github.com/viaduct-project/viaduct/agent/report/text"
	"github.com/viaduct-project/viaduct/internal/live"
)

// TestTLSSecret: credentials that are seen inside TLS are in nothing that
// viaduct writes.
func TestTLSSecret(t *testing.T) {
	const secret = "hunter2secretworthkeeping" // see tlspeer.c
	l := newLink(t)
	w := watchPeers(t, l, live.Options{Core: agent.Config{MaxHistory: 1 << 20}})
	l.b.tlsServer(t)
	w.probed(1)
	l.a.converse(t, w, 2, l.b, 5061, "secret=1", "connections=2", "messages=3", "linger=1500")
	w.finally(func(r *report.Report) string { return loaded(r, 2, 3) })
	state, err := json.Marshal(w.Save())
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]*bytes.Buffer{"state": bytes.NewBuffer(state), "JSON": {}, "text": {}, "API": {}}
	if err := w.Report().WriteJSON(written["JSON"]); err != nil {
		t.Fatal(err)
	}
	if err := table.Write(written["text"], w.Report(), 200); err != nil {
		t.Fatal(err)
	}
	if err := w.View().WriteReport(written["API"]); err != nil {
		t.Fatal(err)
	}
	for name, b := range written {
		if b.Len() == 0 || bytes.Contains(b.Bytes(), []byte(secret)) || bytes.Contains(b.Bytes(), []byte("Digest")) {
			t.Errorf("%s, %d bytes: credentials, or nothing", name, b.Len())
		}
	}
}
