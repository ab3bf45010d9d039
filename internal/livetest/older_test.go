// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// holderVariable makes the test binary the process that a connection is passed to.
const holderVariable = "VIADUCT_LIVETEST_HOLDER"

func TestMain(m *testing.M) {
	for variable, run := range map[string]func() error{holderVariable: hold, programVariable: program, framerVariable: frame, handsVariable: lendHands, limiterVariable: limitUntilKilled} {
		if os.Getenv(variable) == "" {
			continue
		}
		if err := run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // what is parallel here waits nearly all the time
		panic(err)
	}
	os.Exit(m.Run())
}

// TestOlder: a connection, a listener and a UDP socket that were there before
// the probes, all with their holders.
func TestOlder(t *testing.T) {
	l := newLink(t)
	server := at(l.b.v4, 5060)
	listener := l.b.listen(t, server)
	old := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
	oldServer := &reader{conn: accept(t, listener)}
	ask(t, old, oldServer) // before anyone watches
	answer(t, oldServer, old)
	udpServer, udpClient := l.b.datagrams(t, server), l.a.datagram(t, server)
	w := startWatch(t, l, live.Options{})

	ask(t, old, oldServer)
	answer(t, oldServer, old)
	young := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
	youngServer := &reader{conn: accept(t, listener)}
	ask(t, young, youngServer)
	answer(t, youngServer, young)
	echoDatagram(t, udpClient, udpServer)
	idle := l.a.dial(t, netip.AddrPort{}, server) // nobody speaks on it
	accept(t, listener)

	w.finally(func(r *report.Report) string {
		want := facts{
			Transport: "tcp", Process: own(), Initiator: "unknown", Class: "undetermined", RequestsOut: 1, ResponsesIn: 1,
			BytesOut: uint64(oldServer.bytes), BytesIn: uint64(old.bytes), // the kernel has counted the earlier ones
		}
		fresh := want
		fresh.Initiator, fresh.Class, fresh.HandshakeMeasured, fresh.OpenedKnown = "local", "unidirectional-ephemeral", true, true
		fresh.BytesOut, fresh.BytesIn = uint64(youngServer.bytes), uint64(young.bytes)
		flow := fresh
		flow.Transport, flow.HandshakeMeasured = "udp", false
		silent := facts{Transport: "tcp", Process: own(), Initiator: "local", Class: "undetermined", HandshakeMeasured: true, OpenedKnown: true}
		var wrongs []string
		for _, c := range []struct {
			client net.Addr
			want   facts
		}{{old.conn.LocalAddr(), want}, {young.conn.LocalAddr(), fresh}, {udpClient.LocalAddr(), flow}, {idle.LocalAddr(), silent}} {
			if c.want.Transport == "udp" {
				if one := one(r, "udp", addrOf(c.client), server); one != nil {
					c.want.BytesOut, c.want.BytesIn = one.BytesSent, one.BytesReceived
				}
			}
			wrongs = append(wrongs, each(r, 1, c.want.Transport, addrOf(c.client), server, c.want),
				each(r, 1, c.want.Transport, server, addrOf(c.client), c.want.mirrored(own())))
		}
		return all(wrongs...)
	})
}

// echoDatagram sends a request and answers it.
func echoDatagram(t *testing.T, client, server *net.UDPConn) {
	t.Helper()
	write(t, client, request("OPTIONS", "UDP", client.LocalAddr()))
	b := make([]byte, 2048)
	server.SetReadDeadline(time.Now().Add(patience))
	n, from, err := server.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.WriteToUDPAddrPort(reply(b[:n], "200 OK"), from); err != nil {
		t.Fatal(err)
	}
	client.SetReadDeadline(time.Now().Add(patience))
	if _, err := client.Read(b); err != nil {
		t.Fatal(err)
	}
}

// TestPassed: the server accepts a connection, hands it to another process and
// closes its own copy; the report names the process that has it now.
func TestPassed(t *testing.T) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	server := at(l.b.v4, 5060)
	listener := l.b.listen(t, server)
	client := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
	accepted := accept(t, listener)
	mine := addrOf(client.conn.LocalAddr())
	w.until(func(r *report.Report) string { // it is ours first
		return each(r, 1, "tcp", server, mine, facts{Transport: "tcp", Process: own(), Initiator: "remote", Class: "undetermined", HandshakeMeasured: true, OpenedKnown: true})
	})
	holder := pass(t, accepted)
	write(t, client.conn, request("OPTIONS", "TCP", client.conn.LocalAddr()))
	client.must(t, 1) // from the other process
	want := facts{
		Transport: "tcp", Process: own(), Initiator: "local", Class: "unidirectional-ephemeral", HandshakeMeasured: true, OpenedKnown: true,
		RequestsOut: 1, ResponsesIn: 1, BytesIn: uint64(client.bytes),
	}
	w.finally(func(r *report.Report) string {
		if c := one(r, "tcp", mine, server); c != nil {
			want.BytesOut = c.BytesSent
		}
		return all(each(r, 1, "tcp", mine, server, want), each(r, 1, "tcp", server, mine, want.mirrored(holder)))
	})
}

// pass starts a process, gives it c, closes c here, and returns the process's name.
func pass(t *testing.T, c *net.TCPConn) string {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "passing")
	defer theirs.Close()
	defer unix.Close(pair[0])
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderVariable+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	control(t, c, func(fd int) error { return unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(fd), nil, 0) })
	c.Close()
	return fmt.Sprintf("livetest.test/%d", cmd.Process.Pid)
}

// hold takes a connection from file 3 and answers what comes on it until the
// peer closes.
func hold() error {
	one, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(3, one, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return fmt.Errorf("receive a connection: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("receive a connection: %d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	c, err := net.FileConn(os.NewFile(uintptr(fds[0]), "passed"))
	if err != nil {
		return err
	}
	for r := (&reader{conn: c}); ; {
		m, err := r.message()
		if err != nil {
			return nil
		}
		if _, err := c.Write(reply(m, "200 OK")); err != nil {
			return err
		}
	}
}
