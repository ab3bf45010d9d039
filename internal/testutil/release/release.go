// SPDX-License-Identifier: Apache-2.0

// Package release runs programs in the root of another Debian release, so that
// tests meet the libraries that others have. What it needs, scripts/releases.sh
// fetches once.
package release

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Release is a root directory with some packages of a Debian release and all
// that they depend on. No maintainer script has run in it, and nothing is mounted.
type Release struct {
	Root string
}

// Fetch returns the root with these packages. It needs the archive if it is the
// first to ask for them on this machine.
func Fetch(t testing.TB, suite string, packages ...string) Release {
	t.Helper()
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the repository: %v", err)
	}
	script := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "scripts", "releases.sh")
	var said bytes.Buffer
	cmd := exec.Command(script, append([]string{suite}, packages...)...)
	cmd.Stderr = &said
	root, err := cmd.Output()
	if err != nil {
		t.Fatalf("fetch %s of Debian %s: %v\n%s", strings.Join(packages, ", "), suite, err, &said)
	}
	return Release{strings.TrimSpace(string(root))}
}

// Dir returns a new directory in the root for what the test builds and writes,
// which ends with it.
func (r Release) Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(r.Root, "tmp"), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Contained runs a program as containers do: the root is that of a mount
// namespace of its own. The program and files that are named in its arguments
// may be given as they are called here or there.
func (r Release) Contained(program string, args ...string) *exec.Cmd {
	const enter = `mount --bind "$1" "$1"; cd "$1"; pivot_root . run; shift; exec "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-euc", enter, "sh", r.Root}, r.inside(program, args)...)...)
}

// Layered is [Release.Contained] on an overlay, as the images of containers are
// mounted: what the process maps is a file of a layer. The layer above, with some
// libraries that were written to there, is in memory.
func (r Release) Layered(program string, args ...string) *exec.Cmd {
	const enter = `over="$1/run"; mount -t tmpfs tmpfs "$over"; cd "$over"; mkdir upper work all
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$over/upper,workdir=$over/work" all
		cd all; touch usr/lib/*/libcrypto.so.*; pivot_root . run; shift; exec "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-euc", enter, "sh", r.Root}, r.inside(program, args)...)...)
}

// Chrooted is [Release.Contained] in the mount namespace of this process: here
// the program's files have longer paths than it knows itself.
func (r Release) Chrooted(program string, args ...string) *exec.Cmd {
	return exec.Command("chroot", append([]string{r.Root}, r.inside(program, args)...)...)
}

// Provided is [Release.Chrooted] for servers, in a mount namespace with /dev, this
// host's /tmp and, if it is the first of a pid namespace, that one's /proc. Files
// below /tmp have the same names here and there.
func (r Release) Provided(program string, args ...string) *exec.Cmd {
	const enter = `mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount --rbind /tmp "$1/tmp"; exec chroot "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-euc", enter, "sh", r.Root, program}, args...)...)
}

func (r Release) inside(program string, args []string) []string {
	all := append([]string{program}, args...)
	for i, a := range all {
		all[i] = strings.TrimPrefix(a, r.Root)
	}
	return all
}
