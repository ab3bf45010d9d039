// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestFindCgroup2(t *testing.T) {
	const v1 = "30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
	for _, test := range []struct{ name, mountinfo, want string }{
		{"unified", "29 22 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"},
		{"hybrid", v1 + "31 29 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"},
		{"version 1 only", v1, ""},
		{"nothing", "", ""},
		{"a blank in the path", `29 22 0:25 / /mnt/c\040g rw - cgroup2 none rw` + "\n", "/mnt/c g"},
		{
			"the hierarchy's root before a part of it",
			"40 22 0:25 /kubepods /part rw - cgroup2 cgroup2 rw\n41 22 0:25 / /whole rw - cgroup2 cgroup2 rw\n", "/whole",
		},
		{"only a part of it", "40 22 0:25 /kubepods /part rw - cgroup2 cgroup2 rw\n", "/part"},
		{
			"the host's, mounted into a container beside its own",
			"40 22 0:25 / /sys/fs/cgroup ro - cgroup2 cgroup ro\n41 22 0:25 /../../../.. /host/cgroup ro - cgroup2 cgroup rw\n", "/host/cgroup",
		},
		{
			"a neighbour's, mounted into a container",
			"40 22 0:25 /../other /part ro - cgroup2 cgroup ro\n41 22 0:25 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup",
		},
		{"short lines", "cgroup2\n1 2 - cgroup2 x\n", ""},
	} {
		if got := findCgroup2(strings.NewReader(test.mountinfo)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestBelowFloor(t *testing.T) {
	for release, want := range map[string]bool{
		"5.10.0-32-cloud-amd64": true, "4.18.0-553.el8": true, "5.14.0-570.el9": true,
		"5.15.0": false, "6.1.0-50-amd64": false, "6.18.44": false, "10.0.0": false, "unknown": false,
	} {
		if got := belowFloor(release); got != want {
			t.Errorf("%s: %v, want %v", release, got, want)
		}
	}
}

func TestHas(t *testing.T) {
	bit := func(bits ...int) (set uint64) {
		for _, b := range bits {
			set |= 1 << b
		}
		return set
	}
	for _, test := range []struct {
		name string
		set  uint64
		ask  int
		want bool
	}{
		{"itself", bit(unix.CAP_BPF), unix.CAP_BPF, true},
		{"another", bit(unix.CAP_BPF), unix.CAP_PERFMON, false},
		{"CAP_SYS_ADMIN stands for CAP_BPF", bit(unix.CAP_SYS_ADMIN), unix.CAP_BPF, true},
		{"CAP_SYS_ADMIN stands for CAP_PERFMON", bit(unix.CAP_SYS_ADMIN), unix.CAP_PERFMON, true},
		{"but not for CAP_NET_ADMIN", bit(unix.CAP_SYS_ADMIN), unix.CAP_NET_ADMIN, false},
	} {
		if got := has(test.set, test.ask); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestExplainLoad(t *testing.T) {
	other := errors.New("disk on fire")
	if got := explainLoad(other); got != other {
		t.Errorf("%v became %v", other, got)
	}
	for _, err := range []error{unix.EPERM, &ebpf.VerifierError{Cause: unix.EACCES}} {
		got := explainLoad(err)
		if !errors.Is(got, ErrUnsupported) {
			t.Errorf("%v became %v, which is not ErrUnsupported", err, got)
		}
		if strings.Contains(got.Error(), "\n") {
			t.Errorf("%q is more than a sentence", got)
		}
	}
}
