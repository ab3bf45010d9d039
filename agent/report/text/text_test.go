// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/report/text"
	"github.com/viaduct-project/viaduct/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

func exchange(c *script.Conn, d event.Direction, m script.Msg, params string) {
	c.Data(d, m.String())
	r := m.Reply(200)
	r.Params = params
	c.Data(event.In+event.Out-d, r.String())
}

func run(s *script.Script) *report.Report {
	c := agent.New(agent.Config{Started: script.Start})
	for i := range s.Events {
		c.Handle(&s.Events[i])
	}
	return c.Report(s.Now)
}

func none() *report.Report {
	s := script.New()
	s.Wait(30 * time.Second)
	return run(s)
}

func one() *report.Report {
	s := script.New()
	exchange(s.TCP(event.Local, "192.0.2.1:40000", "198.51.100.7:5060").Open(), event.Out, script.Msg{Method: "OPTIONS"}, "")
	s.Wait(30 * time.Second)
	return run(s)
}

// several has a connection of every kind.
func several() *report.Report {
	s := script.New()
	options := script.Msg{Method: "OPTIONS"}
	back := script.Msg{Method: "MESSAGE", Branch: "back"}
	keep := script.Msg{Method: "REGISTER", Params: ";keep"}
	persistent := script.Msg{Method: "INVITE", Params: ";persistent"}

	c := s.TCP(event.Remote, "192.0.2.1:5060", "198.51.100.20:40001").Open()
	exchange(c, event.In, keep, ";keep=30")
	for range 4 {
		s.Wait(25 * time.Second)
		c.In("\r\n\r\n")
		c.Out("\r\n")
	}
	c = s.TCP(event.Local, "[2001:db8::1]:40002", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:5060").Open()
	exchange(c, event.Out, options, "")
	exchange(c, event.In, back, "")
	s.Wait(time.Minute)
	c = s.TCP(event.Local, "192.0.2.1:40003", "198.51.100.7:5060").Open()
	c.Out(options.String())
	s.Wait(time.Second)
	c.Close(event.Remote, event.RST)
	for n := range 3 {
		c = s.TCP(event.Remote, "192.0.2.1:5060", fmt.Sprintf("198.51.100.7:%d", 41000+n)).Open()
		exchange(c, event.In, options, "")
		s.Wait(time.Minute)
		c.FIN(event.In)
		c.Close(event.Remote, event.FIN)
	}
	c = s.TCP(event.Local, "192.0.2.1:40004", "198.51.100.8:5060")
	c.Close(event.Unknown, event.Refused)
	c = s.TCP(event.Local, "192.0.2.1:40005", "198.51.100.9:5060").Open()
	exchange(c, event.Out, persistent, ";persistent")
	c = s.TCP(event.Local, "192.0.2.1:40006", "198.51.100.10:5061").MidLife()
	c.Owner.Name = "a\x1b[31mb"
	c.S.Events[len(c.S.Events)-1].Owner = c.Owner
	c = s.UDP("192.0.2.1:5060", "203.0.113.5:5060")
	c.In("\r\n\r\n")
	s.Wait(time.Minute)
	exchange(c, event.In, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/UDP 203.0.113.5"}, "")
	c.In("neither SIP nor anything else")
	r := run(s)
	r.Findings = append(r.Findings, report.Finding{Rule: "KEEP-09", Severity: "violation", Party: "peer", Connection: r.Connections[0].ID,
		Time: r.Ended, Count: 1, Summary: "Keep-alives come less often than agreed", Evidence: "none for 61 s, agreed 30 s"})
	r.Summary.Findings.Violation = 1
	return r
}

func many() *report.Report {
	s := script.New()
	for n := range 5000 {
		c := s.TCP(event.Local, "192.0.2.1:40000", fmt.Sprintf("198.51.%d.%d:5060", 100+n/2500, n%250)).Open()
		if n%1000 == 0 {
			c.Out(script.Msg{Method: "OPTIONS"}.String())
			c.Close(event.Local, event.RST)
		}
	}
	s.Wait(3 * time.Hour)
	return run(s)
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*report.Report{"none": none(), "one": one(), "several": several(), "many": many()} {
		for _, width := range []int{0, 80, 160} {
			if name == "many" && width == 0 {
				continue // all of them: see TestPipeHasEveryLine
			}
			t.Run(fmt.Sprint(name, width), func(t *testing.T) {
				var b bytes.Buffer
				if err := text.Write(&b, r, width); err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(b.String()) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
						t.Errorf("line of %d columns: %s", n, line)
					}
					if strings.ContainsRune(line, 0x1b) {
						t.Errorf("an escape reached the terminal: %q", line)
					}
				}
				file := filepath.Join("testdata", fmt.Sprintf("%s-%d.golden", name, width))
				if *update {
					if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if b.String() != string(want) {
					t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
				}
			})
		}
	}
}

func TestPipeHasEveryLine(t *testing.T) {
	var b bytes.Buffer
	if err := text.Write(&b, many(), 0); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n>198.51."); n != 5000 {
		t.Errorf("%d connections, want 5000", n)
	}
	if strings.Contains(b.String(), "..") {
		t.Error("something was cut")
	}
}

// TestContainers: where there is room, it is shown what the holder runs in.
func TestContainers(t *testing.T) {
	process := &report.Process{PID: 7, Name: "kamailio"}
	id := strings.Repeat("0123456789abcdef", 4)
	for want, c := range map[string]report.Connection{
		"kamailio@proxy-0":      {Process: process, Container: &report.Container{ID: id, Name: report.Ref("sip"), Pod: report.Ref("proxy-0")}},
		"kamailio@sip":          {Process: process, Container: &report.Container{ID: id, Name: report.Ref("sip")}},
		"kamailio@0123456789ab": {Process: process, Container: &report.Container{ID: id}},
		"-@sip":                 {Container: &report.Container{ID: id, Name: report.Ref("sip")}},
	} {
		r := &report.Report{Source: "live", Connections: []report.Connection{c}}
		for _, width := range []int{0, 80} {
			var b bytes.Buffer
			if err := text.Write(&b, r, width); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(b.String(), want); got != (width == 0) {
				t.Errorf("width %d: %s shown: %v\n%s", width, want, got, b.String())
			}
		}
	}
}
