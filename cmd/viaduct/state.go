// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/saved"
)

const (
	stateName = "state.json"
	bootFile  = "/proc/sys/kernel/random/boot_id"
	saveEvery = 10 * time.Second
)

// stateFile is what agents on this host leave for each other. A nil one keeps
// nothing.
type stateFile struct {
	path    string
	boot    string // socket cookies are unique until the host starts again
	log     *slog.Logger
	last    []byte // written last
	omitted int    // of which the log tells
	failing bool
}

// openState makes the directory; nil is returned if there is to be none.
func openState(dir string, log *slog.Logger) (*stateFile, error) {
	if dir == "" {
		return nil, nil
	}
	boot, err := os.ReadFile(bootFile)
	if err != nil {
		return nil, fmt.Errorf("--state-dir: read the boot id: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--state-dir: %w", err)
	}
	return &stateFile{path: filepath.Join(dir, stateName), boot: strings.TrimSpace(string(boot)), log: log}, nil
}

// earlier returns what an agent has left since the host was started, or nil.
// Nothing that is wrong with the file keeps an agent from starting.
func (f *stateFile) earlier() *saved.State {
	if f == nil {
		return nil
	}
	text, err := readState(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s *saved.State
	if err == nil {
		s, err = saved.Decode(text)
	}
	switch {
	case err != nil:
		f.log.Warn("Starting without what an earlier agent knew", "file", f.path, "err", err)
		return nil
	case s.Boot != f.boot:
		f.log.Info("What an earlier agent knew is of no use: the host was started again since", "file", f.path)
		return nil
	}
	f.log.Info("Taking up what an earlier agent knew", "file", f.path, "connections", len(s.Connections))
	return s
}

func readState(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, saved.MaxBytes+1))
	if err == nil && len(text) > saved.MaxBytes {
		err = fmt.Errorf("longer than %d bytes", saved.MaxBytes)
	}
	return text, err
}

// keep saves every few seconds until ctx is done; then it closes what it
// returns.
func (f *stateFile) keep(ctx context.Context, take func() *saved.State) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if f == nil {
			return
		}
		ticker := time.NewTicker(saveEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				f.told(f.save(take))
			}
		}
	}()
	return done
}

// told logs a failure, once until it is over.
func (f *stateFile) told(err error) {
	if err != nil && !f.failing {
		f.log.Warn("The next start will not know what was agreed", "err", err)
	}
	f.failing = err != nil
}

// save writes what take returns, if it is not what was written last.
func (f *stateFile) save(take func() *saved.State) error {
	if f == nil {
		return nil
	}
	s := take()
	s.Boot = f.boot
	if s.Omitted > 0 && f.omitted == 0 {
		f.log.Warn("There are more connections than are saved for the next start", "saved", len(s.Connections), "omitted", s.Omitted)
	}
	f.omitted = s.Omitted
	text, err := saved.Encode(s)
	if err != nil {
		return err
	}
	if bytes.Equal(text, f.last) {
		return nil
	}
	if err := replace(f.path, text); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	f.last = text
	return nil
}

// replace puts text in the place of a file, as a whole or not at all, even if
// the host fails.
func replace(path string, text []byte) (err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	next := path + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return dir.Sync()
}
