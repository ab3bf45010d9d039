// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUpkeepRefused: an agent that may not write into sockets says so in one line
// of its log, by a metric, and in its report.
func TestUpkeepRefused(t *testing.T) {
	l := newLink(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := free.Addr().String()
	free.Close()
	cmd := viaduct(t, []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON}, "agent", "--web.listen-address", web)
	rules := filepath.Join(filepath.Dir(cmd.Path), "policy.yaml")
	match := fmt.Sprintf("version: 1\npeers:\n- name: carrier\n  match: {cidrs: [%s/32]}\n  enforce: enforce\n  keepalive: {inject: agreed}\n", l.b.v4)
	if err := os.WriteFile(rules, []byte(match), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, "--policy", rules)
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	said := func() string {
		b, err := os.ReadFile(stderr.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	get := func(path string) (status int, body string) {
		r, err := http.Get("http://" + web + path)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return 0, err.Error()
		}
		return r.StatusCode, string(b)
	}
	until(t, func() string {
		if status, body := get("/-/ready"); status != http.StatusOK {
			return body + said()
		}
		return ""
	})
	server := at(l.b.v4, 5060)
	listener := l.b.listen(t, server)
	client := l.a.dial(t, netip.AddrPort{}, server)
	peer := accept(t, listener)
	r := &reader{conn: peer}
	agreeKeep(t, "TCP", client, func() {
		r.must(t, 1)
		write(t, peer, takes(r.latest))
	})
	failed := regexp.MustCompile(`(?m)^viaduct_actions_total\{action="keepalive-crlf",mode="enforce",outcome="failed",peer="carrier"\} [1-9]`)
	until(t, func() string {
		if _, body := get("/metrics"); !failed.MatchString(body) {
			return "no action failed\n" + said()
		}
		return ""
	})
	const do = "give viaduct CAP_SYS_PTRACE"
	until(t, func() string {
		if _, body := get("/api/v1/actions"); !strings.Contains(body, do) {
			return "the actions are " + body
		}
		return ""
	})
	until(t, func() string {
		lines := 0
		for line := range strings.Lines(said()) {
			if strings.Contains(line, "keepalive-crlf") && strings.Contains(line, do) {
				lines++
			}
		}
		if lines != 1 {
			return fmt.Sprintf("%d lines of the log tell:\n%s", lines, said())
		}
		return ""
	})
	write(t, client, []byte("x")) // nothing was written before
	b := make([]byte, 2)
	if n, err := peer.Read(b); err != nil || !bytes.Equal(b[:n], []byte("x")) {
		t.Errorf("the peer reads %q, %v", b[:n], err)
	}
}
