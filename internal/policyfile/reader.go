// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader turns nodes into values and collects what is wrong.
type reader struct {
	file     string
	problems []*Problem
	warnings []*Problem
	places   map[string]*yaml.Node // rows by name
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, &Problem{r.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// warn is for what works, but perhaps not as it was meant.
func (r *reader) warn(n *yaml.Node, format string, args ...any) {
	r.warnings = append(r.warnings, &Problem{r.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// key reads the value of one key of a mapping.
type key struct {
	name string
	read func(*yaml.Node)
}

// mapping reads a node whose keys are known.
func (r *reader) mapping(n *yaml.Node, what string, keys ...key) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fault(n, "%s is %s, not a mapping with the keys %s", what, kindOf(n), names(keys))
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if line := seen[k.Value]; line > 0 {
			r.fault(k, "%s: %q is there already, in line %d", what, k.Value, line)
			continue
		}
		seen[k.Value] = k.Line
		at := slices.IndexFunc(keys, func(known key) bool { return known.name == k.Value })
		if at < 0 {
			r.fault(k, "%s: unknown key %q%s; allowed: %s", what, k.Value, near(k.Value, keyNames(keys)), names(keys))
			continue
		}
		keys[at].read(v)
	}
}

// each reads the elements of a list.
func (r *reader) each(n *yaml.Node, what string, read func(*yaml.Node)) {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		r.fault(n, "%s is %s, not a list: write [a, b]", what, kindOf(n))
		return
	}
	for _, element := range n.Content {
		read(element)
	}
}

// text reads a string.
func (r *reader) text(n *yaml.Node, what string) string {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		r.fault(n, "%s is %s, not a word", what, kindOf(n))
		return ""
	}
	return n.Value
}

// word reads one of some words and returns its index.
func (r *reader) word(n *yaml.Node, what string, words []string) int {
	n = resolve(n)
	if i := slices.Index(words, n.Value); n.Kind == yaml.ScalarNode && i >= 0 {
		return i
	}
	r.fault(n, "%s: %q is not known%s; allowed: %s", what, n.Value, near(n.Value, words), strings.Join(words, ", "))
	return 0
}

// number reads an integer within bounds.
func (r *reader) number(n *yaml.Node, what string, least, most int) int {
	n = resolve(n)
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
		r.fault(n, "%s: %q is not a whole number from %d to %d", what, n.Value, least, most)
		return least
	}
	return v
}

// rate reads a number per second.
func (r *reader) rate(n *yaml.Node, what string) float64 {
	n = resolve(n)
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(v > 0 && v <= 1e6) || math.IsInf(v, 0) {
		r.fault(n, "%s: %q is not a number above 0 and up to 1000000", what, n.Value)
		return 1
	}
	return v
}

// duration reads a time of at least a second; it returns that if there is none.
func (r *reader) duration(n *yaml.Node, what string, most time.Duration) time.Duration {
	n = resolve(n)
	d, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.fault(n, "%s: %q is not a duration: write 30s, 5m or 1h30m", what, n.Value)
	case d < time.Second || d > most:
		r.fault(n, "%s: %s is not from 1s to %s", what, n.Value, most)
	case d%time.Second != 0:
		r.fault(n, "%s: %s is not in whole seconds", what, n.Value)
	default:
		return d
	}
	return time.Second
}

func (r *reader) boolean(n *yaml.Node, what string) bool {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		r.fault(n, "%s: %q is neither true nor false", what, n.Value)
	}
	return n.Value == "true"
}

// cidr reads a network, or one address.
func (r *reader) cidr(n *yaml.Node, what string) (netip.Prefix, bool) {
	n = resolve(n)
	if a, err := netip.ParseAddr(n.Value); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	p, err := netip.ParsePrefix(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.fault(n, "%s: %q is no network: write 192.0.2.0/24, 2001:db8::/32 or an address", what, n.Value)
	case p != p.Masked():
		r.fault(n, "%s: %s has bits beyond its length; the network is %s", what, p, p.Masked())
	case p.Addr().Is4In6():
		r.fault(n, "%s: %s is IPv4 in IPv6 form; write it as IPv4", what, p)
	default:
		return p, true
	}
	return p, false
}

// pattern reads a name with * and ?.
func (r *reader) pattern(n *yaml.Node, what string) string {
	s := r.text(n, what)
	if _, err := path.Match(s, ""); err != nil {
		r.fault(n, "%s: %q is no pattern: * stands for any letters, ? for one", what, s)
	}
	return s
}

// texts reads a list of patterns, or one.
func (r *reader) patterns(n *yaml.Node, what string) []string {
	if n = resolve(n); n.Kind == yaml.ScalarNode {
		return []string{r.pattern(n, what)}
	}
	var all []string
	r.each(n, what, func(e *yaml.Node) { all = append(all, r.pattern(e, what)) })
	return all
}

// resolve follows an alias of YAML to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null" || n.Value == "":
		return "empty"
	}
	return strconv.Quote(n.Value)
}

func keyNames(keys []key) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}

func names(keys []key) string { return strings.Join(keyNames(keys), ", ") }

// near suggests the word that was probably meant.
func near(s string, words []string) string {
	best, at := 3, ""
	if s == "" {
		return ""
	}
	for _, w := range words {
		if d := distance(strings.ToLower(s), w); d < best {
			best, at = d, w
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" (is %q meant?)", at)
}

// distance counts the letters to change, add or drop (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
