// SPDX-License-Identifier: Apache-2.0

// Package container tells in which container and pod a socket's process lives,
// from what is on the host: the path of its cgroup, the files of the container
// runtimes, and the names of the kubelet's log files. No API server is asked.
//
// What is not found is unknown: an id without a name, or nothing.
package container

import (
	"regexp"
	"strings"
)

// place is what a cgroup's path says.
type place struct {
	id     string // of the container: 64 hexadecimal digits, "" outside containers
	podUID string // "" outside Kubernetes
}

var (
	// The id stands alone (cgroupfs driver), or after the name of the runtime and
	// before .scope (systemd driver). The runtime's monitor (conmon) is outside.
	containerUnit = regexp.MustCompile(`^(?:[A-Za-z0-9_.-]+-)?([0-9a-f]{64})(?:\.scope)?$`)
	// podUID, kubepods-burstable-podUID.slice with underscores for dashes, and
	// kubelet-kubepods-podUID.slice (nested); of static pods a hash.
	podSlice = regexp.MustCompile(`(?:^|-)pod([0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12})(?:\.slice)?$`)
)

// parse reads a cgroup's path. Containers within containers, as those of kind,
// are the innermost; what a container's own init has made below it is its.
func parse(path string) place {
	// SLICE:RUNTIME:ID is one element where the runtime and the kubelet do not
	// agree on the driver.
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == ':' })
	var p place
	for i := len(parts) - 1; i >= 0; i-- {
		if p.id == "" {
			if m := containerUnit.FindStringSubmatch(parts[i]); m != nil && !strings.Contains(parts[i], "conmon") {
				p.id = m[1]
			}
			continue
		}
		if containerUnit.MatchString(parts[i]) {
			break // the outer container, whose pod is not ours
		}
		if m := podSlice.FindStringSubmatch(parts[i]); m != nil {
			p.podUID = strings.ReplaceAll(m[1], "_", "-")
			break
		}
	}
	return p
}

// parseProc reads proc_pid_cgroup(5): the place in whichever hierarchy knows a
// container. On hosts with both versions of cgroups that may be the first only.
func parseProc(text string) place {
	var best place
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		if p := parse(fields[2]); p.id != "" && (best.id == "" || best.podUID == "") {
			best = p
		}
	}
	return best
}
