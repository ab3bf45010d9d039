// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write dashboard.json")

// promtool comes with Debian's prometheus; scripts/setup.sh installs it.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("promtool", args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestCheckRules(t *testing.T) { promtool(t, "check", "rules", "rules.yaml", "alerts.yaml") }

func TestRules(t *testing.T) {
	tests, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(tests) < 3 {
		t.Fatalf("%d files of tests: %v", len(tests), err)
	}
	promtool(t, append([]string{"test", "rules"}, tests...)...)
}

func TestConfigurationExample(t *testing.T) { promtool(t, "check", "config", "prometheus.yaml") }

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Record, Expr string
			Labels, Annotations map[string]string
		}
	}
}

func read(t *testing.T, text []byte) (f ruleFile) {
	t.Helper()
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// Each alert fires in a test, and has its section in docs/alerts.md.
func TestEveryAlertIsTestedAndDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests string
	files, _ := filepath.Glob("tests/*.yaml")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	alerts := 0
	for _, g := range read(t, Alerts).Groups {
		for _, r := range g.Rules {
			alerts++
			fires := regexp.MustCompile(`alertname: ` + r.Alert + `\n\s+exp_alerts:\n\s+- exp_labels`)
			if !fires.MatchString(tests) {
				t.Errorf("%s fires in no test", r.Alert)
			}
			if !strings.Contains(string(page), "## "+r.Alert+"\n") {
				t.Errorf("docs/alerts.md has no section %s", r.Alert)
			}
			if !regexp.MustCompile(`^(info|warning|critical)$`).MatchString(r.Labels["severity"]) || r.Annotations["summary"] == "" {
				t.Errorf("%s: severity %q, summary %q", r.Alert, r.Labels["severity"], r.Annotations["summary"])
			}
		}
	}
	if sections := strings.Count(string(page), "\n## Viaduct"); sections != alerts {
		t.Errorf("docs/alerts.md has %d sections, there are %d alerts", sections, alerts)
	}
}

// What is read is recorded or shown by the agent.
func TestNamesAreKnown(t *testing.T) {
	shown, err := os.ReadFile("../exporter/testdata/page.txt")
	if err != nil {
		t.Fatal(err)
	}
	recorded := make(map[string]bool)
	var expressions []string
	for _, text := range [][]byte{Rules, Alerts} {
		for _, g := range read(t, text).Groups {
			for _, r := range g.Rules {
				recorded[r.Record] = true
				expressions = append(expressions, r.Expr)
			}
		}
	}
	for _, p := range Panels() {
		for _, q := range p.Queries {
			expressions = append(expressions, q.Expr)
		}
	}
	for _, e := range expressions {
		for _, name := range regexp.MustCompile(`[a-z_]*:?viaduct_[a-z_]+(:[a-z0-9]+)?`).FindAllString(e, -1) {
			family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !recorded[name] && name != "viaduct_build_info" && !bytes.Contains(shown, []byte("# TYPE "+family+" ")) && !bytes.Contains(shown, []byte("# TYPE "+name+" ")) {
				t.Errorf("nobody has %s, of %s", name, e)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	got, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("dashboard.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("dashboard.json is not what the panels give; run make generate")
	}
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(got, &d); err != nil {
		t.Fatal(err)
	}
	taken, ids := make(map[[2]int]string), make(map[int]bool)
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is there already", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
