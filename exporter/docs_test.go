// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	dto "github.com/prometheus/client_model/go"

	"github.com/viaduct-project/viaduct/agent/negotiate"
)

var typesOfThePage = map[dto.MetricType]string{
	dto.MetricType_GAUGE: "gauge", dto.MetricType_COUNTER: "counter", dto.MetricType_HISTOGRAM: "histogram",
}

// page is docs/metrics.md, as its template and the families make it.
func page(t *testing.T) []byte {
	t.Helper()
	all := make(map[string]*dto.MetricFamily)
	for _, f := range gather(t, collectorOf(distinct())) {
		all[strings.TrimPrefix(f.GetName(), "viaduct_")] = f
	}
	left := maps.Clone(all)
	tmpl := template.Must(template.New("metrics.md.tmpl").Funcs(template.FuncMap{
		// family begins the row of a family.
		"family": func(name string) (string, error) {
			f := all[name]
			if f == nil {
				return "", fmt.Errorf("no family is called %s", name)
			}
			delete(left, name)
			return fmt.Sprintf("| `viaduct_%s` | %s | %s | ", name, typesOfThePage[f.GetType()], code(labelsOf(f))), nil
		},
		"values": func(label string) (string, error) { return valuesOf(slices.Collect(maps.Values(all)), label) },
		"valuesOf": func(family, label string) (string, error) {
			return valuesOf([]*dto.MetricFamily{all[family]}, label)
		},
		"outcomes": func() string {
			by := make(map[negotiate.Mechanism][]string)
			for r := range negotiate.NumResults {
				by[r.Mechanism()] = append(by[r.Mechanism()], r.Outcome())
			}
			var rows string
			for m := range negotiate.Mechanisms {
				rows += fmt.Sprintf("| `%s` | %s |\n", m, code(by[m]))
			}
			return rows
		},
		"series": func() int { return defaultSeries(t) },
	}).ParseFiles("metrics.md.tmpl"))
	var b bytes.Buffer
	if err := tmpl.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	for name := range left {
		t.Errorf("viaduct_%s is not in metrics.md.tmpl", name)
	}
	return b.Bytes()
}

func labelsOf(f *dto.MetricFamily) []string {
	var all []string
	for _, l := range f.Metric[0].Label {
		all = append(all, l.GetName())
	}
	return all
}

// valuesOf lists the values of a label in the families.
func valuesOf(families []*dto.MetricFamily, label string) (string, error) {
	seen := make(map[string]bool)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.Label {
				if l.GetName() == label {
					seen[l.GetValue()] = true
				}
			}
		}
	}
	if len(seen) == 0 {
		return "", fmt.Errorf("no series has the label %s", label)
	}
	return code(slices.Sorted(maps.Keys(seen))), nil
}

func code(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	return strings.Join(quoted, " ")
}

// TestDocumented: docs/metrics.md is what the template gives; -update writes it.
func TestDocumented(t *testing.T) {
	const file = "../docs/metrics.md"
	got := page(t)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/metrics.md differs at %q; run make generate", firstDifference(got, want))
	}
}

// Features, programs and rules are the host's, and tested where they come from.
// What tells of losses has words of its own.
func TestDocumentedReasons(t *testing.T) {
	text := string(page(t))
	for _, f := range gather(t, collectorOf(distinct())) {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if name := l.GetName(); (name == "reason" || name == "kind") && !strings.Contains(text, "`"+l.GetValue()+"`") {
					t.Errorf("the value %q of %s of %s is not in docs/metrics.md", l.GetValue(), name, f.GetName())
				}
			}
		}
	}
}
