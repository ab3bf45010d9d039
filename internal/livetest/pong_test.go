// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// suffers is a program that cannot stand a lone CRLF, or might not, and is kept
// alive by `method: auto`.
type suffers struct {
	name    string
	offers  bool   // keep, as if it knew pongs: then it is harmed once, before viaduct knows better
	behind  bool   // what harms it is a pong with a request behind it
	every   int    // seconds between keep-alives
	method  string // of the requests that it is asked, which it answers
	program string // as viaduct knows it
	start   func(t *testing.T, l *link, p *counterpart)
}

// phone is a telephone of [framer], which offers keep if its name says so.
func phone(name, does string) func(*testing.T, *link, *counterpart) {
	via := ""
	if strings.HasPrefix(name, "keep-") {
		via = ";keep"
	}
	return func(t *testing.T, l *link, p *counterpart) { l.a.framer(t, name, does, p.listen(l.b, 5060), via) }
}

// sippNamed runs SIPp in a directory with the files, by a name of its own: what
// viaduct learns of one program is of no other.
func (l *link) sippNamed(t *testing.T, name string, files map[string]string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, name), append([]string{
		"-t", "t1", "-i", l.a.v4.String(), "-nr", "-nostdin", "-trace_err", "-error_file", "errors.log",
	}, args...)...)
	cmd.Dir = dir
	testutil.Start(t, l.a.name, cmd)
}

// dials connects the counterpart to the program's port.
func (p *counterpart) dials(t *testing.T, l *link) {
	t.Helper()
	l.a.bound(t, "tcp", 5060)
	go p.serve(l.b.dial(t, at(l.b.v4, 0), at(l.a.v4, 5060)))
}

// inSeconds are the programs of which seconds show what there is to show.
var inSeconds = []suffers{
	{"Kamailio", false, false, 2, "OPTIONS", "kamailio", func(t *testing.T, l *link, p *counterpart) {
		kamailio{idle: 60}.start(t, l.a)
		p.dials(t, l)
	}},
	{"SIPp", false, false, 2, "INVITE", "sipp-called", func(t *testing.T, l *link, p *counterpart) {
		l.sippNamed(t, "sipp-called", nil, "-p", "5060", "-sn", "uas")
		p.dials(t, l)
	}},
	{"answers a pong", false, false, 2, "OPTIONS", "phone-answers", phone("phone-answers", answersIt)},
	{"answers a pong, offers keep", true, false, 2, "OPTIONS", "keep-answers", phone("keep-answers", answersIt)},
	{"closes on a pong, offers keep", true, false, 2, "OPTIONS", "keep-closes", phone("keep-closes", closesOn)},
}

// TestPongs: `method: auto` keeps alive programs that cannot stand the answer to
// a ping by the kernel's means, and sends none. One that offers keep gets pings,
// until it is harmed the first time.
func TestPongs(t *testing.T) { testPongs(t, inSeconds, 0) }

// testPongs has them kept alive until they were probed twice, and for as long
// as asked beyond that.
func testPongs(t *testing.T, all []suffers, long time.Duration) {
	var links []*link
	rows := ""
	for i, s := range all {
		l := newLink(t)
		links = append(links, l)
		keepalive := fmt.Sprintf("{inject: always, interval: %ds}", s.every)
		if s.offers {
			keepalive = "{inject: agreed}"
		}
		rows += fmt.Sprintf("- {name: case-%d, match: {cidrs: [%s/32]}, enforce: enforce, keepalive: %s}\n", i, l.b.v4, keepalive)
	}
	p, err := policyfile.Parse("policy.yaml", []byte("version: 1\npeers:\n"+rows))
	if err != nil {
		t.Fatal(err)
	}
	w := openWatch(t, live.Options{Core: agent.Config{Policy: p}}, nil)
	w.run()
	for i, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			k := &kept{T: t, suffers: s, link: links[i], watch: w.Watch, peer: newCounterpart(t, s.every, s.method)}
			k.last = time.Now()
			s.start(t, k.link, k.peer)
			k.settles()
			k.stays(long)
		})
	}
}

// kept is such a program under test.
type kept struct {
	*testing.T
	suffers
	*link
	watch *live.Watch
	peer  *counterpart
	last  time.Time // when it was asked something
}

// newest is its connection, nil if none is open.
func (k *kept) newest(r *report.Report) (found *report.Connection) {
	for i := range r.Connections {
		c := &r.Connections[i]
		if c.Closed == nil && c.Process != nil && c.Process.Name == k.program && strings.HasPrefix(c.Local, k.a.v4.String()+":") {
			found = c
		}
	}
	return found
}

// findings counts what POL-07 says of it.
func (k *kept) findings(r *report.Report) (n int) {
	for _, f := range r.Findings {
		if f.Rule == "POL-07" && strings.HasPrefix(f.Evidence, k.program+":") {
			n++
		}
	}
	return n
}

// settles waits until the kernel keeps the program alive: at once, or when it
// was harmed.
func (k *kept) settles() {
	k.Helper()
	want, harmed := "nothing shows that the program copes with pongs", 0
	if k.offers {
		want, harmed = "the program was seen to suffer from pongs", 1
	}
	asked, pinged := 0, 0
	defer func() {
		if k.Failed() {
			r := k.watch.Report()
			k.Log(k.peer.counts())
			k.Log(text(k.newest(r)))
		}
	}()
	untilWithin(k.T, patience+time.Duration(10+2*k.every)*time.Second+messageWait, func() string {
		opened, _, pings, _ := k.peer.counts()
		if opened == 0 {
			return "the program has no connection"
		}
		if asked == 0 || k.behind && pings > pinged && asked < 2 { // before the first ping, and behind the first pong
			asked, pinged = asked+1, pings
			if !k.talk() && asked == 1 {
				return "it does not answer"
			}
		}
		r := k.watch.Report()
		c := k.newest(r)
		switch {
		case c == nil:
			return "viaduct knows no connection of it"
		case k.findings(r) != harmed:
			return fmt.Sprintf("POL-07 was raised %d times", k.findings(r))
		case c.Upkeep == nil || *c.Upkeep.Method != "tcp" || c.Upkeep.Because != want:
			return "it is kept alive otherwise: " + text(c.Upkeep)
		case k.probes() < 2:
			return fmt.Sprintf("%d probes were sent", k.probes())
		}
		return ""
	})
}

func (k *kept) talk() bool {
	k.last = time.Now()
	return k.peer.talk()
}

// stays wants the program unharmed from now on: its connection stays, carries
// no ping, and what it is asked it answers.
func (k *kept) stays(long time.Duration) {
	k.Helper()
	opened, ended, pings, lone := k.peer.counts()
	if !k.offers && (opened != 1 || ended+pings+lone != 0) {
		k.Fatalf("%d connections, %d have ended, %d pings and %d lone CRLFs", opened, ended, pings, lone)
	}
	if k.behind {
		k.talk() // the pongs that it has read by then may cost it this one
	}
	probes, asked := k.probes(), 0
	for end := time.Now().Add(long); ; time.Sleep(min(askedEvery, time.Until(end))) { // the pauses are what is tested
		if asked++; !k.talk() {
			k.Fatal("it does not answer")
		}
		if !time.Now().Before(end) {
			break
		}
	}
	r := k.watch.Report()
	opened2, ended2, pings2, lone2 := k.peer.counts()
	if opened2 != opened || ended2 != ended || pings2 != pings || lone2 != lone {
		k.Errorf("%d connections, %d have ended, %d pings and %d lone CRLFs; it was %d, %d, %d and %d when it had settled",
			opened2, ended2, pings2, lone2, opened, ended, pings, lone)
	}
	if n := k.findings(r); n > 1 || n > 0 != k.offers {
		k.Errorf("POL-07 was raised %d times", n)
	}
	k.Logf("%d connections, %d pings before it settled, %d probes and %d requests answered since; %s",
		opened, pings, k.probes()-probes, asked, text(k.newest(r).Upkeep))
}

// askedEvery is the pause from one request to the next.
const askedEvery = 33 * time.Second

// probes counts the kernel's TCP keep-alives in the program's namespace.
func (k *kept) probes() int {
	k.Helper()
	var table []byte
	var err error
	k.a.do(k.T, func() { table, err = os.ReadFile("/proc/thread-self/net/netstat") })
	if err != nil {
		k.Fatal(err)
	}
	lines := strings.Split(string(table), "\n")
	for i := 0; i+1 < len(lines); i += 2 { // names, then values
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j, name := range names {
			if name == "TCPKeepAlive" {
				n, err := strconv.Atoi(values[j])
				if err != nil {
					k.Fatal(err)
				}
				return n
			}
		}
	}
	k.Fatal("the kernel counts no keep-alives")
	return 0
}
