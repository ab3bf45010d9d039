// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"os"
	"reflect"
	"testing"
	"time"
)

// bare takes out what is not the same when a file is printed and read again.
func bare(f *File) *File {
	var steps func([]Step)
	steps = func(all []Step) {
		for i := range all {
			all[i].Line = 0
			steps(all[i].Steps)
		}
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		s.Line, s.Text, s.actions = 0, "", nil
		steps(s.Steps)
	}
	return f
}

// FuzzParse: what parses can be printed, the print parses to the same and is
// its own print, and the events that it plays are in order and well formed.
func FuzzParse(f *testing.F) {
	sample, err := os.ReadFile("testdata/sample.flow")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	for _, seed := range []string{
		"# one\n\n== breaks: a title\ntcp a in # note\n a< INVITE ;keep=\"3 0\"\n  X: y\n  body: z\n X\nexpect KEEP-04 peer count=2\n",
		"udp u\nrepeat 3\n +1s\n u> stun request attrs=software,fingerprint\n u< stun success mapped=203.0.113.1:1\nend",
		"tcp a out midlife\na> raw \"\\x00\\\"\" split=2\na< lost 12\na timeout\ntcp a in\na< fin\na> rst",
		"tcp b out refused\nlisten udp 192.0.2.1:5060 pid=1\nunlisten udp 192.0.2.1:5060\nexit pid=1",
		"tls a out version=1.2 sni=example.com server=CN=a,sip:example.com client=none\na> alert\na> close\ntls b in version=1.3 resumed",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ParseFile("x.flow", []byte(text))
		if err != nil {
			return
		}
		for i := range file.Sections {
			checkEvents(t, &file.Sections[i])
		}
		printed := file.String()
		again, err := ParseFile("x.flow", []byte(printed))
		if err != nil {
			t.Fatalf("%v\nin what was printed:\n%s", err, printed)
		}
		if twice := again.String(); twice != printed {
			t.Fatalf("printed:\n%s\nthen:\n%s", printed, twice)
		}
		if !reflect.DeepEqual(bare(file), bare(again)) {
			t.Fatalf("another file when it is read again:\n%s", printed)
		}
	})
}

func checkEvents(t *testing.T, s *Section) {
	events, end := Events(s)
	last := Start
	for i := range events {
		e := &events[i]
		if e.Time < last || e.Time > end || e.Kind == 0 || len(e.Payload) > e.Length {
			t.Fatalf("event %d of %d: %+v", i, len(events), e)
		}
		if e.Socket == 0 || !e.Local.IsValid() || e.Transport == 0 {
			t.Fatalf("event %d has no socket: %+v", i, e)
		}
		last = e.Time
	}
	if end.Sub(Start) < 0 || end.Sub(Start) > maxLasting+maxWait || s.Duration() > maxLasting+maxWait {
		t.Fatalf("ends after %s", time.Duration(end-Start))
	}
}
