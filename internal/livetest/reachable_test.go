// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// handsVariable makes the test binary close, or protect, the target in it, with
// whatever privileges it has.
const handsVariable = "VIADUCT_LIVETEST_HANDS"

type lent struct {
	Target        act.Target
	Hard, Protect bool
}

func lendHands() error {
	var job lent
	if err := json.Unmarshal([]byte(os.Getenv(handsVariable)), &job); err != nil {
		return err
	}
	h, err := act.New(nil)
	if err != nil {
		return err
	}
	defer h.Release()
	if job.Protect {
		fmt.Println(h.Protect([]act.Protection{{Target: job.Target, Options: act.Options{KeepaliveIdle: time.Minute}}})[0])
	} else {
		fmt.Println(h.Close(job.Target, job.Hard, agree))
	}
	return nil
}

// TestActWithLeastPrivilege: what the documented capabilities allow, and what
// is said where they do not.
func TestActWithLeastPrivilege(t *testing.T) {
	needed := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}
	reaching := append(needed[:3:3], unix.CAP_SYS_PTRACE)
	for _, tt := range []struct {
		name                     string
		caps                     []uintptr
		elsewhere, hard, protect bool
		want                     string
	}{
		{"gently", reaching, false, false, false, "^done by shutdown$"},
		{"gently elsewhere", reaching, true, false, false, "^done by shutdown$"},
		{"gently without CAP_SYS_PTRACE", needed, false, false, false, "^failed: .*CAP_SYS_PTRACE"},
		{"hard", needed, false, true, false, "^done by bpf_sock_destroy$"},
		{"hard elsewhere", reaching, true, true, false, "^failed: .*CAP_SYS_ADMIN"},
		{"hard elsewhere, allowed", append(reaching[:4:4], unix.CAP_SYS_ADMIN), true, true, false, "^done by bpf_sock_destroy$"},
		{"protect", needed, false, false, true, "^done by bpf_setsockopt$"},
		{"protect elsewhere", reaching, true, false, true, "^done by setsockopt$"},
		{"protect elsewhere without CAP_SYS_PTRACE", needed, true, false, true, "^failed: .*CAP_SYS_PTRACE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.RequireRoot(t)
			n, listener := (*namespace)(nil), (*net.TCPListener)(nil)
			if tt.elsewhere {
				l := newLink(t)
				n, listener = l.a, l.b.listen(t, at(l.b.v4, 5060))
			} else {
				listener = n.listen(t, netip.MustParseAddrPort("127.0.0.1:0"))
			}
			c := n.newClient(t, listener)
			said := asNobody(t, tt.caps, lent{c.target, tt.hard, tt.protect})
			if !regexp.MustCompile(tt.want).MatchString(said) {
				t.Errorf("said %q, want %s", said, tt.want)
			}
			if strings.HasPrefix(tt.want, "^failed") || tt.protect {
				c.lives()
			}
		})
	}
}

// asNobody runs the hands in a process of a user without rights.
func asNobody(t *testing.T, caps []uintptr, job lent) string {
	t.Helper()
	return run(t, job, &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: caps,
		Pdeathsig:   syscall.SIGKILL,
	})
}

// TestActFromAPidNamespace: who sees no process of the host cannot know that a
// socket is gone.
func TestActFromAPidNamespace(t *testing.T) {
	testutil.RequireRoot(t)
	listener := (*namespace)(nil).listen(t, netip.MustParseAddrPort("127.0.0.1:0"))
	c := (*namespace)(nil).newClient(t, listener)
	said := run(t, lent{Target: c.target}, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL})
	if !strings.HasPrefix(said, "failed: ") || !strings.Contains(said, "hostPID") {
		t.Errorf("said %q, want a failure that says what to do", said)
	}
	c.lives()
}

// run runs the hands in a process that is so.
func run(t *testing.T, job lent, attributes *syscall.SysProcAttr) string {
	t.Helper()
	// Not where the test binary is: nobody may not enter there.
	directory, err := os.MkdirTemp("/run", "viaduct-livetest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	binary := directory + "/hands"
	content, err := os.ReadFile(os.Args[0])
	if err := errors.Join(err, os.Chmod(directory, 0o755), os.WriteFile(binary, content, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), handsVariable+"="+text(job))
	cmd.SysProcAttr = attributes
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hands: %v\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out))
}
