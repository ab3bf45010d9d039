// SPDX-License-Identifier: Apache-2.0

package container

import (
	"strings"
	"testing"
)

var (
	idA = strings.Repeat("a1", 32)
	idB = strings.Repeat("b2", 32)
)

const (
	uid     = "0f3d6a1e-93b1-4c0a-8a2b-5d7c1f0e9a44"
	uidUnit = "0f3d6a1e_93b1_4c0a_8a2b_5d7c1f0e9a44"
)

// The forms are those that runc's and crun's drivers make of what the kubelet,
// containerd, CRI-O, Docker, podman and kind ask for.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, path, id, podUID string }{
		{"host", "/", "", ""},
		{"a service", "/system.slice/kamailio.service", "", ""},
		{"containerd, systemd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidUnit + ".slice/cri-containerd-" + idA + ".scope", idA, uid},
		{"guaranteed", "/kubepods.slice/kubepods-pod" + uidUnit + ".slice/cri-containerd-" + idA + ".scope", idA, uid},
		{"containerd, cgroupfs", "/kubepods/besteffort/pod" + uid + "/" + idA, idA, uid},
		{"static pod", "/kubepods/burstable/pod" + strings.ReplaceAll(uid, "-", "") + "/" + idA, idA, strings.ReplaceAll(uid, "-", "")},
		{"drivers that differ", "/system.slice/containerd.service/kubepods-burstable-pod" + uidUnit + ".slice:cri-containerd:" + idA, idA, uid},
		{"CRI-O", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidUnit + ".slice/crio-" + idA + ".scope", idA, uid},
		{"CRI-O's container cgroup", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidUnit + ".slice/crio-" + idA + ".scope/container", idA, uid},
		{"CRI-O's monitor", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidUnit + ".slice/crio-conmon-" + idA + ".scope", "", ""},
		{"kind", "/system.slice/docker-" + idB + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uidUnit + ".slice/cri-containerd-" + idA + ".scope", idA, uid},
		{"kind, its node", "/system.slice/docker-" + idB + ".scope/init.scope", idB, ""},
		{"Docker in a pod", "/kubepods/pod" + uid + "/" + idB + "/docker/" + idA, idA, ""},
		{"docker, systemd", "/system.slice/docker-" + idA + ".scope", idA, ""},
		{"docker, cgroupfs", "/docker/" + idA, idA, ""},
		{"podman, cgroupfs", "/libpod_parent/libpod-" + idA, idA, ""},
		{"podman, systemd", "/machine.slice/libpod-" + idA + ".scope/container", idA, ""},
		{"podman, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope/container", idA, ""},
		{"podman's monitor", "/machine.slice/libpod-conmon-" + idA + ".scope", "", ""},
		{"from a namespace beside", "/../../kubepods-pod" + uidUnit + ".slice/cri-containerd-" + idA + ".scope", idA, uid},
		{"too short an id", "/docker/" + idA[1:], "", ""},
		{"too long an id", "/docker/a" + idA, "", ""},
		{"a pod without a container", "/kubepods/burstable/pod" + uid, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(tt.path); got != (place{tt.id, tt.podUID}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestParseProc(t *testing.T) {
	for _, tt := range []struct{ name, text, id, podUID string }{
		{"version 2", "0::/docker/" + idA + "\n", idA, ""},
		{"hybrid, known to version 1", "5:memory:/kubepods/pod" + uid + "/" + idA + "\n1:name=systemd:/kubepods/pod" + uid + "/" + idA + "\n0::/system.slice/containerd.service\n", idA, uid},
		{"hybrid, two controllers in one", "4:cpu,cpuacct:/docker/" + idA + "\n0::/\n", idA, ""},
		{"host", "4:cpu,cpuacct:/\n0::/init.scope\n", "", ""},
		{"nonsense", "\n:::\nx\n1:2\n", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseProc(tt.text); got != (place{tt.id, tt.podUID}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/kubepods/pod" + uid + "/" + idA)
	f.Fuzz(func(t *testing.T, path string) {
		p := parse(path)
		if p.id != "" && (len(p.id) != 64 || !strings.Contains(path, p.id)) || p.id == "" && p.podUID != "" {
			t.Errorf("%q: %+v", path, p)
		}
	})
}
