// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

func TestStateFile(t *testing.T) {
	var log written
	logger := slog.New(slog.NewTextHandler(&log, nil))
	dir := filepath.Join(t.TempDir(), "below", "state")
	open := func() *stateFile { return got(openState(dir, logger)).orFail(t) }
	said := func(what string) {
		t.Helper()
		if text := log.String(); !strings.Contains(text, what) || strings.Count(text, "\n") != 1 {
			t.Errorf("the log is %q, not one line with %q", text, what)
		}
		log.mu.Lock()
		log.text.Reset()
		log.mu.Unlock()
	}
	f := open()
	if f.earlier() != nil || log.String() != "" {
		t.Errorf("there is something before anything was saved: %s", &log)
	}
	state := func() *saved.State { return &saved.State{Format: saved.Format, Omitted: 2} }
	if err := f.save(state); err != nil {
		t.Fatal(err)
	}
	said("more connections than are saved")
	info := got(os.Stat(f.path)).orFail(t)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := f.save(state); err != nil {
		t.Fatal(err)
	}
	if again := got(os.Stat(f.path)).orFail(t); !os.SameFile(info, again) {
		t.Error("it was written again, although nothing had changed")
	}
	if s := open().earlier(); s == nil || s.Omitted != 2 {
		t.Errorf("read as %+v", s)
	}
	said("Taking up")

	text := got(os.ReadFile(f.path)).orFail(t)
	for _, tt := range []struct{ text, says string }{
		{strings.Replace(string(text), f.boot, "another", 1), "the host was started again"},
		{string(text[:len(text)-3]), "Starting without"},
		{"", "Starting without"},
		{"\x00\x01", "Starting without"},
		{`{"format":99}`, "another format"},
	} {
		if err := os.WriteFile(f.path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := open().earlier(); s != nil {
			t.Errorf("%q is taken up", tt.text)
		}
		said(tt.says)
	}
	if err := os.Truncate(f.path, saved.MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	if open().earlier() != nil {
		t.Error("a file that is too long is taken up")
	}
	said("longer than")

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	next := state()
	next.Omitted = 1
	for range 2 {
		f.told(f.save(func() *saved.State { return next }))
	}
	said("will not know") // once
	var none *stateFile
	if none.earlier() != nil || none.save(nil) != nil {
		t.Error("without a directory something is kept")
	}
}

// An agent that is killed leaves the traffic alone, and what it had saved is
// taken up by the next one.
func TestAgentTakesUp(t *testing.T) {
	testutil.RequireRoot(t)
	dir := t.TempDir()
	listener := got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	killed, process := startProcess(t, "--state-dir", dir)
	x := &exchange{t: t}
	x.client = got(net.Dial("tcp4", listener.Addr().String())).orFail(t)
	x.server = got(listener.Accept()).orFail(t)
	defer x.client.Close()
	defer x.server.Close()
	register := func(n int, value string) string {
		text := sipRequest("REGISTER", "TCP", n)
		if value != "" {
			text = sipReply("REGISTER", "TCP", n)
		}
		text = strings.Replace(text, ";branch", ";keep"+value+";branch", 1)
		text = strings.Replace(text, fmt.Sprintf("Call-ID: %d@", n), "Call-ID: 1@", 1)
		return strings.Replace(text, "Content-Length", "Expires: 3600\r\nContent-Length", 1)
	}
	x.carry(x.client, x.server, register(1, ""))
	x.carry(x.server, x.client, register(1, "=30"))
	path := filepath.Join(dir, stateName)
	// found are the agreements that are saved of the two ends.
	found := func() (all []saved.Connection) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		for _, c := range got(saved.Decode(text)).orFail(t).Connections {
			if c.Negotiated != nil && len(c.Negotiated.Agreements) == 1 && (int(c.Remote.Port()) == port || int(c.Local.Port()) == port) {
				all = append(all, c)
			}
		}
		return all
	}
	until(t, func() string {
		if n := len(found()); n != 2 {
			return fmt.Sprintf("agreements on %d connections are saved", n)
		}
		return ""
	})
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := killed.end(); code == exitFine {
		t.Errorf("exit code %d", code)
	}
	before := found()
	x.carry(x.client, x.server, "\r\n\r\n") // nobody looks
	x.carry(x.server, x.client, "\r\n")

	next, process := startProcess(t, "--state-dir", dir)
	x.carry(x.client, x.server, register(2, "")) // renews what only the first agent saw made
	x.carry(x.server, x.client, register(2, "=50"))
	until(t, func() string {
		if n := next.scrape()["messages_total in REGISTER tcp response"]; n < 1 {
			return "the answer is not seen"
		}
		return ""
	})
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := next.end(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	after := found()
	if len(before) != 2 || len(after) != 2 {
		t.Fatalf("saved\n%+v\nthen\n%+v", before, after)
	}
	for i := range before {
		b, a := before[i], after[i]
		was, is := b.Negotiated.Agreements[0], a.Negotiated.Agreements[0]
		if is.Seconds != 50 || is.Key != was.Key || is.First != was.First || is.Since <= was.Since || was.Seconds != 30 {
			t.Errorf("%+v\nbecame\n%+v", was, is)
		}
		if a.Opened != b.Opened || b.Opened == 0 || a.Initiator != b.Initiator || a.Sent.N+a.Received.N != 2 || a.Registered != b.Registered {
			t.Errorf("%+v\nbecame\n%+v", b, a)
		}
	}
}
