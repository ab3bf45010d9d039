// SPDX-License-Identifier: Apache-2.0

package top

import (
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/view"
	"github.com/viaduct-project/viaduct/internal/web/api"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // of the clock on the screen
	os.Exit(m.Run())
}

func story() *view.View {
	play := traffic.New(agent.Config{})
	play.Story()
	return &view.View{Lock: new(sync.Mutex), Core: play.Core, Now: func() event.Time { return play.Now }, Host: report.Host{Name: "sip1.example.net"}}
}

// press has keys pressed, and what is asked for then fetched.
func press(t *testing.T, m *model, from Source, keys ...string) {
	t.Helper()
	for _, k := range keys {
		m.key(k)
		a := answer{asked: m.query, at: traffic.Start.Go()}
		if a.page, a.err = from.Connections(t.Context(), &m.query); a.err == nil {
			a.counts, a.err = from.Counts(t.Context())
		}
		m.take(a)
	}
}

// TestScreens: what is shown, as text.
func TestScreens(t *testing.T) {
	from := Here{story()}
	for _, tt := range []struct {
		name          string
		width, height int
		keys          []string
	}{
		{"list-80", 80, 24, []string{""}},
		{"list-160", 160, 16, []string{"s", "s"}},
		{"findings-80", 80, 24, []string{"v", "v", "s", "s", "s", "s"}},
		{"detail-80", 80, 24, []string{"/", "1", "0", "0", ".", "2", "3", "Enter", "Enter"}},
		{"detail-down-80", 80, 24, []string{"/", "1", "0", "0", ".", "2", "3", "Enter", "Enter", "PgDn"}},
		{"help-80", 80, 24, []string{"?"}},
		{"typing-80", 80, 24, []string{"/", "k", "e", "x", "Backspace", "e", "p"}},
		{"nothing-80", 80, 10, []string{"/", "x", "Enter"}},
	} {
		m := newModel()
		m.width, m.height = tt.width, tt.height
		press(t, m, from, tt.keys...)
		got, file := m.draw().String(), "testdata/"+tt.name+".golden"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: not as in the file (if that is meant: -update):\n%s", tt.name, got)
		}
	}
}

// TestAgentIsLikeHere: over HTTP the screen is the same.
func TestAgentIsLikeHere(t *testing.T) {
	v := story()
	server := httptest.NewServer(api.New(v))
	defer server.Close()
	far, err := NewAgent(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range []string{" ", "s", "sr", "o", "ot", "vvss", "rrr", "/keep\n", "/:50\n\n"} {
		a, b := newModel(), newModel()
		var all []string
		for _, r := range keys {
			all = append(all, strings.Replace(string(r), "\n", "Enter", 1))
		}
		press(t, a, Here{v}, all...)
		press(t, b, far, all...)
		if a.draw().String() != b.draw().String() {
			t.Errorf("%q:\n%s\nover HTTP:\n%s", keys, a.draw(), b.draw())
		}
	}
}

// TestAgentFails: why, in a sentence, without the password; and the list stays.
func TestAgentFails(t *testing.T) {
	for at, want := range map[string]string{"ftp://x": "no URL", "http://": "no URL", "http://a b": "invalid"} {
		if _, err := NewAgent(at); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", at, err)
		}
	}
	server := httptest.NewServer(api.New(story()))
	far, err := NewAgent(strings.Replace(server.URL, "http://", "http://admin:secret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	m := newModel()
	press(t, m, far, "s")
	if m.failed != (time.Time{}) || len(m.lines()) == 0 {
		t.Fatalf("no list: %v", m.err)
	}
	server.Close()
	press(t, m, far, "j")
	screen := m.draw().String()
	if !strings.Contains(screen, "no answer since 12:00:00") || strings.Contains(m.err.Error(), "secret") || !strings.Contains(screen, "198.51.100") {
		t.Errorf("%v\n%s", m.err, screen)
	}
}

// TestHostile: whatever the network says, a cell holds one printable character.
func TestHostile(t *testing.T) {
	play := traffic.New(agent.Config{})
	play.Hostile()
	play.Wait(40 * time.Second)
	v := &view.View{Lock: new(sync.Mutex), Core: play.Core, Now: func() event.Time { return play.Now }}
	for n := range len(traffic.Evil) {
		m := newModel()
		press(t, m, Here{v}, "s")
		for range n {
			press(t, m, Here{v}, "Down")
		}
		for range 20 {
			press(t, m, Here{v}, "Enter", "PgDn")
			for _, r := range m.draw().String() {
				if r != '\n' && visible(r) != r {
					t.Fatalf("%q is on the screen:\n%s", r, m.draw())
				}
			}
		}
	}
}

// TestFrozen: what is frozen does not change, but for what is asked for.
func TestFrozen(t *testing.T) {
	v := story()
	m := newModel()
	press(t, m, Here{v}, " ")
	if !m.frozen || len(m.lines()) == 0 {
		t.Fatal("frozen before there was anything")
	}
	before := m.page
	press(t, m, Here{v}, "Down")
	if m.page != before {
		t.Error("the list has changed")
	}
	press(t, m, Here{v}, "o")
	if m.page == before || m.query.State != "open" {
		t.Error("what was asked for is not shown")
	}
}

// TestChoiceStays: on its connection, when others come.
func TestChoiceStays(t *testing.T) {
	m := newModel()
	m.height = 8
	page := func(ids ...int) answer {
		p := new(report.Page)
		for _, id := range ids {
			p.Connections = append(p.Connections, report.Connection{ID: fmt.Sprint("c", id)})
		}
		return answer{asked: m.query, page: p}
	}
	m.take(page(9, 8, 7, 6, 5, 4, 3, 2, 1))
	for range 5 {
		m.key("Down")
	}
	if m.chosen != "c4" || m.first != 2 {
		t.Fatalf("%s, from %d", m.chosen, m.first)
	}
	m.take(page(12, 11, 10, 9, 8, 7, 6, 5, 4, 3))
	if at := m.at(); m.chosen != "c4" || at < m.first || at >= m.first+m.room() {
		t.Errorf("%s at %d, from %d", m.chosen, at, m.first)
	}
	m.take(page(2, 1))
	if m.chosen != "c1" || m.first != 1 {
		t.Errorf("it has gone: %s, from %d", m.chosen, m.first)
	}
	m.take(answer{asked: m.query, err: errors.New("no")})
	m.key("End")
	if len(m.lines()) != 2 {
		t.Error("the list was given up for an error")
	}
	m.take(page())
	m.key("Down")
	m.key("Enter")
	if m.detail {
		t.Error("details of nothing")
	}
}

var _ Source = (*Agent)(nil)
