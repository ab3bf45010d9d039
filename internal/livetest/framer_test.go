// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// framerVariable makes the test binary a telephone that registers with the
// address in it, and does with a lone CRLF what the word behind that says.
const framerVariable = "VIADUCT_LIVETEST_FRAMER"

// Telephones that send no pings, and what they do with the pong to one that was
// sent for them. Each of these was seen in a program that is in use.
const (
	answersIt = "answers" // with a CRLF, as if it were a ping
	closesOn  = "closes"  // at once
	waitsFor  = "waits"   // for the rest of the message that it begins, for 26 seconds, and closes then
	losesNext = "loses"   // does not understand the message behind it; two of them are an empty one
)

// messageWait is what Kamailio 5.8 and later gives a message to come, its timer
// included.
const messageWait = 26 * time.Second

// framer starts such a telephone under a name of its own.
func (n *namespace) framer(t *testing.T, named, does, server, viaParameters string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), named) // of which the kernel keeps 15 bytes
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name)
	cmd.Env = append(os.Environ(), framerVariable+"="+strings.Join([]string{server, does, viaParameters}, " "))
	testutil.Start(t, n.name, cmd)
}

// frame is the telephone: it registers again whenever its connection has ended.
func frame() error {
	var server, does, via string
	fmt.Sscan(os.Getenv(framerVariable), &server, &does, &via)
	serial.Store(rand.Int64N(1 << 40)) // no other has its Call-IDs
	for {
		conn, err := net.Dial("tcp", server)
		if err != nil {
			return err
		}
		if err := converse(conn, does, via); err != nil {
			return err
		}
		conn.Close()
	}
}

// converse returns when the connection is to be closed, or has ended.
func converse(conn net.Conn, does, via string) error {
	register := request("REGISTER", "TCP", conn.LocalAddr())
	register = bytes.Replace(register, []byte(";branch="), []byte(via+";branch="), 1)
	register = bytes.Replace(register, []byte("Content-Length"), []byte("Expires: 3600\r\nContent-Length"), 1)
	if _, err := conn.Write(register); err != nil {
		return err
	}
	var buffer []byte
	chunk := make([]byte, 4096)
	for {
		conn.SetReadDeadline(time.Time{})
		if does == waitsFor && len(buffer) > 0 {
			conn.SetReadDeadline(time.Now().Add(messageWait))
		}
		n, err := conn.Read(chunk)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		buffer = append(buffer, chunk[:n]...)
		for len(buffer) > 0 {
			if bytes.HasPrefix(buffer, []byte("\r\n")) && (does == answersIt || does == closesOn) {
				if does == closesOn {
					return nil
				}
				buffer = buffer[2:]
				if _, err := conn.Write([]byte("\r\n")); err != nil {
					return err
				}
				continue
			}
			head, rest, whole := bytes.Cut(buffer, []byte("\r\n\r\n"))
			if !whole {
				break
			}
			if does == waitsFor {
				head = bytes.TrimLeft(head, "\r\n")
			}
			if bytes.HasPrefix(head, []byte("OPTIONS ")) {
				if _, err := conn.Write(reply(head, "200 OK")); err != nil {
					return err
				}
			}
			buffer = rest
		}
	}
}
