// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"path"
	"testing"
)

// words of up to three letters of an alphabet.
func words(alphabet string) []string {
	all, longest := []string{""}, []string{""}
	for range 3 {
		var next []string
		for _, w := range longest {
			for _, c := range alphabet {
				next = append(next, w+string(c))
			}
		}
		all, longest = append(all, next...), next
	}
	return all
}

// TestPatterns compares what is said of each two short patterns with what
// matches: names of four letters tell any two of them apart.
func TestPatterns(t *testing.T) {
	patterns := words("ab*?")
	var names []string
	for _, w := range words("ab") {
		for _, end := range []string{"", "a", "b", "aab", "bba", "aaa", "bbb"} {
			names = append(names, w+end)
		}
	}
	match := make(map[string][]bool)
	for _, p := range patterns {
		for _, n := range names {
			ok, err := path.Match(p, n)
			if err != nil {
				t.Fatal(err)
			}
			match[p] = append(match[p], ok)
		}
	}
	for _, p := range patterns {
		for _, q := range patterns {
			both, onlyP := false, false
			for i := range names {
				both = both || match[p][i] && match[q][i]
				onlyP = onlyP || match[p][i] && !match[q][i]
			}
			if got := meetPatterns(p, q); got != both {
				t.Fatalf("%q and %q meet: %t, want %t", p, q, got, both)
			}
			if inside(p, q) && onlyP {
				t.Fatalf("%q is said to be inside of %q", p, q)
			}
		}
	}
	for _, tt := range []struct {
		p, q   string
		inside bool
	}{{"kamailio", "kama*", true}, {"kama*", "k*", true}, {"ka?a", "k*", true}, {"k*", "kama*", false}, {"[ab]x", "*a*", false}, {"a", "[ab]", true}} {
		if got := inside(tt.p, tt.q); got != tt.inside {
			t.Errorf("%q inside of %q: %t", tt.p, tt.q, got)
		}
	}
}
