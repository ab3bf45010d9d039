// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// golden compares, or writes with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != read(t, name) {
		t.Errorf("%s is not current: run make manifests, and look at what changes", name)
	}
}

// TestRulesAreCurrent: a chart holds only files below its own directory, so it has
// copies of what is written in fleet/.
func TestRulesAreCurrent(t *testing.T) {
	for _, name := range []string{"rules.yaml", "alerts.yaml"} {
		golden(t, filepath.Join(chartDir, "files", name), read(t, "../fleet/"+name))
	}
}

// TestEverything: what the chart makes if all is asked for that it has off.
func TestEverything(t *testing.T) {
	files, err := render(t, everything)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b.WriteString("---\n# " + name + "\n" + strings.TrimSpace(files[name]) + "\n")
	}
	golden(t, "testdata/everything.yaml", b.String())
}

// TestPrometheusRule: it has the groups of fleet/, not a word of which is lost on
// the way through a template, and promtool takes them for rules.
func TestPrometheusRule(t *testing.T) {
	rule := objects(t, everything)["PrometheusRule"].(*monitoring.PrometheusRule)
	if rule.Labels["release"] != "prometheus" {
		t.Errorf("labels %v: an operator that asks for one does not find it", rule.Labels)
	}
	var want monitoring.PrometheusRuleSpec
	for _, name := range []string{"rules.yaml", "alerts.yaml"} {
		var one monitoring.PrometheusRuleSpec
		if err := yaml.UnmarshalStrict([]byte(read(t, "../fleet/"+name)), &one); err != nil {
			t.Fatal(err)
		}
		want.Groups = append(want.Groups, one.Groups...)
	}
	if len(want.Groups) < 4 || !reflect.DeepEqual(rule.Spec, want) {
		t.Errorf("the chart has %+v, fleet/ %+v", rule.Spec, want)
	}
	spec, err := yaml.Marshal(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, spec, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "check", "rules", file)
}

// TestPodMonitor: the alerts ask for the job viaduct, which the name of a release
// must not change.
func TestPodMonitor(t *testing.T) {
	m := objects(t, everything)["PodMonitor"].(*monitoring.PodMonitor)
	if job := m.Labels[m.Spec.JobLabel]; job != "viaduct" {
		t.Errorf("the job is called %q", job)
	}
	if pod := m.Spec.Selector.MatchLabels[m.Spec.JobLabel]; pod != "viaduct" {
		t.Errorf("jobLabel is a label of the pods, which have %q", pod)
	}
}
