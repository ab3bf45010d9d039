// SPDX-License-Identifier: Apache-2.0

//go:build screenshots

package screenshots

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/browser"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/view"
	"github.com/viaduct-project/viaduct/internal/web/api"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

const images = "../../docs/images/"

// TestMake writes the pictures.
func TestMake(t *testing.T) {
	t.Setenv("TZ", "UTC") // of the browser and of tmux
	play := traffic.New(agent.Config{})
	play.Story()
	var mu sync.Mutex
	host := report.Host{Name: "sip1.example.net", Kernel: "6.1.0"}
	v := &view.View{Lock: &mu, Core: play.Core, Now: func() event.Time { return play.Now }, Host: host}
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler())
	mux.Handle("/api/", api.New(v))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close) // after the browsers, which read its stream

	b := browser.Open(t, 1280, 880)
	shoot := func(url, colours, name string) {
		b.Do(chromedp.Navigate("about:blank"), chromedp.Navigate(url))
		b.Until(`document.querySelector('#list tr.line') && document.querySelector('#counts dd') && document.getElementById('stream').dataset.state != 'cut'`)
		b.Until(`document.getElementById('freeze').hidden || document.getElementById('stream').dataset.state == 'live'`)
		for browser.Eval[string](b, `document.documentElement.dataset.theme || ''`) != colours {
			browser.Eval[bool](b, `document.getElementById('theme').click(), true`)
		}
		b.Screenshot(images + name)
	}
	shoot(server.URL+"/#sort=requests", "light", "page.png")
	shoot(server.URL+"/#connection=c4&open=c4", "dark", "page-connection.png")
	shoot(server.URL+"/#view=findings&sort=severity", "light", "page-findings.png")

	file := filepath.Join(t.TempDir(), "report.html")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	r := play.Core.Report(play.Now)
	r.Host = host
	if err := page.WriteReport(out, r); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	shoot("file://"+file+"#connection=c5&open=c5", "light", "report.png")

	shown := filepath.Join(t.TempDir(), "terminal.html")
	if err := os.WriteFile(shown, []byte(terminal(t, server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	small := browser.Open(t, 700, 540)
	small.Do(chromedp.Navigate("file://" + shown))
	small.Screenshot(images + "top.png")
}

// terminal is viaduct top in tmux at 80x24, as a page.
func terminal(t *testing.T, url string) string {
	program, err := filepath.Abs("../../bin/viaduct")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "tmux")
	tmux := func(args ...string) string {
		cmd := exec.Command("tmux", append([]string{"-S", socket}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %s: %v: %s", args, err, out)
		}
		return string(out)
	}
	tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", program+" top --agent "+url)
	defer tmux("kill-server")
	until := func(text string) {
		late := time.After(20 * time.Second)
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for !strings.Contains(tmux("capture-pane", "-p"), text) {
			select {
			case <-again.C:
			case <-late:
				t.Fatalf("%q does not come up:\n%s", text, tmux("capture-pane", "-p"))
			}
		}
	}
	until("REMOTE")
	tmux("send-keys", "s", "s", "s", "s")
	until("sort findings")
	until("V <198.51.100.23")
	tmux("send-keys", "Down", "Down")
	until("REMOTE")
	return asPage(tmux("capture-pane", "-p", "-e"))
}
