// SPDX-License-Identifier: Apache-2.0

// Package export hands on what the agent learns: records of connections,
// findings and actions as JSON lines in a file, and SIP messages to a HEP
// collector. Neither holds the agent up: what cannot be had in time is dropped
// and counted.
package export

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// file is appended to, by name: when something else moves it away or removes it,
// as logrotate does, it is made anew. It needs no signal.
type file struct {
	name string
	f    *os.File
}

// Standard is the name that stands for standard output.
const Standard = "-"

func open(name string) (*file, error) {
	w := &file{name: name}
	if name == Standard {
		w.f = os.Stdout
		return w, nil
	}
	return w, w.reopen()
}

func (w *file) reopen() (err error) {
	f, err := os.OpenFile(w.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("open the file to export to: %w", err)
	}
	if w.f != nil {
		err = w.f.Close()
	}
	w.f = f
	return err
}

// Write appends b to whatever file has the name now.
func (w *file) Write(b []byte) (int, error) {
	if w.moved() {
		if err := w.reopen(); err != nil {
			return 0, err
		}
	}
	n, err := w.f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (w *file) moved() bool {
	if w.name == Standard {
		return false
	}
	there, err := os.Stat(w.name)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	mine, own := w.f.Stat()
	return err == nil && own == nil && !os.SameFile(there, mine)
}

func (w *file) Close() error {
	if w.name == Standard {
		return nil
	}
	return w.f.Close()
}
