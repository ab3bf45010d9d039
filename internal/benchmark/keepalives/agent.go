// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const listen = "127.78.2.1:19060"

// running is an agent under measurement.
type running struct {
	*exec.Cmd
	dir string
}

func startAgent(viaduct, method string) (*running, error) {
	dir, err := os.MkdirTemp("", "keepalives")
	if err != nil {
		return nil, err
	}
	policy := filepath.Join(dir, "policy.yaml")
	keep := fmt.Sprintf("{inject: agreed, method: %s, swallow_stun_answers: true}", method)
	switch method {
	case "none":
		keep = "{inject: never}"
	case "stun":
		keep = "{inject: agreed, swallow_stun_answers: true}"
	}
	text := fmt.Sprintf("version: 1\npeers:\n- name: peers\n  match: {cidrs: [127.78.1.0/24]}\n  enforce: enforce\n  keepalive: %s\n", keep)
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		return nil, err
	}
	a := &running{Cmd: exec.Command(viaduct, "agent", "--policy", policy, "--log.level", "warn", "--web.listen-address", listen), dir: dir}
	a.Stderr = os.Stderr
	// A session of its own, as a service has: the kernel may divide the CPU by sessions.
	a.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := a.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.Get("http://" + listen + "/-/ready")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return a, nil
			}
		}
		if time.Now().After(deadline) {
			a.stop()
			return nil, fmt.Errorf("the agent is not ready after 10 s: %w", err)
		}
	}
}

func (a *running) stop() {
	a.Process.Signal(os.Interrupt)
	a.Wait()
	os.RemoveAll(a.dir)
}

// usage is CPU time, user's and system's.
type usage struct {
	agent  time.Duration // with that of its children that have ended
	writer time.Duration // of the process that writes keep-alives
}

func (u usage) all() time.Duration { return u.agent + u.writer }

func (a *running) used() (u usage, err error) {
	if u.agent, err = cpuOf(a.Process.Pid, 4); err != nil {
		return u, err
	}
	for _, child := range a.children() {
		t, err := cpuOf(child, 2)
		if err != nil {
			return u, err
		}
		u.writer += t
	}
	return u, nil
}

func (a *running) children() (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.Process.Pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// cpuOf adds up the first n of utime, stime, cutime and cstime in proc(5)'s stat.
func cpuOf(pid, n int) (sum time.Duration, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	const utime, hertz = 11, 100 // USER_HZ
	f := strings.Fields(rest)
	if len(f) < utime+4 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, b)
	}
	for _, v := range f[utime : utime+n] {
		ticks, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * time.Second / hertz
	}
	return sum, nil
}

// memory says how much is resident, and was at most, and how much of the processes
// that write is theirs alone.
func (a *running) memory() (string, error) {
	now, err := kilobytes(a.Process.Pid, "status", "VmRSS")
	if err != nil {
		return "", err
	}
	most, err := kilobytes(a.Process.Pid, "status", "VmHWM")
	if err != nil {
		return "", err
	}
	writers, children := 0, a.children()
	for _, child := range children {
		n, err := kilobytes(child, "smaps_rollup", "Pss_Anon")
		if err != nil {
			return "", err
		}
		writers += n
	}
	return fmt.Sprintf("%d MiB, %d MiB at most; %d processes that write have %d MiB", now>>10, most>>10, len(children), writers>>10), nil
}

// kilobytes reads a line of a file of proc(5).
func kilobytes(pid int, file, key string) (n int, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), key+":")
	if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
		return 0, fmt.Errorf("%s of process %d: %w", key, pid, err)
	}
	return n, nil
}

// series are the metrics that the agent serves, by name and labels.
type series map[string]float64

func (a *running) metrics() (series, error) {
	r, err := http.Get("http://" + listen + "/metrics")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	all := make(series)
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if i := strings.LastIndexByte(lines.Text(), ' '); i > 0 && lines.Text()[0] != '#' {
			if v, err := strconv.ParseFloat(lines.Text()[i+1:], 64); err == nil {
				all[lines.Text()[:i]] = v
			}
		}
	}
	return all, errors.Join(lines.Err())
}

// sum adds up the series of a family whose labels contain with.
func (s series) sum(family, with string) (n float64) {
	for name, v := range s {
		if f, labels, _ := strings.Cut(name, "{"); f == family && strings.Contains(labels, with) {
			n += v
		}
	}
	return n
}

// writes says what became of them, and how long one took: a socket is locked for no
// longer.
func (s series) writes() string {
	const all = "viaduct_keepalive_writes_total"
	done := s.sum(all, `result="done"`)
	return fmt.Sprintf("%.0f, %.0f µs each; %.0f refrained, %.0f late",
		done, 1e6*s.sum("viaduct_keepalive_write_seconds_total", "")/max(1, done), s.sum(all, `result="refrained"`), s.sum(all, `result="late"`))
}

// losses are what should be nothing.
func (s series) losses() string {
	const actions = "viaduct_actions_total"
	return fmt.Sprintf("%.0f, %.0f, %.0f; %.0f done, %.0f skipped, %.0f failed",
		s.sum("viaduct_events_lost_total", ""), s.sum("viaduct_keepalive_misplaced_total", ""), s.sum("viaduct_keepalive_unanswered_total", ""),
		s.sum(actions, `outcome="done"`), s.sum(actions, `outcome="skipped"`), s.sum(actions, `outcome="failed"`))
}
