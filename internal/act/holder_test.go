// SPDX-License-Identifier: Apache-2.0

package act

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// partVariable makes the test binary another program than the tests.
const partVariable = "VIADUCT_ACT_PART"

func TestMain(m *testing.M) {
	part, known := map[string]func() error{
		"holder": hold, "again": holdAgain, "heir": inherit, "receiver": receiveSocket, "refused": beRefused,
	}[os.Getenv(partVariable)]
	if !known {
		os.Exit(m.Run())
	}
	if err := part(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// newPart is the test binary as another program, which ends with its input. Its
// file is executed by a name that every user may follow.
func newPart(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), partVariable+"="+name)
	cmd.Stderr = os.Stderr
	cmd.Dir = "/"
	return cmd
}

// ends are both ends of a connection over loopback, in the namespace of the
// program that has them.
type ends struct {
	held, peer *os.File
	heir       io.Writer // says what held would, once it is another process's
}

// hold makes a connection and does as it is told on its standard input.
func hold() error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	accepted, err := listener.Accept()
	if err != nil {
		return err
	}
	target, err := targetOf(dialed.(*net.TCPConn))
	if err != nil {
		return err
	}
	var e ends
	var first, second error
	e.held, first = dialed.(*net.TCPConn).File()
	e.peer, second = accepted.(*net.TCPConn).File()
	if err := errors.Join(first, second, dialed.Close(), accepted.Close(), listener.Close()); err != nil {
		return err
	}
	fmt.Println(target.Socket, target.Local, target.Remote)
	return e.obey(bufio.NewReader(os.Stdin))
}

func (e *ends) obey(orders *bufio.Reader) error {
	for {
		order, err := orders.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		said := "ok"
		switch verb, n := "", 0; {
		case strings.HasPrefix(order, "read"):
			fmt.Sscan(order, &verb, &n)
			b := make([]byte, n)
			_, err = io.ReadFull(e.peer, b)
			said = fmt.Sprintf("%q", b)
		case order == "say\n" && e.heir == nil:
			_, err = e.held.WriteString(option)
		case order == "say\n":
			_, err = e.heir.Write([]byte{'\n'})
		case order == "fork\n":
			err = e.bequeath("heir", e.held)
		case order == "pass\n":
			err = e.pass()
		case order == "exec\n":
			err = e.again()
		default:
			err = fmt.Errorf("order %q", order)
		}
		if err != nil {
			return err
		}
		fmt.Println(said)
	}
}

// bequeath starts a program that is given a file, and lets go of the connection.
func (e *ends) bequeath(part string, file *os.File) error {
	cmd := newPart(part)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if e.heir, err = cmd.StdinPipe(); err != nil {
		return err
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if part == "receiver" {
		return nil
	}
	_, err = ready.Read(make([]byte, 1))
	return errors.Join(err, e.held.Close())
}

// pass sends the socket to a program that was started without it.
func (e *ends) pass() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "pair")
	if err := e.bequeath("receiver", theirs); err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(e.held.Fd())), nil, 0); err != nil {
		return err
	}
	_, err = unix.Read(pair[0], make([]byte, 1)) // it has it
	return errors.Join(err, theirs.Close(), unix.Close(pair[0]), e.held.Close())
}

// receiveSocket is the other side of pass.
func receiveSocket() error {
	const pair = 3
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	if _, err := unix.Write(pair, []byte{0}); err != nil {
		return err
	}
	return sayOn(os.NewFile(uintptr(fds[0]), "passed"))
}

func inherit() error { return sayOn(os.NewFile(3, "inherited")) }

// sayOn writes a message for each byte on the standard input.
func sayOn(held *os.File) error {
	os.Stdout.WriteString("x")
	for b := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := held.WriteString(option); err != nil {
			return err
		}
	}
}

// again executes the program anew; the socket gets another number on the way.
func (e *ends) again() error {
	held, err := unix.Dup(int(e.held.Fd()))
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(e.peer.Fd(), unix.F_SETFD, 0); err != nil {
		return err
	}
	os.Setenv(partVariable, "again")
	os.Setenv("VIADUCT_ACT_ENDS", fmt.Sprint(held, e.peer.Fd()))
	return unix.Exec("/proc/self/exe", os.Args[:1], os.Environ())
}

func holdAgain() error {
	var held, peer int
	if _, err := fmt.Sscan(os.Getenv("VIADUCT_ACT_ENDS"), &held, &peer); err != nil {
		return err
	}
	fmt.Println("ok")
	e := ends{held: os.NewFile(uintptr(held), "held"), peer: os.NewFile(uintptr(peer), "peer")}
	return e.obey(bufio.NewReader(os.Stdin))
}

// loopbackUp sets lo up in a namespace of the program's own.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil || lo.Uint16()&unix.IFF_UP != 0 {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// holder is a program that holds a connection.
type holder struct {
	*exec.Cmd
	t      *testing.T
	orders io.WriteCloser
	said   *bufio.Reader
	target Target
}

func newHolder(t *testing.T, attr syscall.SysProcAttr) *holder {
	t.Helper()
	h := &holder{Cmd: newPart("holder"), t: t}
	attr.Pdeathsig = syscall.SIGKILL
	h.SysProcAttr = &attr
	var err error
	if h.orders, err = h.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.said = bufio.NewReader(said)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.orders.Close()
		h.Process.Kill()
		h.Wait()
	})
	var local, remote string
	line := h.line()
	if _, err := fmt.Sscan(line, &h.target.Socket, &local, &remote); err != nil {
		t.Fatalf("the holder says %q: %v", line, err)
	}
	h.target.PID = uint32(h.Process.Pid)
	h.target.Local, h.target.Remote = netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	return h
}

func (h *holder) line() string {
	h.t.Helper()
	line, err := h.said.ReadString('\n')
	if err != nil {
		h.t.Fatalf("the holder says %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

func (h *holder) order(order string) string {
	h.t.Helper()
	if _, err := fmt.Fprintln(h.orders, order); err != nil {
		h.t.Fatal(err)
	}
	return h.line()
}

// peerGets wants these to be the next bytes at the other end.
func (h *holder) peerGets(want string) {
	h.t.Helper()
	if got := h.order(fmt.Sprint("read ", len(want))); got != fmt.Sprintf("%q", want) {
		h.t.Errorf("the peer got %s, want %q", got, want)
	}
}
