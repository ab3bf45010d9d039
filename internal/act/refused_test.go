// SPDX-License-Identifier: Apache-2.0

package act

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// refusal is what a host does not let viaduct do.
type refusal struct {
	name    string
	call    uint32        // that seccomp refuses
	err     syscall.Errno // with this
	rightly bool          // instead: there is no CAP_SYS_PTRACE
	fine    int           // how much of what is tried is there all the same
}

var refusals = []refusal{
	{name: "seccomp refuses pidfd_getfd", call: unix.SYS_PIDFD_GETFD, err: unix.EPERM},
	{name: "seccomp knows no pidfd_getfd", call: unix.SYS_PIDFD_GETFD, err: unix.ENOSYS},
	{name: "seccomp refuses pidfd_open", call: unix.SYS_PIDFD_OPEN, err: unix.EPERM},
	{name: "seccomp refuses userfaultfd", call: unix.SYS_USERFAULTFD, err: unix.EPERM, fine: 6},
	{name: "no CAP_SYS_PTRACE", rightly: true},
}

// refusedVariable says which refusal a program is to suffer, and which socket it
// is to try to keep alive.
const refusedVariable = "VIADUCT_ACT_REFUSED"

// TestRefused: whatever the host forbids becomes one sentence that says what, on
// what, and what to do about it, from the action and from the doctor.
func TestRefused(t *testing.T) {
	testutil.RequireRoot(t)
	h := newHolder(t, syscall.SysProcAttr{})
	for i, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			cmd := newPart("refused")
			cmd.Env = append(cmd.Env, fmt.Sprint(refusedVariable, "=", i, " ", h.target.Socket, " ", h.target.PID, " ", h.target.Local, " ", h.target.Remote))
			attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if r.rightly {
				attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
				attr.AmbientCaps = []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}
			}
			cmd.SysProcAttr = attr
			said, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			lines := strings.Split(strings.TrimSpace(string(said)), "\n")
			want := r.fine
			if _, err := os.Stat("/dev/userfaultfd"); err != nil && r.call == unix.SYS_USERFAULTFD {
				want = 2 // what needs no write: protecting and closing
			}
			if n := strings.Count(string(said), "fine: "); len(lines) != 6 || n != want {
				t.Errorf("%d of %d lines are fine, want %d of 6:\n%s", n, len(lines), want, said)
			}
			for _, line := range lines {
				what, sentence, _ := strings.Cut(line, ": ")
				if what == "fine" {
					continue
				}
				if !strings.HasPrefix(what, "failed") && !strings.HasPrefix(what, "missing") && !strings.HasPrefix(what, "degraded") {
					t.Errorf("%q, want that it failed", line)
				}
				for _, want := range []string{"CAP_SYS_PTRACE", "seccomp"} {
					if !strings.Contains(sentence, want) {
						t.Errorf("%q says nothing of %s", line, want)
					}
				}
			}
		})
	}
}

// beRefused tries what needs a duplicate.
func beRefused() error {
	var i int
	var local, remote string
	var target Target
	if _, err := fmt.Sscan(os.Getenv(refusedVariable), &i, &target.Socket, &target.PID, &local, &remote); err != nil {
		return err
	}
	target.Local, target.Remote = netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	if r := refusals[i]; !r.rightly {
		if err := refuse(r.call, r.err); err != nil {
			return fmt.Errorf("install a seccomp filter: %w", err)
		}
	}
	h, err := New(nil)
	if err != nil {
		return err
	}
	defer h.Release()
	tell := func(out Outcome) {
		if out.Result == Done || out.Result == Skipped {
			fmt.Println("fine:", out)
			return
		}
		fmt.Println(out)
	}
	tell(h.Ping(target, 0, fine))
	tell(h.Binding(target, message(1, [12]byte{}, nil), false))
	elsewhere := target
	elsewhere.NetNS = h.netns + 1 // as for a container's: by duplicate
	tell(h.Protect([]Protection{{elsewhere, Options{KeepaliveIdle: time.Minute}}})[0])
	for _, f := range Diagnose() {
		switch f.Name {
		case "close-gently", "keepalive-crlf", "keepalive-stun":
			if f.State == "there" {
				fmt.Println("fine:", f.Name)
				continue
			}
			fmt.Printf("%v %s: %s; %s\n", f.State, f.Name, f.Why, f.Do)
		}
	}
	return nil
}

// refuse has a system call fail in this process from now on.
func refuse(call uint32, err syscall.Errno) error {
	const number = 0 // offset in a struct seccomp_data
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(err)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}
