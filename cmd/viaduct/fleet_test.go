// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/viaduct-project/viaduct/fleet"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// prometheus is one that runs.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus has a Prometheus scrape the agent every second, with the
// rules and alerts of the fleet.
func startPrometheus(t *testing.T, a *scraped, flags ...string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.yaml": string(fleet.Rules), "alerts.yaml": string(fleet.Alerts),
		"prometheus.yaml": fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml, alerts.yaml]
scrape_configs:
- job_name: viaduct
  static_configs:
  - targets: [%q]
    labels: {cluster: east}
`, strings.TrimPrefix(a.url, "http://")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log written
	cmd := exec.Command("prometheus", append([]string{"--config.file=" + dir + "/prometheus.yaml", "--storage.tsdb.path=" + dir + "/data",
		"--web.listen-address=127.0.0.1:0"}, flags...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; scripts/setup.sh installs it", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the log of Prometheus:\n%s", &log)
		}
	})
	p := &prometheus{t: t}
	until(t, func() string {
		address := listening.FindStringSubmatch(log.String())
		if address == nil {
			return "Prometheus does not listen"
		}
		p.url = "http://" + address[1]
		if r, err := http.Get(p.url + "/-/ready"); err != nil {
			return err.Error()
		} else if r.Body.Close(); r.StatusCode != http.StatusOK {
			return r.Status
		}
		return ""
	})
	return p
}

// sampled is one series of an answer.
type sampled struct {
	Metric map[string]string
	Value  [2]any // time and value
}

func (s sampled) value() float64 {
	v, err := strconv.ParseFloat(s.Value[1].(string), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// query returns what the expression gives now.
func (p *prometheus) query(expr string) []sampled {
	p.t.Helper()
	r, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Status string
		Data   struct{ Result []sampled }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%s: %v %s", expr, err, body)
	}
	return answer.Data.Result
}

// answers says whether the expression gives a number.
func (p *prometheus) answers(expr string) bool {
	p.t.Helper()
	for _, s := range p.query(expr) {
		if v := s.value(); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return true
		}
	}
	return false
}

// neighbours are two SIP entities on the loopback that agree on keep-alives and
// use a connection for all that there is on the dashboard.
type neighbours struct {
	t        *testing.T
	listener net.Listener
	n        int
}

func (b *neighbours) connect() *exchange {
	x := &exchange{t: b.t}
	x.client = got(net.Dial("tcp4", b.listener.Addr().String())).orFail(b.t)
	x.server = got(b.listener.Accept()).orFail(b.t)
	b.t.Cleanup(func() { x.client.Close(); x.server.Close() })
	return x
}

// agree has the client register, with an offer of keep-alives that the server
// accepts: one every two seconds.
func (b *neighbours) agree(x *exchange) {
	b.n++
	fields := func(keep string) string {
		return fmt.Sprintf("Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKr%d;%s\r\nFrom: <sip:a@example.com>;tag=a\r\n"+
			"To: <sip:a@example.com>\r\nCall-ID: r%d@example.com\r\nCSeq: 1 REGISTER\r\n"+
			"Contact: <sip:a@127.0.0.1;transport=tcp>;expires=600\r\nContent-Length: 0\r\n\r\n", b.n, keep, b.n)
	}
	x.carry(x.client, x.server, "REGISTER sip:example.com SIP/2.0\r\n"+fields("keep"))
	x.carry(x.server, x.client, "SIP/2.0 200 OK\r\n"+fields("keep=2"))
}

// TestFleet: an agreement is broken on this host, and an alert fires; and a
// real Prometheus has an answer to every query of the dashboard, and records
// every rule.
func TestFleet(t *testing.T) {
	testutil.RequireRoot(t)
	b := &neighbours{t: t, listener: got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)}
	defer b.listener.Close()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	port := b.listener.Addr().(*net.TCPAddr).Port
	text := fmt.Sprintf("version: 1\nsip: {ports: [%d]}\npeers:\n- name: carrier\n  match: {cidrs: [127.0.0.0/8], ports: [%d]}\n", port, port)
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := startProcess(t, "--policy", policy)
	classic, native := startPrometheus(t, a), startPrometheus(t, a, "--enable-feature=native-histograms")
	until(t, func() string {
		if !classic.answers(`sum(viaduct_findings_total{peer="carrier"}) == 0`) || !native.answers(`up == 1`) {
			return "Prometheus has not scraped the agent"
		}
		return ""
	})

	broken, kept := b.connect(), b.connect()
	b.agree(broken) // and that was all
	b.agree(kept)
	play := func() {
		kept.carry(kept.client, kept.server, "\r\n\r\n")
		kept.carry(kept.server, kept.client, "\r\n")
		short := b.connect()
		b.agree(short)
		short.carry(short.client, short.server, sipRequest("OPTIONS", "TCP", b.n))
		short.carry(short.server, short.client, sipReply("OPTIONS", "TCP", b.n))
		b.n++
		if b.n%2 == 0 {
			short.server, short.client = short.client, short.server
		}
		short.hangUp()
	}
	const firing = `ALERTS{alertname="ViaductAgreementBroken",alertstate="firing",rule="KEEP-07",party="local",peer="carrier",cluster="east"}`
	began, played := time.Now(), time.Time{}
	until(t, func() string {
		if time.Since(played) > 1500*time.Millisecond {
			played = time.Now()
			play()
		}
		if !classic.answers(firing) {
			return "no alert fires"
		}
		return strings.Join(append(unanswered(t, classic), unseen(native)...), "\n")
	})
	t.Logf("all is seen after %v", time.Since(began).Round(time.Millisecond))
	for _, s := range classic.query(`ALERTS{alertstate="firing"}`) {
		if name := s.Metric["alertname"]; name != "ViaductAgreementBroken" {
			t.Errorf("%s fires too: %v", name, s.Metric)
		}
	}
}

// unanswered are the queries of the dashboard and the rules that give nothing.
func unanswered(t *testing.T, p *prometheus) (wrong []string) {
	t.Helper()
	filled := strings.NewReplacer("$job", ".*", "$instance", ".*", "$peer", ".*", "$__rate_interval", "10s", "$__range", "1m")
	for _, panel := range fleet.Panels() {
		for _, q := range panel.Queries {
			if !p.answers(filled.Replace(q.Expr)) {
				wrong = append(wrong, fmt.Sprintf("panel %s: no answer to %s", panel.Title, q.Expr))
			}
		}
	}
	var file struct {
		Groups []struct{ Rules []struct{ Record string } }
	}
	if err := yaml.Unmarshal(fleet.Rules, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if !p.answers(r.Record) {
				wrong = append(wrong, r.Record+" is not recorded")
			}
		}
	}
	return wrong
}

// unseen are the histograms of which a Prometheus that takes native ones has
// none.
func unseen(p *prometheus) (wrong []string) {
	for _, name := range []string{"connection_handshake_seconds", "connection_lifetime_seconds", "connection_idle_at_close_seconds",
		"requests_per_connection", "keepalive_round_trip_seconds", "keepalive_interval_ratio"} {
		if expr := fmt.Sprintf(`histogram_quantile(0.9, sum(viaduct_%s{peer="carrier"})) > 0`, name); !p.answers(expr) {
			wrong = append(wrong, "no native histogram "+name)
		}
	}
	return wrong
}
