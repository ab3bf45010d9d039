// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"path"
	"slices"
	"strings"
)

// narrower says whether each name that a pattern of b matches, one of a matches
// too; an empty list matches all. In doubt it does not.
func narrower(b, a []string) bool {
	if len(a) == 0 {
		return true
	}
	return len(b) > 0 && !slices.ContainsFunc(b, func(inner string) bool {
		return !slices.ContainsFunc(a, func(outer string) bool { return inside(strings.ToLower(inner), strings.ToLower(outer)) })
	})
}

// inside says whether outer matches all that inner does. A star takes in what
// stands there in the other pattern, be it letters or stars of its own; the
// other special letters are compared with plain names only.
func inside(inner, outer string) bool {
	if inner == outer {
		return true
	}
	if strings.ContainsAny(inner, `[\`) || strings.ContainsAny(inner, "*?") && strings.ContainsAny(outer, `?[\`) {
		return false
	}
	ok, err := path.Match(outer, inner)
	return ok && err == nil
}

// meetNames says whether a name can match a pattern of a and one of b. In doubt
// it cannot.
func meetNames(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(p string) bool {
		return slices.ContainsFunc(b, func(q string) bool { return meetPatterns(strings.ToLower(p), strings.ToLower(q)) })
	})
}

func meetPatterns(p, q string) bool {
	if inside(p, q) || inside(q, p) {
		return true
	}
	if strings.ContainsAny(p+q, `[\`) {
		return false
	}
	return common(p, q)
}

// common says whether two patterns of letters, * and ? have a name in common:
// row[j] is whether some name that the first i letters of p match, the first j
// of q match too.
func common(p, q string) bool {
	row := make([]bool, len(q)+1)
	for i := 0; i <= len(p); i++ {
		diagonal := false // of the row before
		for j := 0; j <= len(q); j++ {
			before := row[j]
			switch {
			case i == 0 && j == 0:
				row[j] = true
			case i > 0 && p[i-1] == '*':
				row[j] = before || j > 0 && row[j-1]
			case j > 0 && q[j-1] == '*':
				row[j] = row[j-1] || i > 0 && before
			default:
				row[j] = i > 0 && j > 0 && diagonal && (p[i-1] == q[j-1] || p[i-1] == '?' || q[j-1] == '?')
			}
			diagonal = before
		}
	}
	return row[len(q)]
}
