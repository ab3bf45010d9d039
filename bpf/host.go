// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrUnsupported marks errors that mean: viaduct cannot run on this host, or
// with these privileges. The text says what is missing and what to do.
var ErrUnsupported = errors.New("cannot run here")

type unsupported string

func (u unsupported) Error() string        { return string(u) }
func (u unsupported) Is(target error) bool { return target == ErrUnsupported }

// Preflight returns one sentence about the first thing that is missing of what
// no part of viaduct can do without and that shows before a program is loaded:
// BTF, capabilities, cgroup v2. The kernel's age is not asked for: distributions
// port features back, so whether the programs load decides.
func Preflight() error {
	for _, check := range []func() error{checkBTF, checkCapabilities, checkCgroup} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkCgroup() error {
	_, err := cgroupRoot()
	return err
}

const btfPath = "/sys/kernel/btf/vmlinux"

func checkBTF() error {
	f, err := os.Open(btfPath)
	if err != nil {
		return unsupported(fmt.Sprintf("no kernel type information: %v; viaduct needs a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted", err))
	}
	return f.Close()
}

// cgroupRoot returns where the cgroup v2 hierarchy is mounted, as much of it as
// there is: on hybrid hosts that is not /sys/fs/cgroup, and in a container it is
// a mount of the host's.
func cgroupRoot() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", unsupported(fmt.Sprintf("cannot look for cgroup v2: %v; mount /proc", err))
	}
	defer f.Close()
	if root := findCgroup2(f); root != "" {
		return root, nil
	}
	return "", unsupported("no cgroup v2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup/unified")
}

// findCgroup2 reads proc_pid_mountinfo(5): id, parent, device, root, mount
// point, options, optional fields, "-", type.
func findCgroup2(mountinfo io.Reader) string {
	found, best := "", -1
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		if height := aboveOwn(fields[3]); height > best {
			found, best = unescapeMount(fields[4]), height
		}
	}
	return found
}

// aboveOwn says how far above the root of this process's cgroup namespace a
// mount begins, which is shown as /../..; 1 is that root itself, 0 below it.
func aboveOwn(root string) int {
	height := 1
	for part := range strings.SplitSeq(strings.Trim(root, "/"), "/") {
		switch part {
		case "":
		case "..":
			height++
		default:
			return 0
		}
	}
	return height
}

// wholeHost says whether a cgroup2 mount begins at the root of the hierarchy,
// whose id is always 1.
func wholeHost(cgroup string) bool {
	var stat unix.Stat_t
	return unix.Stat(cgroup, &stat) == nil && stat.Ino == 1
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescapeMount(s string) string { return mountEscapes.Replace(s) }

// Release returns the kernel's release string, or "unknown".
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Floor is the oldest kernel that viaduct is meant for.
const (
	floorMajor = 5
	floorMinor = 15
)

// belowFloor says whether a release string names an older kernel. One that it
// cannot read is not older.
func belowFloor(release string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major < floorMajor || major == floorMajor && minor < floorMinor
}

// explainLoad replaces the errors that have a known cause by what to do.
func explainLoad(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case belowFloor(Release()):
		return unsupported(fmt.Sprintf("kernel %s is older than %d.%d, the oldest that viaduct runs on; upgrade the kernel", Release(), floorMajor, floorMinor))
	case errors.As(err, &verifier):
		return unsupported(fmt.Sprintf("kernel %s refuses a program: %v; run viaduct doctor for what it lacks", Release(), verifier))
	case errors.Is(err, unix.EPERM):
		return unsupported(fmt.Sprintf("%v: the kernel does not let this process use BPF; run as root or with %s, and see that no seccomp profile or lockdown=confidentiality is in the way", err, strings.Join(needed(), ", ")))
	}
	return err
}

func bootNow() time.Duration {
	var boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	return time.Duration(boot.Nano())
}
