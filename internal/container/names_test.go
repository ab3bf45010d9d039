// SPDX-License-Identifier: Apache-2.0

package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The files are cut down to what is asked for, in the forms that the programs
// write: containerd's CRI plugin (pkg/cri/annotations), CRI-O
// (pkg/annotations), the kubelet (kubelet/kuberuntime/legacy.go and helpers.go,
// kubelet/types/labels.go), Docker (daemon/container), containers/storage
// (containers.go).
func TestNames(t *testing.T) {
	const criAnnotations = `{"ociVersion":"1.2.0","process":{"env":["A=b"]},"annotations":{
		"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"sip",
		"io.kubernetes.cri.sandbox-name":"proxy-0","io.kubernetes.cri.sandbox-namespace":"voice","io.kubernetes.cri.sandbox-uid":"` + uid + `"}}`
	const crioAnnotations = `{"annotations":{"io.kubernetes.container.name":"sip","io.kubernetes.pod.name":"proxy-0",
		"io.kubernetes.pod.namespace":"voice","io.kubernetes.pod.uid":"` + uid + `"}}`
	whole := event.Container{ID: idA, Name: "sip", PodUID: uid, Pod: "proxy-0", Namespace: "voice"}
	for _, tt := range []struct {
		name  string
		uid   string // by the cgroup
		files map[string]string
		want  event.Container
	}{
		{"nothing", "", nil, event.Container{ID: idA}},
		{"kubelet's link", uid, map[string]string{"var/log/containers/proxy-0_voice_sip-" + idA + ".log": ""}, whole},
		{"others' links", uid, map[string]string{
			"var/log/containers/proxy-0_voice_sip-" + idB + ".log": "", "var/log/containers/x-" + idA + ".log": "", "var/log/containers/README": "",
		}, event.Container{ID: idA, PodUID: uid}},
		{"pod's logs", uid, map[string]string{"var/log/pods/voice_proxy-0_" + uid + "/sip/0.log": "", "var/log/pods/voice_other_x/sip/0.log": ""}, whole},
		{"pod's logs, of two", uid, map[string]string{"var/log/pods/voice_proxy-0_" + uid + "/sip/0.log": "", "var/log/pods/voice_proxy-0_" + uid + "/rtp/0.log": ""},
			event.Container{ID: idA, PodUID: uid, Pod: "proxy-0", Namespace: "voice"}},
		{"pod's logs, of two, and the runtime", uid, map[string]string{
			"var/log/pods/voice_proxy-0_" + uid + "/sip/0.log": "", "var/log/pods/voice_proxy-0_" + uid + "/rtp/0.log": "",
			"run/containerd/io.containerd.runtime.v2.task/k8s.io/" + idA + "/config.json": criAnnotations,
		}, whole},
		{"containerd", "", map[string]string{"run/containerd/io.containerd.runtime.v2.task/k8s.io/" + idA + "/config.json": criAnnotations}, whole},
		{"k3s", "", map[string]string{"run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" + idA + "/config.json": criAnnotations}, whole},
		{"nerdctl", "", map[string]string{"run/containerd/io.containerd.runtime.v2.task/default/" + idA + "/config.json": `{"annotations":{"nerdctl/name":"sip"}}`},
			event.Container{ID: idA, Name: "sip"}},
		{"containerd, without annotations", "", map[string]string{"run/containerd/io.containerd.runtime.v2.task/moby/" + idA + "/config.json": `{}`,
			"var/lib/docker/containers/" + idA + "/config.v2.json": `{"ID":"x","Name":"/proxy","Config":{"Labels":null}}`}, event.Container{ID: idA, Name: "proxy"}},
		{"Docker under the kubelet", "", map[string]string{"var/lib/docker/containers/" + idA + "/config.v2.json": `{"Name":"/k8s_sip_proxy-0_voice_x_0","Config":{"Labels":{
			"io.kubernetes.container.name":"sip","io.kubernetes.pod.name":"proxy-0","io.kubernetes.pod.namespace":"voice","io.kubernetes.pod.uid":"` + uid + `"}}}`}, whole},
		{"CRI-O", "", map[string]string{"run/containers/storage/overlay-containers/" + idA + "/userdata/config.json": crioAnnotations}, whole},
		{"podman", "", map[string]string{
			"var/lib/containers/storage/overlay-containers/" + idA + "/userdata/config.json": `{"annotations":{"io.podman.annotations.init":"FALSE"}}`,
			"var/lib/containers/storage/overlay-containers/containers.json":                  `[{"id":"` + idB + `","names":["no"]},{"id":"` + idA + `","names":["proxy"]}]`,
		}, event.Container{ID: idA, Name: "proxy"}},
		{"podman --rm", "", map[string]string{"var/lib/containers/storage/overlay-containers/volatile-containers.json": `[{"id":"` + idA + `","names":["proxy"]}]`},
			event.Container{ID: idA, Name: "proxy"}},
		{"files of nonsense", "", map[string]string{
			"run/containerd/io.containerd.runtime.v2.task/k8s.io/" + idA + "/config.json":  `[1`,
			"var/lib/docker/containers/" + idA + "/config.v2.json":                         `{"Name":7}`,
			"var/lib/containers/storage/overlay-containers/containers.json":                `{}`,
			"run/containers/storage/overlay-containers/" + idA + "/userdata/config.json/x": ``,
		}, event.Container{ID: idA}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, tt.files)
			r := newAt(root, root)
			if got := r.name(place{idA, tt.uid}); *got != tt.want {
				t.Errorf("%+v", *got)
			}
		})
	}
}
