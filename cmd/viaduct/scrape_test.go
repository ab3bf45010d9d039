// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// asViaduct in the environment makes the test binary be viaduct.
const asViaduct = "VIADUCT_TEST_AS_VIADUCT"

// viaductProcess returns the command line, not yet started, of viaduct under
// another program, if there is one.
func viaductProcess(t *testing.T, under []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(append(under, self), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), asViaduct+"=1")
	return cmd
}

// patience is for what takes milliseconds on a host that is not busy.
const patience = 30 * time.Second

// until waits for a condition, which says what is still wrong.
func until(t *testing.T, condition func() (wrong string)) {
	t.Helper()
	limit := time.After(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		select {
		case <-limit:
			t.Fatalf("not within %v: %s", patience, wrong)
		case <-ticker.C:
		}
	}
}

// written is what something has written so far, also while it goes on.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// scraped is an agent that runs.
type scraped struct {
	t     *testing.T
	url   string
	log   written
	ended chan int // exit code
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// startAgent calls start, which has the agent run, and returns when it is
// ready.
func startAgent(t *testing.T, start func(log io.Writer, ended chan<- int)) *scraped {
	t.Helper()
	a := &scraped{t: t, ended: make(chan int, 1)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agent's log:\n%s", &a.log)
		}
	})
	start(&a.log, a.ended)
	until(t, func() string {
		if address := listening.FindStringSubmatch(a.log.String()); address != nil {
			a.url = "http://" + address[1]
			return ""
		}
		select {
		case code := <-a.ended:
			t.Fatalf("the agent has ended with exit code %d", code)
		default:
		}
		return "the agent does not listen"
	})
	until(t, func() string {
		status, body := a.get("/-/ready")
		switch {
		case status == http.StatusServiceUnavailable && strings.HasPrefix(body, "viaduct is not ready: "):
			return body
		case status == http.StatusUnauthorized: // the test has the password
		case status != http.StatusOK:
			t.Fatalf("/-/ready: %d %s", status, body)
		}
		return ""
	})
	return a
}

// end returns the exit code of an agent that has been asked to end.
func (a *scraped) end() int {
	a.t.Helper()
	select {
	case code := <-a.ended:
		return code
	case <-time.After(patience):
		a.t.Fatalf("the agent has not ended within %v", patience)
		return -1
	}
}

func (a *scraped) get(path string) (status int, body string) {
	a.t.Helper()
	r, err := http.Get(a.url + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func (a *scraped) post(path string) (status int, body string) {
	a.t.Helper()
	r, err := http.Post(a.url+path, "", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// until waits for a condition.
func (a *scraped) until(what string, done func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// series are the values of a page, by name and labels; those of the peer other
// and of applications leave that out. A histogram has two.
type series map[string]float64

func (a *scraped) scrape() series {
	a.t.Helper()
	status, page := a.get("/metrics")
	if status != http.StatusOK {
		a.t.Fatalf("/metrics: status %d: %s", status, page)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		a.t.Fatal(err)
	}
	all := make(series)
	for name, f := range families {
		for _, m := range f.Metric {
			key := strings.TrimPrefix(name, "viaduct_")
			var labels []string
			for _, l := range m.Label {
				if v := l.GetValue(); v != "other" && v != "application" || l.GetName() == "method" || l.GetName() == "series" {
					labels = append(labels, l.GetValue())
				}
			}
			if labels != nil {
				key += " " + strings.Join(labels, " ")
			}
			all.add(key, m)
		}
	}
	return all
}

func (s series) add(key string, m *dto.Metric) {
	if h := m.GetHistogram(); h != nil {
		s[key+" count"], s[key+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
		return
	}
	s[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
}
