// SPDX-License-Identifier: Apache-2.0

// Package kernels runs a check inside other kernels than the one of this
// machine: it boots each under qemu, without KVM and without a disk, with a
// static Go binary as the first process, and reads what that binary found off
// the serial console.
//
// The program inside is package guest; Result is what the two sides agree on.
// scripts/kernels.sh fetches the kernels, and `make test-kernels` does it all.
// The test that boots has the build tag kernels, because it needs qemu, the
// kernels and minutes; with the tag, whatever is missing is a failure and
// never a skip.
package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Kernel is one kernel image that scripts/kernels.sh left in a directory.
type Kernel struct {
	Name    string // the directory's name
	Image   string // path of the bootable image
	Release string // what uname -r says once it runs
	Machine Machine
}

// Open finds the kernel called name under dir. Names that end in -arm64 are of
// that architecture, all others amd64.
func Open(dir, name string) (Kernel, error) {
	k := Kernel{Name: name, Image: filepath.Join(dir, name, "vmlinuz")}
	release, err := os.ReadFile(filepath.Join(dir, name, "release"))
	if err == nil {
		_, err = os.Stat(k.Image)
	}
	if err != nil {
		return Kernel{}, fmt.Errorf("open kernel %s: %w; run scripts/kernels.sh", name, err)
	}
	k.Release = strings.TrimSpace(string(release))
	var major int
	if _, err := fmt.Sscanf(k.Release, "%d.", &major); err != nil {
		return Kernel{}, fmt.Errorf("open kernel %s: release %q: %w", name, k.Release, err)
	}
	switch {
	case strings.HasSuffix(name, "-arm64"):
		k.Machine = ARM64
	case major < 7:
		k.Machine = AMD64WithoutCX16
	default:
		k.Machine = AMD64
	}
	return k, nil
}
