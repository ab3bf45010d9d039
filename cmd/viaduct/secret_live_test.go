// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// What tlspeer says with the switch secret, in a header field and in bodies.
const (
	secretCredentials = "hunter2secretworthkeeping"
	secretBody        = "bodyworthkeeping"
)

// secretive is an agent with all that it writes.
type secretive struct {
	*scraped
	process *os.Process
	dir     string
	shown   map[string]string
	packets func() []string // what its HEP collector has got
}

func watchSecrets(t *testing.T, args ...string) *secretive {
	t.Helper()
	collector := got(net.ListenPacket("udp4", "127.0.0.1:0")).orFail(t)
	var mu sync.Mutex
	var packets []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1<<16); ; {
			n, _, err := collector.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			packets = append(packets, string(b[:n]))
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { collector.Close(); <-done })
	w := &secretive{dir: t.TempDir(), shown: make(map[string]string), packets: func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), packets...)
	}}
	w.scraped, w.process = startProcess(t, append(args, "--log.level", "debug", "--export.file", filepath.Join(w.dir, "records.jsonl"),
		"--state-dir", w.dir, "--hep.address", collector.LocalAddr().String())...)
	return w
}

// heads are what the collector got of the requests over TLS.
func (w *secretive) heads() (n int, all string) {
	for _, packet := range w.packets() {
		if strings.Contains(packet, "OPTIONS sip:server@example.com") && strings.Contains(packet, "-load-p") {
			n++
			all += packet
		}
	}
	return n, all
}

// TestSecretsInsideTLS: of what is read inside TLS, neither credentials nor
// bodies are in anything that the agent shows or writes: log, page, API,
// records, state, metrics. A collector gets such messages only if that was asked for,
// and their credentials only if that was.
func TestSecretsInsideTLS(t *testing.T) {
	testutil.RequireRoot(t)
	const address, connections, each = "127.66.4.9", 2, 3
	agents := map[string]*secretive{
		"by default":       watchSecrets(t),
		"messages":         watchSecrets(t, "--hep.tls"),
		"with credentials": watchSecrets(t, "--hep.tls", "--hep.credentials"),
	}
	certificate, key := tlspeer.Certificate(t)
	testutil.Start(t, "", exec.Command(tlspeer.Build(t), "server", address, "5061", certificate, key))
	until(t, func() string {
		c, err := net.Dial("tcp", address+":5061")
		if err != nil {
			return err.Error()
		}
		c.Close()
		return ""
	})
	testutil.Start(t, "", exec.Command(tlspeer.Build(t), "client", address, "5061", "secret=1", "size=400", "scout=1500", "linger=60000",
		fmt.Sprintf("connections=%d", connections), fmt.Sprintf("messages=%d", each)))
	requests := func(agent string) int { // that its collector gets
		if agent == "by default" {
			return 0
		}
		return 2 * connections * each
	}
	for name, w := range agents {
		until(t, func() string {
			var r report.Report
			_, w.shown["report"] = w.get("/api/v1/report")
			if err := json.Unmarshal([]byte(w.shown["report"]), &r); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, c := range r.Connections {
				if (strings.HasPrefix(c.Local, address) || strings.HasPrefix(c.Remote, address)) && c.Messages.RequestsSent+c.Messages.RequestsReceived == each &&
					c.Messages.ResponsesSent+c.Messages.ResponsesReceived == each {
					n++
				}
			}
			if n != 2*connections {
				return fmt.Sprintf("%s: messages are seen on %d ends of connections, want %d", name, n, 2*connections)
			}
			return ""
		})
		until(t, func() string {
			if n, _ := w.heads(); n != requests(name) {
				return fmt.Sprintf("%s: the collector has %d requests, want %d", name, n, requests(name))
			}
			return ""
		})
		for _, path := range []string{"/", "/metrics", "/api/v1/connections", "/api/v1/findings", "/api/v1/peers", "/api/v1/summary"} {
			_, w.shown[path] = w.get(path)
		}
		if err := w.process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for name, w := range agents {
		if code := w.end(); code != exitFine {
			t.Errorf("%s: exit code %d", name, code)
		}
		w.shown["log"] = w.log.String()
		for _, file := range []string{"records.jsonl", "state.json"} {
			w.shown[file] = string(got(os.ReadFile(filepath.Join(w.dir, file))).orFail(t))
		}
		for where, text := range w.shown {
			if text == "" || strings.Contains(text, secretCredentials) || strings.Contains(text, secretBody) || strings.Contains(text, "Digest") {
				t.Errorf("%s, %s, %d bytes: a secret, or nothing", name, where, len(text))
			}
		}
		if !strings.Contains(w.shown["state.json"], address) || !strings.Contains(w.shown["records.jsonl"], address) {
			t.Errorf("%s: the connections are not in the state or the records", name)
		}
		_, heads := w.heads()
		if strings.Contains(heads, secretBody) {
			t.Errorf("%s: the collector has bodies", name)
		}
		if credentials := strings.Count(heads, secretCredentials); name == "with credentials" && credentials != requests(name) || name != "with credentials" && credentials != 0 {
			t.Errorf("%s: the collector has %d credentials", name, credentials)
		}
	}
}
