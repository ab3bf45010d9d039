// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	chartDir = "helm/viaduct"
	plain    = "kubernetes/viaduct.yaml"
)

var update = flag.Bool("update", false, "write "+plain+", the chart's copies of rules, and golden files")

// everything sets all that is off by default.
const everything = `
image: {tag: "1.2.3", repository: registry.example.org/a/viaduct}
imagePullSecrets: [{name: pull}]
extraArgs: ["--port=5070", "--ring-size=33554432"]
web: {configSecret: web, scheme: HTTPS, port: 9000}
runtimeDirs: [/run/containerd/io.containerd.runtime.v2.task]
hostNetwork: true
seccompProfile: {type: Localhost, localhostProfile: viaduct.json}
appArmorProfile: {type: Unconfined}
seLinuxOptions: {type: spc_t}
priorityClassName: system-node-critical
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: sip, operator: Exists}]}]}}}
podAnnotations: {a: b}
podLabels: {c: d}
namespace: {create: true}
podMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true, labels: {release: prometheus}}
`

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v := make(map[string]any)
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render returns the manifests by file, without the notes.
func render(t *testing.T, text string) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "viaduct", Namespace: "viaduct", IsInstall: true}
	all, err := util.ToRenderValues(chart, values(t, text), release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	maps.DeleteFunc(files, func(name, text string) bool {
		return strings.HasSuffix(name, "NOTES.txt") || strings.TrimSpace(text) == ""
	})
	return files, err
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLint(t *testing.T) {
	for _, text := range []string{"", read(t, "plain-values.yaml"), everything} {
		for _, m := range lint.RunAll(chartDir, values(t, text), "viaduct").Messages {
			if m.Severity > support.InfoSev {
				t.Error(m)
			}
		}
	}
}

// TestPlain: the manifests beside the chart are what it makes. Run with -update
// to write them.
func TestPlain(t *testing.T) {
	files, err := render(t, read(t, "plain-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Made from deploy/helm/viaduct: make manifests. Set the image, the policy and what\n# else your nodes need, then: kubectl apply -f viaduct.yaml\n")
	order := []string{"namespace", "serviceaccount", "configmap", "daemonset"}
	for _, name := range order {
		b.WriteString("---\n" + strings.TrimSpace(files["viaduct/templates/"+name+".yaml"]) + "\n")
	}
	if len(files) != len(order) {
		t.Errorf("rendered %v", slices.Sorted(maps.Keys(files)))
	}
	golden(t, plain, strings.ReplaceAll(b.String(), "app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl"))
}

// TestValues: what is not a value is refused, with its name.
func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		"polcy: x":                           "polcy",
		"web: {port: 70000}":                 "web",
		"image: {tag: 1}":                    "tag",
		"seccompProfile: {type: Localhost}":  "seccompProfile",
		"seccompProfile: {type: Privileged}": "seccompProfile",
		"goMemLimit: lots":                   "goMemLimit",
		"runtimeDirs: [run]":                 "runtimeDirs",
		"policy: ''":                         "policy",
	} {
		if _, err := render(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
