// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// user takes what does not begin with "bad".
type user struct {
	mu  sync.Mutex
	now string
}

func (u *user) use(text []byte) error {
	if bytes.HasPrefix(text, []byte("bad")) {
		return errors.New("it is bad")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now = string(text)
	return nil
}

func (u *user) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 10 s: %s", what)
		}
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func watched(t *testing.T, path string) (*File, *user, *lines) {
	t.Helper()
	var u user
	var l lines
	f, err := Open(path, slog.New(slog.NewTextHandler(&l, nil)), u.use)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Watch(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f, &u, &l
}

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, "one")
	f, u, log := watched(t, path)
	if u.text() != "one" {
		t.Fatal(u.text())
	}
	// The watch may not have begun yet: write until it has.
	until(t, "written in place", func() bool { write(t, path, "two"); return u.text() == "two" })

	write(t, filepath.Join(dir, "new"), "three")
	if err := os.Rename(filepath.Join(dir, "new"), path); err != nil {
		t.Fatal(err)
	}
	until(t, "another file in its place", func() bool { return u.text() == "three" })

	write(t, path, "bad")
	until(t, "refused", func() bool { return f.Stats().Failed == 1 })
	if u.text() != "three" || !strings.Contains(log.String(), "the old one stays in force") {
		t.Errorf("in force: %s; log:\n%s", u.text(), log)
	}
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), "it is bad") {
		t.Errorf("reload of a bad file: %v", err)
	}
	write(t, path, "four")
	until(t, "good again", func() bool { return u.text() == "four" })

	before := f.Stats().Succeeded
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "SIGHUP", func() bool { return f.Stats().Succeeded > before })
}

// TestConfigMap: kubelet mounts a directory of links by way of ..data, which it
// swaps.
func TestConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "policy.yaml"), text)
		if err := errors.Join(os.Symlink(name, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", "one")
	path := filepath.Join(dir, "policy.yaml")
	if err := os.Symlink("..data/policy.yaml", path); err != nil {
		t.Fatal(err)
	}
	_, u, _ := watched(t, path)
	version("..v2", "two")
	n := 2
	until(t, "swapped", func() bool {
		if u.text() == "one" && n < 100 { // until the watch has begun
			n++
			version("..v"+string(rune('0'+n)), "two")
		}
		return u.text() == "two"
	})
}

func TestOpen(t *testing.T) {
	var u user
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if _, err := Open(path, slog.Default(), u.use); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(t, path, "bad")
	if _, err := Open(path, slog.Default(), u.use); err == nil || err.Error() != "it is bad" {
		t.Errorf("bad file: %v", err)
	}
}
