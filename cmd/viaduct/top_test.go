// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/view"
	"github.com/viaduct-project/viaduct/internal/web/api"
)

// terminal is a tmux of its own, with one pane.
type terminal struct {
	t      *testing.T
	socket string
}

// inTerminal runs viaduct in a terminal of the given size.
func inTerminal(t *testing.T, size [2]string, args ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		testutil.Missing(t, "tmux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{t, t.TempDir() + "/tmux"}
	command := asViaduct + "=1 " + self + " " + strings.Join(args, " ") + "; echo ended with $?; exec cat"
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", size[0], "-y", size[1], "sh", "-c", command)
	t.Cleanup(func() { s.tmux("kill-server") })
	return s
}

func (s *terminal) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v: %s", args, err, out)
	}
	return string(out)
}

// press sends keys, until and match wait for something on the screen.
func (s *terminal) press(keys ...string) { s.tmux(append([]string{"send-keys"}, keys...)...) }

func (s *terminal) until(text string) string {
	s.t.Helper()
	return s.match(regexp.MustCompile(regexp.QuoteMeta(text)))
}

func (s *terminal) match(what *regexp.Regexp) string {
	s.t.Helper()
	late := time.After(20 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		screen := s.tmux("capture-pane", "-p")
		if what.MatchString(screen) {
			return screen
		}
		select {
		case <-again.C:
		case <-late:
			s.t.Fatalf("%q does not come up:\n%s", what, screen)
		}
	}
}

// TestTop is what a person does at 80x24, as over SSH.
func TestTop(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Story()
	var mu sync.Mutex
	v := &view.View{Lock: &mu, Core: play.Core, Now: func() event.Time { return play.Now }, Host: report.Host{Name: "sip1.example.net"}}
	server := httptest.NewServer(api.New(v))
	defer server.Close()

	s := inTerminal(t, [2]string{"80", "24"}, "top", "--agent", server.URL)
	screen := s.until("198.51.100.77:50098")
	for _, line := range strings.Split(screen, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("too wide: %q", line)
		}
	}
	s.press("s", "s")
	s.until("sort requests")
	if screen := s.until("203.0.113.5:5060"); !strings.Contains(strings.Split(screen, "\n")[3], "203.0.113.5:5060") {
		t.Errorf("not sorted by requests:\n%s", screen)
	}
	s.press("/", "100.23", "Enter")
	s.until("text 100.23")
	s.until("V <198.51.100.23:41051")
	s.press("Enter")
	s.until("VIOLATION KEEP-09")
	s.press("Escape")
	s.until("REMOTE")

	// Frozen, a newcomer does not show.
	s.press("Escape")
	s.until("203.0.113.5:5060")
	s.press("s", "s", "s")
	s.until("sort newest")
	s.press("Space")
	s.until("FROZEN")
	mu.Lock()
	play.Open("203.0.113.201:5060", false, "newcomer").Request(false, "OPTIONS", "n", "", "")
	mu.Unlock()
	s.press("?")
	s.until("Keys")
	s.press("x")
	if screen := s.until("REMOTE"); strings.Contains(screen, "203.0.113.201") {
		t.Errorf("frozen, and has changed:\n%s", screen)
	}
	s.press("Space")
	s.until("203.0.113.201:5060")

	// A window that shrinks and grows, and an agent that goes.
	s.tmux("resize-window", "-x", "140", "-y", "12")
	s.until("BECAUSE")
	server.CloseClientConnections()
	server.Close()
	s.until("no answer since")
	s.press("q")
	s.until("ended with 0")
}

// TestTopAlone: without an agent top watches by itself: what goes over a
// connection shows while it does, and that it has ended.
func TestTopAlone(t *testing.T) {
	testutil.RequireRoot(t)
	s := inTerminal(t, [2]string{"80", "24"}, "top")
	s.until(" messages  ") // the first figures: the programs are attached
	x := playExchange(t, 1)
	client := x.client.LocalAddr().String()
	s.press("/", client, "Enter")
	line := regexp.MustCompile(`(?m)^. <` + regexp.QuoteMeta(client) + ` +\S+ +tcp +uni +- +0/3 +0/1 +\d\.\ds$`)
	screen := s.match(line)
	for _, line := range strings.Split(screen, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("too wide: %q", line)
		}
	}
	x.hangUp()
	s.match(regexp.MustCompile(`(?m)^. <` + regexp.QuoteMeta(client) + ` .* 0/3 +0/1 +>fin$`))
	s.press("Enter")
	s.until("PUBLISH")
	s.press("q")
	if screen := s.until("ended with 0"); strings.Contains(screen, "msg=") || strings.Contains(screen, "level=") {
		t.Errorf("a log on the screen:\n%s", screen)
	}
}

// TestTopNeedsATerminal: in a pipe it says what to do.
func TestTopNeedsATerminal(t *testing.T) {
	var out, complaint strings.Builder
	code := run(environment{ctx: t.Context(), stdout: &out, stderr: &complaint}, []string{"top", "--agent", "http://127.0.0.1:1"})
	if code != exitUnable || out.Len() > 0 || !strings.Contains(complaint.String(), "there is none: use viaduct audit") {
		t.Errorf("%d %q %q", code, out.String(), complaint.String())
	}
}
