// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

func document(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// documented returns the rows of docs/metrics.md whose first cell is one word
// in backquotes: the cells' words in backquotes, by the first one.
func documented(t *testing.T) map[string][][]string {
	t.Helper()
	word := regexp.MustCompile("`([^`]+)`")
	rows := make(map[string][][]string)
	for line := range strings.Lines(document(t)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		var cells [][]string
		for _, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			words := []string{}
			for _, m := range word.FindAllStringSubmatch(cell, -1) {
				words = append(words, m[1])
			}
			if len(words) == 0 {
				words = strings.Fields(cell)
			}
			cells = append(cells, words)
		}
		rows[cells[0][0]] = cells[1:]
	}
	return rows
}

var typesOfThePage = map[dto.MetricType]string{
	dto.MetricType_GAUGE: "gauge", dto.MetricType_COUNTER: "counter", dto.MetricType_HISTOGRAM: "histogram",
}

func TestDocumentedFamilies(t *testing.T) {
	rows := documented(t)
	all, err := NewRegistry(collectorOf(distinct())).Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, f := range all {
		if !strings.HasPrefix(f.GetName(), "viaduct_") {
			continue
		}
		shown[f.GetName()] = true
		row, ok := rows[f.GetName()]
		if !ok {
			t.Errorf("%s is not in docs/metrics.md", f.GetName())
			continue
		}
		if got := typesOfThePage[f.GetType()]; row[0][0] != got {
			t.Errorf("%s is a %s, docs/metrics.md says %s", f.GetName(), got, row[0][0])
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		if says := slices.Sorted(slices.Values(row[1])); !slices.Equal(says, labels) {
			t.Errorf("%s has labels %q, docs/metrics.md says %q", f.GetName(), labels, says)
		}
	}
	for name := range rows {
		if strings.HasPrefix(name, "viaduct_") && !shown[name] {
			t.Errorf("docs/metrics.md has %s, which is not shown", name)
		}
	}
}

// Features are the host's, and tested where they come from.
func TestDocumentedLabelValues(t *testing.T) {
	rows, page := documented(t), document(t)
	values := make(map[string][]string)
	for _, f := range gather(t, collectorOf(distinct())) {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	for label, got := range values {
		slices.Sort(got)
		got = slices.Compact(got)
		switch label {
		case "feature", "rule": // of the host, and of the catalogue
		case "reason", "kind": // of several families, each with its own values
			for _, v := range got {
				if !strings.Contains(page, "`"+v+"`") {
					t.Errorf("the value %q of %s is not in docs/metrics.md", v, label)
				}
			}
		default:
			if rows[label] == nil {
				t.Errorf("label %s is not in docs/metrics.md", label)
				continue
			}
			if says := slices.Sorted(slices.Values(rows[label][0])); !slices.Equal(says, got) {
				t.Errorf("label %s has the values %q, docs/metrics.md says %q", label, got, says)
			}
		}
	}
}
