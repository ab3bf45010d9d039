// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/agent/rules/explain"
)

var update = flag.Bool("update", false, "rewrite docs/rules.md")

// TestRulesPage keeps docs/rules.md what the table says.
func TestRulesPage(t *testing.T) {
	const page = "../../docs/rules.md"
	var want bytes.Buffer
	if err := explain.Page(&want, explain.Entries(rules.Catalogue())); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("docs/rules.md is not what the rules say: run `make generate`, which writes it anew")
	}
}
