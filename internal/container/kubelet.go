// SPDX-License-Identifier: Apache-2.0

package container

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Where the kubelet links and keeps the logs of its containers. Only names of
// files are read, nothing that is in them.
const (
	logLinks = "var/log/containers" // POD_NAMESPACE_CONTAINER-ID.log
	podLogs  = "var/log/pods"       // NAMESPACE_POD_UID/CONTAINER/
)

// fromKubelet names a container by its log. No name has an underscore in it.
func fromKubelet(root string, c *event.Container) {
	entries, err := os.ReadDir(filepath.Join(root, logLinks))
	if err == nil {
		for _, entry := range entries {
			rest, ours := strings.CutSuffix(entry.Name(), "-"+c.ID+".log")
			if names := strings.Split(rest, "_"); ours && len(names) == 3 {
				c.Pod, c.Namespace, c.Name = names[0], names[1], names[2]
				return
			}
		}
	}
	if c.PodUID != "" {
		fromPodLogs(root, c)
	}
}

// fromPodLogs names the pod, and the container if it is the pod's only one.
func fromPodLogs(root string, c *event.Container) {
	pods, err := os.ReadDir(filepath.Join(root, podLogs))
	if err != nil {
		return
	}
	for _, pod := range pods {
		names := strings.Split(pod.Name(), "_")
		if len(names) != 3 || names[2] != c.PodUID {
			continue
		}
		c.Namespace, c.Pod = names[0], names[1]
		if containers, err := os.ReadDir(filepath.Join(root, podLogs, pod.Name())); err == nil && len(containers) == 1 {
			c.Name = containers[0].Name()
		}
		return
	}
}
