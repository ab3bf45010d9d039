// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File is one file of an initramfs: a directory if Source is empty.
type File struct {
	Path   string // inside, without a leading slash; directories come before what they hold
	Source string // on this host
}

// WriteInitramfs writes files as a cpio archive in the newc format, which is
// the one the kernel unpacks. Every file belongs to root and is executable.
func WriteInitramfs(w io.Writer, files []File) error {
	a := &archive{w: bufio.NewWriter(w)}
	for _, f := range files {
		if err := a.add(f); err != nil {
			return fmt.Errorf("add %s to initramfs: %w", f.Path, err)
		}
	}
	a.header("TRAILER!!!", 0, 0)
	if a.err == nil {
		a.err = a.w.Flush()
	}
	return a.err
}

type archive struct {
	w     *bufio.Writer
	inode int
	size  int64 // bytes written, for the padding to four
	err   error
}

const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (a *archive) add(f File) error {
	if f.Source == "" {
		a.header(f.Path, modeDir, 0)
		return a.err
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w: not a regular file", f.Source, fs.ErrInvalid)
	}
	a.header(f.Path, modeFile, info.Size())
	if a.err != nil {
		return a.err
	}
	// Exactly the size that the header promised, or the archive is torn.
	n, err := io.CopyN(a.w, src, info.Size())
	a.size += n
	if err != nil {
		return err
	}
	a.pad()
	return a.err
}

// header writes one newc header: the magic, then thirteen
// fields of eight hexadecimal digits, then the name with its final zero.
func (a *archive) header(name string, mode int, size int64) {
	a.inode++
	links, mtime, dev := 1, 0, 0
	a.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.inode, mode, 0, 0, links, mtime, size, dev, dev, dev, dev, len(name)+1, 0, name)
	a.pad()
}

func (a *archive) pad() {
	if n := -a.size & 3; n > 0 {
		a.printf("%s", "\x00\x00\x00"[:n])
	}
}

func (a *archive) printf(format string, args ...any) {
	if a.err != nil {
		return
	}
	var n int
	n, a.err = fmt.Fprintf(a.w, format, args...)
	a.size += int64(n)
}
