// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// pythonClient asks three times on a second connection, when it is told to: its
// first is there to have both ends probed.
const pythonClient = `
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def dial():
    return context.wrap_socket(socket.create_connection((sys.argv[1], 5061)))
scout = dial()
open(sys.argv[2]).readline()
scout.close()
c = dial()
answers = c.makefile("rb")
for n in range(1, 4):
    c.sendall(("OPTIONS sip:probe@example.com SIP/2.0\r\n"
        "Via: SIP/2.0/TLS %s:%d;branch=z9hG4bKpython%d\r\n" % (*c.getsockname(), n) +
        "Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=a\r\nTo: <sip:probe@example.com>\r\n"
        "Call-ID: python@example.org\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n" % n).encode())
    if not answers.readline().startswith(b"SIP/2.0 200"):
        sys.exit("no answer")
    while answers.readline() != b"\r\n":
        pass
c.close()
`

// TestTLSOtherPrograms: a Python client of openssl s_server, whose words and
// answers are this test's, by pipes.
func TestTLSOtherPrograms(t *testing.T) {
	l := newLink(t)
	w := watchPeers(t, l, live.Options{})
	dir := t.TempDir()
	pipes := make(map[string]*os.File)
	for _, name := range []string{"said", "say", "go"} {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0) // waits for nobody
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		pipes[name] = f
	}
	certificate, key := tlspeer.Certificate(t)
	l.b.start(t, "sh", "-c", fmt.Sprintf("exec openssl s_server -quiet -accept %s:5061 -cert %s -key %s <%s >%s",
		l.b.v4, certificate, key, pipes["say"].Name(), pipes["said"].Name()))
	l.b.bound(t, "tcp", 5061)
	client := l.a.start(t, "/usr/bin/python3", "-c", pythonClient, l.b.v4.String(), pipes["go"].Name())
	w.probed(2)
	if _, err := pipes["go"].WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	go func() {
		var heard []byte
		for b := make([]byte, 4096); ; {
			n, err := pipes["said"].Read(b)
			if err != nil {
				return // closed by the test's end
			}
			heard = append(heard, b[:n]...)
			if request := string(heard); len(request) > 4 && request[len(request)-4:] == "\r\n\r\n" {
				pipes["say"].Write(reply(heard, "200 OK"))
				heard = nil
			}
		}
	}()
	client.ended(t)
	w.finally(func(r *report.Report) string { return loaded(r, 1, 3) })
}
