// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// cgroup makes a directory that stands for a cgroup, and returns its id.
func cgroup(t *testing.T, root, path string) uint64 {
	t.Helper()
	dir := filepath.Join(root, "cgroup", path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func resolver(t *testing.T, own string) (*Resolver, string) {
	root := t.TempDir()
	write(t, root, map[string]string{"proc/self/cgroup": own})
	return newAt(root, filepath.Join(root, "cgroup")), root
}

func TestOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, root := resolver(t, "0::/\n")
		service := cgroup(t, root, "system.slice/a.service")
		sip := cgroup(t, root, "kubepods/pod"+uid+"/"+idA)
		if r.Of(0, 7) != nil || r.Of(service, 7) != nil {
			t.Error("the host is no container")
		}
		first := r.Of(sip, 0)
		if first == nil || first.ID != idA || first.PodUID != uid || first.Name != "" {
			t.Fatalf("%+v", first)
		}
		write(t, root, map[string]string{"var/log/containers/proxy-0_voice_sip-" + idA + ".log": ""})
		if r.Of(sip, 0) != first {
			t.Error("looked up again at once")
		}
		time.Sleep(again)
		named := r.Of(sip, 0)
		if named.Name != "sip" || named.Pod != "proxy-0" || first.Name != "" {
			t.Errorf("%+v, before %+v", named, first)
		}
		// A cgroup that came later.
		late := cgroup(t, root, "docker/"+idB)
		if got := r.Of(late, 0); got == nil || got.ID != idB {
			t.Errorf("%+v", got)
		}
		// Once it is known it stays, also when it is gone.
		if err := os.RemoveAll(filepath.Join(root, "cgroup/kubepods")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if r.Of(sip, 0) != named {
			t.Error("forgotten")
		}
		if r.Of(1<<40, 0) != nil {
			t.Error("a cgroup that is not there")
		}
	})
}

// TestHybrid: the cgroup v2 hierarchy does not know the container.
func TestHybrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, root := resolver(t, "1:cpu:/\n0::/\n")
		shared := cgroup(t, root, "system.slice/containerd.service")
		write(t, root, map[string]string{
			"proc/10/cgroup": "1:cpu:/docker/" + idA + "\n0::/system.slice/containerd.service\n",
			"proc/11/cgroup": "1:cpu:/docker/" + idB + "\n0::/system.slice/containerd.service\n",
			"proc/12/cgroup": "1:cpu:/\n0::/system.slice/containerd.service\n",
		})
		a, b := r.Of(shared, 10), r.Of(shared, 11)
		if a == nil || b == nil || a.ID != idA || b.ID != idB || r.Of(shared, 12) != nil || r.Of(shared, 0) != nil || r.Of(shared, 13) != nil {
			t.Errorf("%+v, %+v", a, b)
		}
		if err := os.RemoveAll(filepath.Join(root, "proc/10")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(again)
		if r.Of(shared, 10) != a {
			t.Error("the process is gone, and its container forgotten")
		}
		write(t, root, map[string]string{"proc/10/cgroup": "1:cpu:/docker/" + idB + "\n"})
		time.Sleep(again)
		if got := r.Of(shared, 10); got.ID != idB {
			t.Errorf("the pid is another's now: %+v", got)
		}
	})
}

// TestBound: many cgroups do not take more room than a few.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := resolver(t, "0::/\n")
		for i := range uint64(3 * most) {
			r.Of(i+1<<40, 0)
		}
		if len(r.known) > most {
			t.Errorf("%d entries", len(r.known))
		}
	})
}

func BenchmarkOf(b *testing.B) {
	root := b.TempDir()
	dir := filepath.Join(root, "cgroup/docker", idA)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		b.Fatal(err)
	}
	id := info.Sys().(*syscall.Stat_t).Ino
	r := newAt(root, filepath.Join(root, "cgroup"))
	for b.Loop() {
		r.Of(id, 1)
	}
}

// BenchmarkWalk is what a new cgroup costs on a host with a thousand.
func BenchmarkWalk(b *testing.B) {
	root := b.TempDir()
	for i := range 1000 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprint("kubepods/pod", i/4), fmt.Sprint(i)), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if n := len(walk(root)); n < 1000 {
			b.Fatal(n)
		}
	}
}
