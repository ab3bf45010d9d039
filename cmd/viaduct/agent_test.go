// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// startProcess runs viaduct agent as its users do.
func startProcess(t *testing.T, args ...string) (*scraped, *os.Process) {
	t.Helper()
	cmd := viaductProcess(t, nil, append([]string{"agent", "--web.listen-address", "127.0.0.1:0"}, args...)...)
	exited := make(chan struct{})
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // may have ended
			<-exited
		}
	})
	a := startAgent(t, func(log io.Writer, ended chan<- int) {
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = cmd.Wait() // the state has the outcome
			ended <- cmd.ProcessState.ExitCode()
			close(exited)
		}()
	})
	return a, cmd.Process
}

func TestAgentEndsOnSIGTERM(t *testing.T) {
	testutil.RequireRoot(t)
	a, process := startProcess(t)
	_, page := a.get("/metrics")
	checkPage(t, page)
	for _, program := range []string{"tcp_state", "packet_in", "packet_out"} {
		if a.scrape()["bpf_program_attached "+program] != 1 {
			t.Errorf("%s is not attached", program)
		}
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := a.end(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	lines := []string{"msg=Starting", "msg=Attached", `msg=Stopping reason="terminated signal received"`, "msg=Detached"}
	at := 0
	for _, line := range lines {
		i := strings.Index(a.log.String()[at:], line)
		if i < 0 {
			t.Fatalf("the log has no %q, or not in its place", line)
		}
		at += i
	}
}

// checkPage has the page judged by Prometheus' linter: by its library, and as
// users run it where that is installed.
func checkPage(t *testing.T, page string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestAgentAsksForPasswords(t *testing.T) {
	testutil.RequireRoot(t)
	config := filepath.Join(t.TempDir(), "web.yml")
	// The password is "test".
	users := "basic_auth_users:\n  scraper: $2a$04$j1/bHHe4VgGQOH2hxkM4LeNHtmjTX4fDaxe1tsFQyLxWo.PT4rXmm\n"
	if err := os.WriteFile(config, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := startProcess(t, "--web.config.file", config)
	if status, _ := a.get("/metrics"); status != 401 {
		t.Errorf("without a password: status %d", status)
	}
	a.url = strings.Replace(a.url, "http://", "http://scraper:test@", 1)
	if status, _ := a.get("/metrics"); status != 200 {
		t.Errorf("with a password: status %d", status)
	}
}

// Counters that stand still deceive: an agent that cannot read must end, for
// its supervisor to see.
func TestAgentEndsWhenReadingFails(t *testing.T) {
	testutil.RequireRoot(t)
	w := got(live.Start(live.Options{})).orFail(t)
	defer w.Close()
	force := &inForce{policy: policyfile.Default()}
	if err := force.start(w); err != nil {
		t.Fatal(err)
	}
	listener := got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)
	var why error
	a := startAgent(t, func(log io.Writer, ended chan<- int) {
		go func() {
			logger := slog.New(slog.NewTextHandler(log, nil))
			why = new(agentCommand).serve(t.Context(), logger, []net.Listener{listener}, force, nil, nil, new(exports))
			ended <- exitUnable
		}()
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context(), w); err == nil {
		t.Error("ready, although nothing is attached")
	}
	a.end()
	if !errors.Is(why, bpf.ErrClosed) {
		t.Errorf("it ended because of %v", why)
	}
}

// What keeps the agent from running is said in one sentence, and before any
// program is loaded where that can be.
func TestAgentUnable(t *testing.T) {
	taken := got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(bad, []byte("no_such_key: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		under []string
		args  []string
		says  string // a pattern of the last line, which is all but for the log
	}{
		{"port in use", nil, []string{"--web.listen-address", taken.Addr().String()},
			`serve metrics: .*address already in use; choose another address with --web.listen-address`},
		{"no such address", nil, []string{"--web.listen-address", "localhost"}, `serve metrics: .*missing port.*`},
		{"no such file", nil, []string{"--web.config.file", "no-such.yml"}, `--web.config.file no-such.yml: .*no such file or directory`},
		{"bad file", nil, []string{"--web.config.file", bad}, `--web.config.file .*: .*no_such_key.*`},
		{"bad port", nil, []string{"--port", "0"}, `--port 0: .*`},
		{"bad ring", nil, []string{"--ring-size", "5"}, `--ring-size 5: .*`},
		{"bad level", nil, []string{"--log.level", "loud"}, `--log.level must be one of .*`},
		{"no privilege", []string{"setpriv", "--bounding-set=-all", "--inh-caps=-all"}, []string{"--web.listen-address", "127.0.0.1:0"},
			`missing privilege: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN; .*`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.under != nil {
				testutil.RequireRoot(t)
			}
			var stdout, stderr bytes.Buffer
			cmd := viaductProcess(t, tt.under, append([]string{"agent"}, tt.args...)...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitUnable {
				t.Errorf("%v, want exit code %d", err, exitUnable)
			}
			log := regexp.MustCompile(`(?m)^time=.*\n`)
			sentence := log.ReplaceAllString(stderr.String(), "")
			if !regexp.MustCompile(`^viaduct: `+tt.says+"\n$").MatchString(sentence) || stdout.Len() > 0 {
				t.Errorf("stderr %q, stdout %q", &stderr, &stdout)
			}
			if tt.under == nil && strings.Contains(stderr.String(), "msg=Starting") {
				t.Error("it started before it looked")
			}
		})
	}
}

func TestFeaturesAreDocumented(t *testing.T) {
	page := got(os.ReadFile("../../docs/metrics.md")).orFail(t)
	row := regexp.MustCompile("(?m)^\\| `feature` \\|(.*)\\|$").FindSubmatch(page)
	if row == nil {
		t.Fatal("docs/metrics.md has no row for the label feature")
	}
	documented := strings.Fields(strings.ReplaceAll(string(row[1]), "`", ""))
	shown := slices.Sorted(maps.Keys(features(slog.New(slog.DiscardHandler))))
	if slices.Sort(documented); !slices.Equal(documented, shown) {
		t.Errorf("features %q, docs/metrics.md has %q", shown, documented)
	}
}

func TestLossesAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		type taken struct {
			sample exporter.Sample
			err    error
		}
		var next atomic.Pointer[taken]
		ctx, cancel := context.WithCancel(t.Context())
		handler := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		go logLosses(ctx, slog.New(handler), func() (exporter.Sample, error) { return next.Load().sample, next.Load().err })

		for _, step := range []struct {
			wait     time.Duration
			ringFull uint64
			gaps     uint64
			err      error
			want     string
		}{
			{wait: 5 * time.Minute},
			{wait: 30 * time.Second, ringFull: 7},
			{wait: 30 * time.Second, ringFull: 9, want: `level=WARN msg="Lost events" ring_full=9` + "\n"},
			{wait: 10 * time.Minute, ringFull: 9},
			{wait: time.Minute, ringFull: 10, gaps: 2, want: `level=WARN msg="Lost events" ring_full=1 sequence_gaps=2` + "\n"},
			{wait: time.Minute, ringFull: 10, gaps: 2, err: errors.New("no such map"), want: `level=WARN msg="Losses are not known" err="no such map"` + "\n"},
			{wait: time.Minute, ringFull: 11, gaps: 2, want: `level=WARN msg="Lost events" ring_full=1` + "\n"},
		} {
			now := taken{err: step.err}
			now.sample.Lost.RingFull, now.sample.Lost.SequenceGaps = step.ringFull, step.gaps
			next.Store(&now)
			time.Sleep(step.wait)
			synctest.Wait()
			if log.String() != step.want {
				t.Errorf("logged %q, want %q", &log, step.want)
			}
			log.Reset()
		}
		cancel()
		synctest.Wait()
	})
}
