// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

const imageName = "localhost/viaduct:latest-"

// run runs a program and returns what it says on standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &out, &errs)
	}
	return strings.TrimSpace(out.String())
}

// podman's own limits are more than some machines allow; runc is what
// containerd runs.
var runFlags = []string{"run", "--runtime", "runc", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"}

// pod is the container of the plain manifests as podman runs it.
type pod struct {
	flags []string
	args  []string
	dirs  map[string]string // host directories that stand for those of the manifests, by volume
}

// asPod turns the DaemonSet of the plain manifests into podman's flags:
// capabilities, mounts, namespaces, limits, the root's being read-only. The
// kubelet's directories and the state are the test's own.
func asPod(t *testing.T) *pod {
	t.Helper()
	all := decode(t, read(t, plain))
	spec := all["DaemonSet"].(*apps.DaemonSet).Spec.Template.Spec
	c := spec.Containers[0]
	p := &pod{args: c.Args, dirs: make(map[string]string)}
	add := func(format string, args ...any) { p.flags = append(p.flags, fmt.Sprintf(format, args...)) }
	if spec.HostPID {
		add("--pid=host")
	}
	if !spec.HostNetwork {
		add("--network=none")
	}
	security := c.SecurityContext
	add("--cgroupns=private") // as containerd and CRI-O have it under cgroup v2
	add("--read-only=%v", *security.ReadOnlyRootFilesystem)
	add("--read-only-tmpfs=false")
	add("--user=%d:%d", *security.RunAsUser, *security.RunAsGroup)
	add("--security-opt=no-new-privileges")
	add("--memory=%d", c.Resources.Limits.Memory().Value())
	for _, capability := range security.Capabilities.Drop {
		add("--cap-drop=%s", capability)
	}
	for _, capability := range security.Capabilities.Add {
		add("--cap-add=%s", capability)
	}
	profile, err := filepath.Abs("kubernetes/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	add("--security-opt=seccomp=%s", profile)
	for _, e := range c.Env {
		add("--env=%s=%s", e.Name, e.Value)
	}
	for _, v := range spec.Volumes {
		p.dirs[v.Name] = p.host(t, v, all["ConfigMap"].(*core.ConfigMap))
	}
	for _, m := range c.VolumeMounts {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		add("--volume=%s:%s:%s,rslave", p.dirs[m.Name], m.MountPath, mode)
	}
	return p
}

// host is the directory of this host that a volume is.
func (p *pod) host(t *testing.T, v core.Volume, config *core.ConfigMap) string {
	if v.Name == "cgroup" {
		return v.HostPath.Path
	}
	dir := t.TempDir()
	if v.ConfigMap != nil {
		for name, text := range config.Data {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// run runs a command of the image in the foreground.
func (p *pod) run(t *testing.T, flags []string, args ...string) string {
	t.Helper()
	all := append(append(append(runFlags[:len(runFlags):len(runFlags)], "--rm"), p.flags...), flags...)
	return run(t, "podman", append(append(all, imageName+runtime.GOARCH), args...)...)
}

// start runs a container in the background until the test ends, and returns its
// name and id.
func start(t *testing.T, what string, args ...string) (name, id string) {
	t.Helper()
	name = fmt.Sprintf("viaduct-test-%s-%d", what, os.Getpid())
	id = run(t, "podman", append(append(runFlags[:len(runFlags):len(runFlags)], "--detach", "--name", name), args...)...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("podman", "logs", name).CombinedOutput()
			t.Logf("%s says:\n%s", name, out)
		}
		run(t, "podman", "rm", "--force", "--time", "5", name)
	})
	return name, id
}

// startPeer starts a SIP neighbour in a container with a network of its own.
func startPeer(t *testing.T) (name, id string) {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "peer"), "./testdata/peer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY peer /peer\nENTRYPOINT [\"/peer\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	image := run(t, "podman", "build", "-q", dir)
	t.Cleanup(func() { run(t, "podman", "rmi", "--force", image) })
	return start(t, "peer", "--network=none", image)
}
