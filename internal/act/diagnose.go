// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
)

// Diagnose tries each action for real, on connections of its own over loopback.
func Diagnose() []bpf.Feature {
	h, err := New(nil)
	if err != nil {
		var all []bpf.Feature
		for _, name := range []string{"close-gently", "close-hard", "protect", "keepalive-tcp", "keepalive-crlf", "keepalive-stun"} {
			all = append(all, lacking(name, err, "see the lines above; a kernel of 5.15 or later has it"))
		}
		return all
	}
	defer h.Release()
	protect := h.protection()
	tcp := protect
	tcp.Name = "keepalive-tcp" // the same options, at the interval that was agreed
	return []bpf.Feature{h.gently(), h.hard(), protect, tcp, h.crlf(), h.stun()}
}

func lacking(name string, err error, do string) bpf.Feature {
	return bpf.Feature{Name: name, State: bpf.Missing, Why: err.Error(), Do: do}
}

const toReach = "give viaduct CAP_SYS_PTRACE and a seccomp profile that lets pidfd_open(2) and pidfd_getfd(2) pass, and see that kernel.yama.ptrace_scope is not 3"

func (h *Hands) gently() bpf.Feature {
	const name = "close-gently"
	out := onLoopback(func(t Target) Outcome { return h.Close(t, false, fine) })
	reached, tried := processes()
	why := fmt.Sprintf("pidfd_getfd and shutdown; %d of %d other processes let their sockets be duplicated", reached, tried)
	switch {
	case out.Result != Done:
		return lacking(name, out.Err, "a kernel of 5.6 or later has it, unless a seccomp profile is in the way")
	case reached == 0 && tried > 0:
		return lacking(name, errors.New(why), toReach)
	case reached < tried && !bpf.Holds(unix.CAP_SYS_PTRACE):
		return bpf.Feature{Name: name, State: bpf.Degraded, Why: why, Do: toReach}
	}
	return bpf.Feature{Name: name, State: bpf.There, Why: why}
}

func (h *Hands) hard() bpf.Feature {
	const name = "close-hard"
	out := onLoopback(func(t Target) Outcome { return h.Close(t, true, fine) })
	switch {
	case out.Result != Done:
		return lacking(name, out.Err, "a kernel of 6.5 or later has it")
	case entersNamespaces() != nil:
		return bpf.Feature{
			Name: name, State: bpf.Degraded, Why: fmt.Sprintf("%s, in this network namespace only", out.Means),
			Do: "add CAP_SYS_ADMIN if connections in other network namespaces, as containers have, are to be closed hard",
		}
	}
	return bpf.Feature{Name: name, State: bpf.There, Why: fmt.Sprintf("%s, in every network namespace", out.Means)}
}

func (h *Hands) protection() bpf.Feature {
	const name = "protect"
	out := onLoopback(func(t Target) Outcome {
		return h.Protect([]Protection{{t, Options{KeepaliveIdle: time.Minute, Interval: time.Second, Probes: 3, UserTimeout: time.Minute}}})[0]
	})
	switch {
	case out.Result != Done:
		return lacking(name, out.Err, "")
	case out.Means == Iterator && !bpf.Holds(unix.CAP_SYS_PTRACE):
		return bpf.Feature{
			Name: name, State: bpf.Degraded, Why: fmt.Sprintf("%s, in this network namespace only", out.Means),
			Do: "add CAP_SYS_PTRACE if connections in other network namespaces, as containers have, are to be protected",
		}
	case out.Means == Iterator:
		return bpf.Feature{Name: name, State: bpf.There, Why: fmt.Sprintf("%s; setsockopt on a duplicate in other network namespaces", out.Means)}
	}
	return bpf.Feature{Name: name, State: bpf.There, Why: "setsockopt on a duplicate, where that reaches: see close-gently"}
}

func fine() error { return nil }

// processes counts those of which a descriptor can be duplicated, and those tried.
// The kernel answers whether that is allowed before it finds that there is no
// descriptor of that number. Kernel threads have no command line, and no sockets.
func processes() (reached, tried int) {
	const nobodys = 1 << 30
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if command, err := os.ReadFile(path); err != nil || len(command) == 0 || pid == os.Getpid() {
			continue
		}
		process, err := unix.PidfdOpen(pid, 0)
		if err != nil { // it has ended
			continue
		}
		tried++
		if _, err := unix.PidfdGetfd(process, nobodys, 0); errors.Is(err, unix.EBADF) {
			reached++
		}
		unix.Close(process)
	}
	return reached, tried
}

func entersNamespaces() error {
	ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open this thread's network namespace: %w", err)
	}
	defer unix.Close(ns)
	return within(ns, func() {})
}

// onLoopback does something to a connection of this process with itself.
func onLoopback(do func(Target) Outcome) Outcome {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return failed("", "listen on loopback: %w", err)
	}
	defer listener.Close()
	c, err := net.DialTimeout("tcp4", listener.Addr().String(), time.Second)
	if err != nil {
		return failed("", "connect over loopback: %w", err)
	}
	defer c.Close()
	t, err := targetOf(c.(*net.TCPConn))
	if err != nil {
		return failed("", "%w", err)
	}
	return do(t)
}

// targetOf names a connection of this process.
func targetOf(c *net.TCPConn) (Target, error) {
	t := Target{
		PID:   uint32(os.Getpid()),
		Local: netip.MustParseAddrPort(c.LocalAddr().String()), Remote: netip.MustParseAddrPort(c.RemoteAddr().String()),
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return t, err
	}
	controlled := raw.Control(func(fd uintptr) {
		t.Socket, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	})
	return t, errors.Join(controlled, err)
}
