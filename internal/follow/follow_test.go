// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/gofunc"
)

func TestMappings(t *testing.T) {
	const maps = `55a0-55b0 r--p 00000000 fe:00 11 /usr/sbin/server
55b0-55c0 r-xp 00001000 fe:00 11 /usr/sbin/server
7f00-7f10 r--p 00000000 fe:00 22 /usr/lib/libssl.so.3
7f10-7f20 r-xp 00010000 fe:00 22 /usr/lib/libssl.so.3
7f20-7f30 r-xp 00020000 fe:00 22 /usr/lib/libssl.so.3
7f40-7f50 r-xp 00000000 fe:00 33 /usr/lib/libcrypto.so.1.1 (deleted)
7f60-7f70 rw-s 00000000 00:01 44 /dev/zero (deleted)
7ffe-7fff r-xp 00000000 00:00 0 [vdso]
nonsense
`
	want := []mapping{
		{"55b0-55c0", 0x1000, 11, "/usr/sbin/server"},
		{"7f10-7f20", 0x10000, 22, "/usr/lib/libssl.so.3"},
		{"7f40-7f50", 0, 33, "/usr/lib/libcrypto.so.1.1"},
	}
	if got := mappings([]byte(maps)); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	for address, want := range map[uint64]code{
		0x55b4: {11, "/usr/sbin/server", 0x1004},
		0x7f28: {22, "/usr/lib/libssl.so.3", 0x20008}, // its second part
		0x55a4: {},                                    // not to be executed
		0x7ffe: {},                                    // no file
	} {
		if got, ok := codeAt([]byte(maps), address); got != want || ok != (want != code{}) {
			t.Errorf("%#x: %v %v, want %v", address, got, ok, want)
		}
	}
}

// A library that was replaced on disk is opened as the file that is mapped.
func TestReplacedLibrary(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "root", "libssl.so.3")
	if err := os.MkdirAll(filepath.Join(dir, "7", "root", filepath.Dir(library)), 0o700); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(dir, "7", "root", library)
	if err := os.WriteFile(inside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(inside, &stat); err != nil {
		t.Fatal(err)
	}
	m := mapping{span: "7f10-7f20", inode: stat.Ino, path: library}
	if got := open(dir, 7, m); got != inside {
		t.Errorf("as it is: %s", got)
	}
	m.inode++
	if got, want := open(dir, 7, m), dir+"/7/map_files/7f10-7f20"; got != want {
		t.Errorf("replaced: %s, want %s", got, want)
	}
}

func TestWhyOpaque(t *testing.T) {
	// This test is written in Go: its TLS, if any, is in itself.
	files, why, err := libraries(proc, os.Getpid())
	if err != nil || files != nil || why != "" {
		t.Errorf("%v, %q, %v", files, why, err)
	}
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	until(t, func() bool {
		_, why, err = libraries(proc, sleep.Process.Pid)
		return strings.Contains(why, "no TLS library")
	})
	if _, _, err := libraries(proc, 1<<30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
}

func until(t *testing.T, check func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !check(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// A shell is the server; its subshells are its workers, and other programs that
// it starts are not.
func TestFamily(t *testing.T) {
	server := exec.Command("sh", "-c", "exec 3<&0; (read x <&3; :) & (read x <&3; :) & sleep 60 & echo $!; wait")
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var sleep int
	if _, err := fmt.Fscan(out, &sleep); err != nil {
		t.Fatal(err)
	}
	defer func() {
		unix.Kill(sleep, unix.SIGKILL)
		in.Close()
		server.Process.Kill()
		server.Wait()
	}()
	until(t, func() bool {
		p, ok := programOf(proc, sleep)
		q, _ := programOf(proc, server.Process.Pid)
		return ok && p != q // it has come to run sleep
	})
	all := family(proc, server.Process.Pid)
	if len(all) != 3 || all[0] != server.Process.Pid || slices.Contains(all, sleep) {
		t.Fatalf("%v of %d, without %d", all, server.Process.Pid, sleep)
	}
	if of := family(proc, all[2]); !slices.Equal(of, all) {
		t.Errorf("the family of a worker: %v, want %v", of, all)
	}
	if got := family(proc, 1<<30); got != nil {
		t.Errorf("of a process that is not there: %v", got)
	}
}

// prober notes what it is asked for.
type prober struct {
	mu   sync.Mutex
	err  error
	done []string
	when func(pid int) // what happens just before a process is followed
}

func (p *prober) Follow(pid int, libraries []string) error {
	if p.when != nil {
		p.when(pid)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, fmt.Sprintf("follow %d", pid))
	return p.err
}

// FollowGo finds nothing in Go programs, such as this test.
func (p *prober) FollowGo(pid int, program string) error {
	return fmt.Errorf("look at %s: %w", program, gofunc.ErrAbsent)
}

func (p *prober) FollowMover(pid int, file string, offset uint64, shape uint8) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, fmt.Sprintf("mover %d %s %d", pid, filepath.Base(file), shape))
	return p.err
}

func (p *prober) Unfollow(pid int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, fmt.Sprintf("unfollow %d", pid))
	return nil
}

// client starts a program that has OpenSSL loaded, and waits for its input.
func client(t *testing.T) int {
	t.Helper()
	c := exec.Command("openssl")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Args = []string{"openssl", "enc", "-base64"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Process.Kill(); c.Wait() })
	until(t, func() bool { files, _, _ := libraries(proc, c.Process.Pid); return len(files) >= 2 })
	return c.Process.Pid
}

func TestFollower(t *testing.T) {
	var told sync.Map
	p := new(prober)
	var f *Follower
	f = New(p, Told{
		Followed: func(pid uint32) {
			if f.Followed(pid) {
				t.Errorf("process %d is followed before it was told of", pid)
			}
			told.Store(pid, true)
		},
		Unfollowed: func(pid uint32) { told.Delete(pid) },
	})
	defer f.Close()
	pid := client(t)
	f.Want(uint32(pid))
	f.Want(uint32(os.Getpid()))
	until(t, func() bool { followed, opaque := f.Count(); return followed == 1 && opaque == 1 })
	if _, ok := told.Load(uint32(pid)); !ok || !f.Followed(uint32(pid)) || f.Why(uint32(pid)) != "" {
		t.Errorf("followed: %v, %v, %q", ok, f.Followed(uint32(pid)), f.Why(uint32(pid)))
	}
	if why := f.Why(uint32(os.Getpid())); !strings.Contains(why, "a Go program without crypto/tls") || f.Followed(uint32(os.Getpid())) {
		t.Errorf("this process: %q", why)
	}
	if process, _ := os.FindProcess(pid); process.Kill() != nil {
		t.Fatal("it cannot be ended")
	}
	until(t, func() bool {
		f.Sweep()
		_, ok := told.Load(uint32(pid))
		return !ok
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if want := []string{fmt.Sprintf("follow %d", pid), fmt.Sprintf("unfollow %d", pid)}; !slices.Equal(p.done, want) {
		t.Errorf("%v, want %v", p.done, want)
	}
}

// A process that was looked at as one of a family before it ran what it runs now
// is looked at again as soon as it holds a socket itself, but once.
func TestLookedAtTooEarly(t *testing.T) {
	c := exec.Command("sh", "-c", "read x; exec openssl enc -base64")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Process.Kill(); c.Wait() })
	pid := c.Process.Pid
	until(t, func() bool { _, why, _ := libraries(proc, pid); return strings.Contains(why, "no TLS library") })
	p := new(prober)
	f := &Follower{prober: p, told: Told{Followed: func(uint32) {}}, state: make(map[int]*process)}
	f.try(pid, time.Now())
	if why := f.Why(uint32(pid)); !strings.Contains(why, "no TLS library") {
		t.Fatalf("as a shell: %q", why)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { files, _, _ := libraries(proc, pid); return len(files) >= 2 })
	p.err = errors.New("not this time")
	for range 3 {
		f.want(pid)
	}
	if f.Followed(uint32(pid)) || len(p.done) != 1 {
		t.Errorf("within a second: %q", p.done)
	}
	p.err = nil
	f.state[pid].tried = time.Now().Add(-retryAfter)
	if f.want(pid); !f.Followed(uint32(pid)) {
		t.Errorf("after a second: %q", f.Why(uint32(pid)))
	}
}

// A process that has the pid of one that has ended is another one, whatever it runs.
func TestSamePID(t *testing.T) {
	pid := client(t)
	p := new(prober)
	f := &Follower{prober: p, told: Told{Followed: func(uint32) {}, Unfollowed: func(uint32) {}}, state: make(map[int]*process)}
	f.want(pid)
	if f.sweep(); !f.Followed(uint32(pid)) {
		t.Fatal("it is not followed any more")
	}
	f.state[pid].started = "1"
	f.sweep()
	f.want(pid)
	if want := []string{fmt.Sprintf("follow %d", pid), fmt.Sprintf("unfollow %d", pid), fmt.Sprintf("follow %d", pid)}; !slices.Equal(p.done, want) {
		t.Errorf("%v, want %v", p.done, want)
	}
}

// A process that was followed and runs something else since is looked at again when
// it is seen with a socket, not when everything is.
func TestRunsAnother(t *testing.T) {
	pid := client(t)
	p := new(prober)
	f := &Follower{prober: p, told: Told{Followed: func(uint32) {}, Unfollowed: func(uint32) {}}, state: make(map[int]*process)}
	f.want(pid)
	f.state[pid].runs = program{}
	f.state[pid].wanted = time.Now().Add(-2 * time.Second)
	f.want(pid)
	if want := []string{fmt.Sprintf("follow %d", pid), fmt.Sprintf("unfollow %d", pid), fmt.Sprintf("follow %d", pid)}; !slices.Equal(p.done, want) {
		t.Errorf("%v, want %v", p.done, want)
	}
}

func TestNoPrivilege(t *testing.T) {
	f := New(&prober{err: fmt.Errorf("attach: %w", unix.EPERM)}, Told{Followed: func(uint32) { t.Error("followed") }})
	pid := client(t)
	f.Want(uint32(pid))
	until(t, func() bool { return strings.HasPrefix(f.Why(uint32(pid)), "no privilege") })
	f.Close()
	f.Want(uint32(pid)) // after the end: nothing
}
