// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/act"
)

// programVariable makes the test binary a program with one connection, to the
// address in it, that does what it is told on its standard input.
const programVariable = "VIADUCT_LIVETEST_PROGRAM"

// client is such a program, and the other end of its connection.
type client struct {
	*exec.Cmd
	t       *testing.T
	orders  io.WriteCloser
	answers *bufio.Reader
	target  act.Target
	peer    *net.TCPConn
}

// newClient starts a program in n that connects to a listener of ours.
func (n *namespace) newClient(t *testing.T, listener *net.TCPListener) *client {
	t.Helper()
	c := &client{Cmd: exec.Command(os.Args[0]), t: t}
	c.Env = append(os.Environ(), programVariable+"="+listener.Addr().String())
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	orders, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.orders, c.answers = orders, bufio.NewReader(answers)
	n.do(t, func() {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(c.kill)
	c.peer = accept(t, listener)
	var local string
	if _, err := fmt.Sscan(c.answer(), &local, &c.target.Socket, &c.target.NetNS); err != nil {
		t.Fatal(err)
	}
	c.target.PID = uint32(c.Process.Pid)
	c.target.Local, c.target.Remote = netip.MustParseAddrPort(local), addrOf(listener.Addr())
	return c
}

// kill ends the program; it may be called twice.
func (c *client) kill() {
	c.Process.Kill()
	c.Cmd.Wait()
}

func (c *client) answer() string {
	c.t.Helper()
	line, err := c.answers.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the program says nothing: %v", err)
	}
	return strings.TrimSpace(line)
}

// order has the program do something, and returns its answer.
func (c *client) order(order string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.orders, order); err != nil {
		c.t.Fatal(err)
	}
	return c.answer()
}

// sees wants the program to read an end of a kind.
func (c *client) sees(want string) {
	c.t.Helper()
	if got := c.order("read"); got != want {
		c.t.Errorf("the program reads %q, want %q", got, want)
	}
}

// peerSees wants the peer to read an end of a kind.
func (c *client) peerSees(want string) {
	c.t.Helper()
	c.peer.SetReadDeadline(time.Now().Add(patience))
	if got := readToEnd(c.peer); got != want {
		c.t.Errorf("the peer reads %q, want %q", got, want)
	}
}

// lives wants the connection to carry bytes in both directions still.
func (c *client) lives() {
	c.t.Helper()
	c.order("write 1")
	c.peer.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.peer.Read(make([]byte, 1)); err != nil {
		c.t.Errorf("the connection does not live: the peer reads %v", err)
	}
	if _, err := c.peer.Write([]byte("x")); err != nil {
		c.t.Errorf("the connection does not live: the peer writes: %v", err)
	}
	if got := c.order("read 1"); got != "ok" {
		c.t.Errorf("the connection does not live: the program reads %s", got)
	}
}

// program is the other process.
func program() error {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.Dial("tcp", os.Getenv(programVariable))
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	cookie, err := option64(c, unix.SO_COOKIE)
	if err != nil {
		return err
	}
	netns, err := option64(c, unix.SO_NETNS_COOKIE)
	if err != nil {
		return err
	}
	fmt.Println(c.LocalAddr(), cookie, netns)
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		fmt.Println(obey(c, orders.Text()))
	}
	return nil
}

func obey(c *net.TCPConn, order string) string {
	verb, n := "", 0
	fmt.Sscan(order, &verb, &n)
	var err error
	switch {
	case verb == "say": // a Go string
		var text string
		if text, err = strconv.Unquote(strings.TrimPrefix(order, "say ")); err == nil {
			_, err = c.Write([]byte(text))
		}
	case verb == "read" && n == 0:
		return readToEnd(c)
	case verb == "read":
		_, err = io.ReadFull(c, make([]byte, n))
	case verb == "write":
		_, err = c.Write(make([]byte, n))
	case verb == "flood": // until nothing more goes out
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = c.Write(make([]byte, n))
		if os.IsTimeout(err) {
			return "ok"
		}
		return "not stopped"
	case verb == "close":
		err = c.Close()
	case verb == "undo":
		err = c.SetKeepAlive(false)
	case verb == "options":
		return optionsOf(c)
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// readToEnd returns how a stream ends.
func readToEnd(c *net.TCPConn) string {
	_, err := io.Copy(io.Discard, c)
	if err == nil {
		return "EOF"
	}
	return err.Error()[strings.LastIndex(err.Error(), ":")+2:]
}

// optionsOf lists the keep-alive options: switched on, idle, interval, probes,
// user timeout.
func optionsOf(c *net.TCPConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return err.Error()
	}
	said := ""
	raw.Control(func(fd uintptr) { said = optionsOfDescriptor(int(fd)) })
	return said
}

func optionsOfDescriptor(fd int) string {
	var values []string
	for _, o := range [][2]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}} {
		v, err := unix.GetsockoptInt(fd, o[0], o[1])
		if err != nil {
			values = append(values, err.Error())
		} else {
			values = append(values, fmt.Sprint(v))
		}
	}
	return strings.Join(values, " ")
}

func option64(c *net.TCPConn, name int) (uint64, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var value uint64
	if e := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, name) }); e != nil {
		return 0, e
	}
	return value, err
}
