// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
)

const unit = "systemd/viaduct.service"

// setting returns the words of a setting of the unit.
func setting(t *testing.T, key string) []string {
	t.Helper()
	for line := range strings.Lines(read(t, unit)) {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.Fields(value)
		}
	}
	t.Fatalf("%s: no %s", unit, key)
	return nil
}

// TestUnit: systemd finds nothing wrong with the unit, with its program in the
// place that it names, nor much that it exposes.
func TestUnit(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"usr/bin/viaduct": "#!/bin/sh\n", "bin/kill": "#!/bin/sh\n", "etc/systemd/system/viaduct.service": read(t, unit),
		// What it refers to of systemd's own.
		"etc/systemd/system/sysinit.target": "[Unit]\n", "etc/systemd/system/basic.target": "[Unit]\n",
		"etc/systemd/system/shutdown.target": "[Unit]\n", "etc/systemd/system/network.target": "[Unit]\n",
		"etc/systemd/system/multi-user.target": "[Unit]\n", "etc/systemd/system/tmp.mount": "[Unit]\n[Mount]\nWhat=tmpfs\nWhere=/tmp\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(t, "systemd-analyze", "--root="+root, "--man=false", "verify", "viaduct.service"); out != "" {
		t.Error(out)
	}
	// Of 10, which is everything. What is left is what it is there for.
	run(t, "systemd-analyze", "security", "--offline=true", "--threshold=30", unit)
}

// TestSameCapabilities: the unit and the manifests give the same.
func TestSameCapabilities(t *testing.T) {
	var ofPod []string
	for _, c := range decode(t, read(t, plain))["DaemonSet"].(*apps.DaemonSet).Spec.Template.Spec.Containers[0].SecurityContext.Capabilities.Add {
		ofPod = append(ofPod, "CAP_"+string(c))
	}
	if ofUnit := setting(t, "CapabilityBoundingSet"); !slices.Equal(ofPod, ofUnit) {
		t.Errorf("the manifests give %v, the unit %v", ofPod, ofUnit)
	}
}

// TestSystemCalls: what the seccomp profile allows viaduct, under which the tests
// of the image run, the unit allows too.
func TestSystemCalls(t *testing.T) {
	var profile struct {
		Syscalls []struct {
			Comment string
			Names   []string
		}
	}
	if err := json.Unmarshal([]byte(read(t, "kubernetes/seccomp.json")), &profile); err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string]bool)
	expand(t, setting(t, "SystemCallFilter"), allowed)
	for _, group := range profile.Syscalls {
		for _, name := range group.Names {
			if !allowed[name] && !strings.HasPrefix(group.Comment, "runc") {
				t.Errorf("the unit does not allow %s", name)
			}
		}
	}
}

// expand adds the system calls of a filter, of which @groups hold others.
func expand(t *testing.T, names []string, to map[string]bool) {
	t.Helper()
	for _, name := range names {
		if !strings.HasPrefix(name, "@") {
			to[name] = true
			continue
		}
		var inner []string
		for line := range strings.Lines(run(t, "systemd-analyze", "syscall-filter", "--no-pager", name)) {
			if line = strings.TrimSpace(line); line != "" && line != name && !strings.HasPrefix(line, "#") {
				inner = append(inner, line)
			}
		}
		expand(t, inner, to)
	}
}
