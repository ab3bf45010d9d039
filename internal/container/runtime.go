// SPDX-License-Identifier: Apache-2.0

package container

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Where the runtimes keep what they know of a container, below the root.
var (
	// containerd: NAMESPACE/ID/config.json, an OCI runtime specification whose
	// annotations are those of its CRI plugin, or of nerdctl. Also where k3s and
	// MicroK8s keep theirs.
	taskDirs = []string{
		"run/containerd/io.containerd.runtime.v2.task",
		"run/k3s/containerd/io.containerd.runtime.v2.task",
		"var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
	}
	// Docker: ID/config.v2.json, with the name and the labels.
	dockerDirs = []string{"var/lib/docker/containers"}
	// containers/storage, of podman and CRI-O: ID/userdata/config.json, an OCI
	// specification; containers.json and, for those that end with the boot,
	// volatile-containers.json list names.
	storageDirs = []string{
		"var/lib/containers/storage/overlay-containers",
		"run/containers/storage/overlay-containers",
	}
)

// maxFile is longer than any of these files is on a host in order.
const maxFile = 16 << 20

// fromRuntime names a container by the files of whichever runtime has it.
func fromRuntime(root string, c *event.Container) {
	for _, dir := range taskDirs {
		namespaces, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			continue
		}
		for _, namespace := range namespaces {
			if fromSpec(filepath.Join(root, dir, namespace.Name(), c.ID, "config.json"), c) {
				return
			}
		}
	}
	for _, dir := range dockerDirs {
		if fromDocker(filepath.Join(root, dir, c.ID, "config.v2.json"), c) {
			return
		}
	}
	for _, dir := range storageDirs {
		if fromSpec(filepath.Join(root, dir, c.ID, "userdata", "config.json"), c) {
			return
		}
		if fromStorage(filepath.Join(root, dir, "containers.json"), c) || fromStorage(filepath.Join(root, dir, "volatile-containers.json"), c) {
			return
		}
	}
}

// fromSpec reads the annotations of an OCI runtime specification.
func fromSpec(path string, c *event.Container) bool {
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	return read(path, &spec) && fromLabels(spec.Annotations, c)
}

// Annotations and labels: of containerd's CRI plugin, of CRI-O and of the
// kubelet's labels in Docker, of nerdctl.
var (
	nameKeys      = []string{"io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"}
	podKeys       = []string{"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"}
	namespaceKeys = []string{"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"}
	uidKeys       = []string{"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"}
)

func fromLabels(labels map[string]string, c *event.Container) bool {
	first := func(keys []string) string {
		i := slices.IndexFunc(keys, func(key string) bool { return labels[key] != "" })
		if i < 0 {
			return ""
		}
		return labels[keys[i]]
	}
	c.Name, c.Pod, c.Namespace = cmp.Or(first(nameKeys), c.Name), first(podKeys), first(namespaceKeys)
	c.PodUID = cmp.Or(c.PodUID, first(uidKeys))
	return c.Name != ""
}

func fromDocker(path string, c *event.Container) bool {
	var config struct {
		Name   string
		Config struct{ Labels map[string]string }
	}
	if !read(path, &config) {
		return false
	}
	c.Name = strings.TrimPrefix(config.Name, "/")
	fromLabels(config.Config.Labels, c)
	return c.Name != ""
}

func fromStorage(path string, c *event.Container) bool {
	var all []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if !read(path, &all) {
		return false
	}
	for _, one := range all {
		if one.ID == c.ID && len(one.Names) > 0 {
			c.Name = one.Names[0]
			return true
		}
	}
	return false
}

// read decodes a file, if it is there and can be read: that it cannot means
// only that the name stays unknown.
func read(path string, to any) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return json.NewDecoder(io.LimitReader(file, maxFile)).Decode(to) == nil
}
