// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// yamlBlock is ```yaml NAME; a file whose name begins with "wrong" shows a
// mistake.
var yamlBlock = regexp.MustCompile("(?ms)^```yaml *([^\n]*)\n(.*?)^```$")

// TestExamples: what the documentation shows can be used.
func TestExamples(t *testing.T) {
	for page, least := range map[string]int{"README.md": 1, "docs/policy.md": 10, "docs/runbook.md": 1, "docs/kubernetes.md": 1} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) < least {
			t.Errorf("%s has %d examples, %d are known", page, len(blocks), least)
		}
		for _, b := range blocks {
			name, example := b[1], []byte(b[2])
			if err := validate(t, example); err != nil {
				t.Errorf("%s: %s: %v", page, name, err)
			}
			f, err := Read(name, example)
			switch wrong := strings.HasPrefix(name, "wrong"); {
			case wrong && err == nil && name == "wrong.yaml", !wrong && err != nil:
				t.Errorf("%s: %s: %v", page, name, err)
			case err == nil && name == "policy.yaml" && len(f.Warnings) > 0:
				t.Errorf("%s: %v", page, f.Warnings[0])
			}
		}
	}
}

// TestEveryKeyIsExplained: the page names each key of the schema, and so of the
// reader, with the keys above it.
func TestEveryKeyIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	root := readSchema(t)
	walk(t, root, root, nil, func(place []string, node object) {
		if len(place) == 0 || place[0] == "defaults" && len(place) > 1 || place[len(place)-1] == "[]" {
			return
		}
		name := strings.TrimPrefix(strings.Join(place, "."), "peers.[].")
		if inner, _ := node["properties"].(object); inner != nil && len(place) > 1 {
			return // its keys are named
		}
		if name != "sip" && !regexp.MustCompile("(?m)^\\| [^|]*`"+regexp.QuoteMeta(name)+"`[^|]* \\|").Match(text) {
			t.Errorf("%s is in no table of docs/policy.md", name)
		}
	})
}
