// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// TestAgentReloads: by request, by signal and by itself; a wrong file leaves
// the old one in force, loudly.
func TestAgentReloads(t *testing.T) {
	testutil.RequireRoot(t)
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		t.Helper()
		whole := path + ".new" // nobody must read half of it
		if err := errors.Join(os.WriteFile(whole, []byte(text), 0o600), os.Rename(whole, path)); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\n")
	a, process := startProcess(t, "--policy", path)
	reloads := func(result string) float64 { return a.scrape()["policy_reloads_total "+result] }
	if loaded := a.scrape()["policy_loaded_timestamp_seconds"]; loaded == 0 {
		t.Error("the policy was never loaded")
	}

	status, body := a.post("/-/reload")
	if status != http.StatusOK || reloads("success") != 1 {
		t.Errorf("reload: %d %s, %v succeeded", status, body, reloads("success"))
	}
	if err := process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	a.until("SIGHUP", func() bool { return reloads("success") == 2 })
	write("version: 1\npeers: []\n")
	a.until("another file", func() bool { return reloads("success") == 3 })

	write("version: 1\npears: []\n")
	a.until("a wrong file", func() bool { return reloads("failure") == 1 })
	if status, body = a.post("/-/reload"); status != http.StatusUnprocessableEntity || !strings.Contains(body, `policy.yaml:2:1: policy: unknown key "pears"`) {
		t.Errorf("reload of a wrong file: %d %s", status, body)
	}
	if !strings.Contains(a.log.String(), "the old one stays in force") {
		t.Error("the log does not say that the old one stays in force")
	}
}

// TestWatched: an audit only looks, whatever the policy says.
func TestWatched(t *testing.T) {
	p := &policy.Policy{Peers: []policy.Peer{{Name: "a", Enforce: policy.Enforce}, {Name: "b", Enforce: policy.Observe}}, Fallback: policy.Peer{Enforce: policy.Enforce}}
	w := watched(p)
	if w.Peers[0].Enforce != policy.DryRun || w.Peers[1].Enforce != policy.Observe || w.Fallback.Enforce != policy.DryRun {
		t.Errorf("%+v", w)
	}
	if p.Peers[0].Enforce != policy.Enforce {
		t.Error("the policy itself was changed")
	}
}

// TestAgentLimits: a swamping peer is refused, and how often is a metric; after
// a reload nobody is.
func TestAgentLimits(t *testing.T) {
	testutil.RequireRoot(t)
	listener := got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(limits string) {
		t.Helper()
		text := fmt.Sprintf("version: 1\nsip: {ports: [%d]}\npeers:\n- name: swamp\n  match: {cidrs: [127.0.0.0/8], ports: [%d]}\n  enforce: enforce\n%s", port, port, limits)
		whole := path + ".new"
		if err := errors.Join(os.WriteFile(whole, []byte(text), 0o600), os.Rename(whole, path)); err != nil {
			t.Fatal(err)
		}
	}
	dial := func() error {
		c, err := net.DialTimeout("tcp4", listener.Addr().String(), 300*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	write("  limits: {max_connections: 3, direction: in}\n")
	a, _ := startProcess(t, "--policy", path)
	for range 3 {
		if err := dial(); err != nil {
			t.Fatalf("within the limit: %v", err)
		}
	}
	refused := func() float64 { return a.scrape()["limited_connects_total in enforce swamp"] }
	if err := dial(); err == nil {
		t.Error("the fourth connection came through")
	}
	a.until("a refusal on the page", func() bool { return refused() > 0 })
	page := a.scrape()
	for _, one := range []string{
		"bpf_program_attached limit_packet_in", "bpf_program_attached limit_connect_v4", "bpf_program_attached limit_connect_v6",
		"bpf_program_attached limit_tcp_state", "bpf_program_attached limit_tcp_state_again",
		"state_entries limit_sources", "actions_total limit enforce done swamp",
	} {
		if page[one] < 1 {
			t.Errorf("%s is %v", one, page[one])
		}
	}
	write("  limits: {max_connections: 10, direction: in}\n")
	if status, body := a.post("/-/reload"); status != http.StatusOK {
		t.Fatalf("reload: %d %s", status, body)
	}
	if err := dial(); err != nil {
		t.Errorf("after the limit was raised: %v", err)
	}
}

// TestLogLimited: a line for each row, direction and mode, with the address that was refused most.
func TestLogLimited(t *testing.T) {
	var b bytes.Buffer
	plain := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}))
	address := netip.MustParseAddr
	logLimited(plain, []agent.Limited{
		{Peer: "a", Mode: policy.Enforce, Count: 100},
		{Peer: "a", Address: address("192.0.2.1"), Mode: policy.Enforce, Reason: "slow", Count: 3},
		{Peer: "a", Address: address("192.0.2.2"), Mode: policy.Enforce, Reason: "fast", Count: 7},
		{Peer: "a", Address: address("2001:db8::1"), Out: true, Mode: policy.DryRun, Reason: "many", Count: 1},
	})
	want := "action=limit peer=a direction=in mode=enforce outcome=done connects=110 most=192.0.2.2 reason=fast\n" +
		"action=refuse peer=a direction=out mode=dry-run outcome=skipped connects=1 most=2001:db8::1 reason=many\n"
	if b.String() != want {
		t.Errorf("%s, want %s", &b, want)
	}
}
