// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"Namespace":      func() any { return new(core.Namespace) },
	"ServiceAccount": func() any { return new(core.ServiceAccount) },
	"ConfigMap":      func() any { return new(core.ConfigMap) },
	"DaemonSet":      func() any { return new(apps.DaemonSet) },
	"PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	"PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
}

// decode reads manifests as the API server would if it refused unknown and
// repeated fields.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	objects := make(map[string]any)
	for one := range strings.SplitSeq(text, "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(one), &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind == "" {
			continue
		}
		if kinds[head.Kind] == nil {
			t.Fatalf("kind %s is not known here", head.Kind)
		}
		object := kinds[head.Kind]()
		if err := yaml.UnmarshalStrict([]byte(one), object); err != nil {
			t.Errorf("%s: %v", head.Kind, err)
		}
		objects[head.Kind] = object
	}
	return objects
}

func objects(t *testing.T, text string) map[string]any {
	t.Helper()
	files, err := render(t, text)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		all = append(all, file)
	}
	return decode(t, strings.Join(all, "\n---\n"))
}

func TestObjects(t *testing.T) {
	for text, want := range map[string]int{"": 3, "stateDir: ''": 3, everything: 6} {
		if got := objects(t, text); len(got) != want {
			t.Errorf("%d objects, want %d", len(got), want)
		}
	}
	if got := decode(t, read(t, plain)); len(got) != 4 {
		t.Errorf("%s has %d objects", plain, len(got))
	}
}

// TestPrivilege: the container has no more than it needs, whatever the values.
func TestPrivilege(t *testing.T) {
	for _, text := range []string{"", everything} {
		spec := objects(t, text)["DaemonSet"].(*apps.DaemonSet).Spec.Template.Spec
		if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 || spec.HostIPC || !spec.HostPID || *spec.AutomountServiceAccountToken {
			t.Errorf("%+v", spec)
		}
		s := spec.Containers[0].SecurityContext
		if *s.Privileged || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.SeccompProfile == nil {
			t.Errorf("%+v", s)
		}
		if !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) ||
			!slices.Equal(s.Capabilities.Add, []core.Capability{"BPF", "PERFMON", "NET_ADMIN", "SYS_PTRACE"}) {
			t.Errorf("%+v", s.Capabilities)
		}
		for _, m := range spec.Containers[0].VolumeMounts {
			if !m.ReadOnly && m.Name != "state" {
				t.Errorf("%s may be written", m.Name)
			}
		}
		if limits := spec.Containers[0].Resources.Limits; limits.Memory().IsZero() || !limits.Cpu().IsZero() {
			t.Errorf("limits %v: memory is to be limited, the CPU is not", limits)
		}
	}
}

// TestUpdate: no two agents use one state at a time, and a change of the policy
// does not restart them.
func TestUpdate(t *testing.T) {
	of := func(text string) *apps.DaemonSet { return objects(t, text)["DaemonSet"].(*apps.DaemonSet) }
	first, other := of(""), of("policy: 'version: 1'")
	if u := first.Spec.UpdateStrategy.RollingUpdate; u.MaxSurge.IntValue() != 0 {
		t.Errorf("%+v", u)
	}
	if first.Spec.Template.String() != other.Spec.Template.String() {
		t.Error("another policy changes the pods")
	}
	for _, v := range first.Spec.Template.Spec.Volumes {
		if v.ConfigMap != nil && v.ConfigMap.Name != first.Name {
			t.Errorf("no such configuration: %+v", v)
		}
	}
	// A directory is mounted, not a file of it: only so its changes show.
	for _, m := range first.Spec.Template.Spec.Containers[0].VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("%+v", m)
		}
	}
}
