// SPDX-License-Identifier: Apache-2.0

// Package reload keeps a configuration file in force: it reads the file again
// when it changes, when it is told to, and at SIGHUP. A file that is not right
// leaves the old one in force.
package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long after a change the file is read: editors and kubelets
// change several things in a row.
const settle = 200 * time.Millisecond

// File is one that is watched.
type File struct {
	path string
	use  func([]byte) error
	log  *slog.Logger

	mu    sync.Mutex // guards what follows, and one reading at a time
	last  []byte     // in force
	stats Stats
}

// Stats are for metrics.
type Stats struct {
	Succeeded uint64
	Failed    uint64
	Loaded    time.Time // of what is in force
}

// Open reads the file for the first time: use must take it, or say why not. It
// is called again whenever the file is another one.
func Open(path string, log *slog.Logger, use func([]byte) error) (*File, error) {
	f := &File{path: path, use: use, log: log}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := use(text); err != nil {
		return nil, err
	}
	f.last, f.stats.Loaded = text, time.Now()
	return f, nil
}

// Stats of the reloads so far.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Reload reads the file again, even if nothing seems to have changed.
func (f *File) Reload() error { return f.load("asked for", true) }

func (f *File) load(why string, always bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := os.ReadFile(f.path)
	if err == nil && !always && bytes.Equal(text, f.last) {
		return nil
	}
	if err == nil {
		err = f.use(text)
	}
	if err != nil {
		f.stats.Failed++
		f.log.Error("The file is not used, the old one stays in force", "file", f.path, "reload", why, "err", err)
		return fmt.Errorf("reload %s: the old one stays in force: %w", f.path, err)
	}
	f.last, f.stats.Loaded = text, time.Now()
	f.stats.Succeeded++
	f.log.Info("Reloaded", "file", f.path, "reload", why)
	return nil
}

// Watch reads the file again at each change and at SIGHUP until ctx is done.
// It watches the directory: a mounted ConfigMap changes by a symbolic link that
// is swapped, and many editors write a new file in place of the old.
func (f *File) Watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", f.path, err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("watch the directory of %s: %w", f.path, err)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var changed <-chan time.Time // nil if nothing has
	for {
		// load logs what is wrong; the old file is in force then.
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			_ = f.load("SIGHUP", true)
		case <-changed:
			changed = nil
			_ = f.load("the file changed", false)
		case _, open := <-watcher.Events:
			if !open {
				return errors.New("watch " + f.path + ": the watcher has ended")
			}
			if changed == nil {
				changed = time.After(settle)
			}
		case err := <-watcher.Errors:
			f.log.Warn("A change of the file may be missed", "file", f.path, "err", err)
		}
	}
}
