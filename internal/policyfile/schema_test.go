// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const schemaFile = "../../docs/policy.schema.json"

type object = map[string]any

// schemaNode returns a node with what it refers to.
func schemaNode(t *testing.T, root, node object) object {
	t.Helper()
	ref, ok := node["$ref"].(string)
	if !ok {
		return node
	}
	defs, _ := root["$defs"].(object)
	target, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(object)
	if !ok {
		t.Fatalf("%s is not there", ref)
	}
	whole := maps.Clone(target)
	maps.Copy(whole, node)
	return whole
}

func readSchema(t *testing.T) object {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root object
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// at puts a value into a file at a place: keys, and "[]" for the element of a
// list.
func at(place []string, value any) string {
	for _, step := range slices.Backward(place) {
		if step == "[]" {
			value = []any{value}
		} else {
			value = object{step: value}
		}
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// said is what the reader says of a value at a place.
func said(place []string, value any) string {
	_, err := Parse("p", []byte(at(place, value)))
	return fmt.Sprint(err)
}

var (
	mappingSays  = regexp.MustCompile(`unknown key "no-such-key"; allowed: (.*)`)
	needsSays    = regexp.MustCompile(`: no (version|name|match|idle)\b`)
	wordSays     = regexp.MustCompile(`"" is not known; allowed: (.*)`)
	numberSays   = regexp.MustCompile(`"" is not a whole number from (\d+) to (\d+)`)
	rateSays     = regexp.MustCompile(`"" is not a number above (\d+) and up to (\d+)`)
	durationSays = regexp.MustCompile(`"" is not a duration`)
	booleanSays  = regexp.MustCompile(`"" is neither true nor false`)
	networkSays  = regexp.MustCompile(`"" is no network`)
	listSays     = regexp.MustCompile(`is a mapping, not a list`)
	textSays     = regexp.MustCompile(`is a mapping, not a word`)
)

// walk compares the schema with what the reader says at each place: keys and
// words are allowed by both or by neither, and bounds are the same. It calls
// each with all places.
func walk(t *testing.T, root, node object, place []string, each func(place []string, node object)) {
	node = schemaNode(t, root, node)
	each(place, node)
	name := strings.Join(place, ".")
	is := func(key string, want any) {
		t.Helper()
		if got := fmt.Sprint(node[key]); got != fmt.Sprint(want) {
			t.Errorf("%s: the schema has %s %s, the reader %v", name, key, got, want)
		}
	}
	odd := said(place, object{"no-such-key": 1})
	switch {
	case mappingSays.MatchString(odd):
		is("type", "object")
		is("additionalProperties", false)
		keys := strings.Split(mappingSays.FindStringSubmatch(odd)[1], ", ")
		properties, _ := node["properties"].(object)
		if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, slices.Sorted(slices.Values(keys))) {
			t.Fatalf("%s: the schema has the keys %q, the reader %q", name, got, keys)
		}
		required, _ := node["required"].([]any)
		for _, key := range keys {
			missing := slices.ContainsFunc(needsSays.FindAllStringSubmatch(said(place, object{}), -1), func(m []string) bool { return m[1] == key })
			if slices.Contains(required, any(key)) != missing {
				t.Errorf("%s: %s is required by the reader: %t", name, key, missing)
			}
			walk(t, root, properties[key].(object), append(slices.Clone(place), key), each)
		}
	case wordSays.MatchString(odd):
		is("enum", strings.Split(wordSays.FindStringSubmatch(odd)[1], ", "))
	case numberSays.MatchString(odd):
		is("type", "integer")
		is("minimum", numberSays.FindStringSubmatch(odd)[1])
		if most, _ := node["maximum"].(float64); fmt.Sprint(int(most)) != numberSays.FindStringSubmatch(odd)[2] {
			t.Errorf("%s: the schema has the maximum %v; the reader says %s", name, most, odd)
		}
	case rateSays.MatchString(odd):
		is("type", "number")
		is("exclusiveMinimum", rateSays.FindStringSubmatch(odd)[1])
		if most, _ := node["maximum"].(float64); fmt.Sprint(int(most)) != rateSays.FindStringSubmatch(odd)[2] {
			t.Errorf("%s: the schema has the maximum %v; the reader says %s", name, most, odd)
		}
	case durationSays.MatchString(odd):
		is("$ref", "#/$defs/duration")
	case booleanSays.MatchString(odd):
		is("type", "boolean")
	case networkSays.MatchString(odd):
		is("$ref", "#/$defs/network")
	case listSays.MatchString(odd) && !strings.Contains(said(place, "x"), "not a list"):
		is("$ref", "#/$defs/names") // of which one needs no list
	case listSays.MatchString(odd):
		is("type", "array")
		items, _ := node["items"].(object)
		walk(t, root, items, append(slices.Clone(place), "[]"), each)
	case textSays.MatchString(odd):
		is("type", "string")
		is("pattern", nameForm)
	default:
		t.Errorf("%s: the reader says %s", name, odd)
	}
}

// TestSchema: the schema for editors allows what the reader allows.
func TestSchema(t *testing.T) {
	root := readSchema(t)
	places := 0
	walk(t, root, root, nil, func([]string, object) { places++ })
	if places < 60 { // a walk that ends early proves nothing
		t.Errorf("%d places", places)
	}
	if most := root["properties"].(object)["peers"].(object)["maxItems"]; most != float64(maxPeers) {
		t.Errorf("maxItems of peers is %v, the reader's is %d", most, maxPeers)
	}
}

// TestSchemaDefaults: writing a default changes nothing.
func TestSchemaDefaults(t *testing.T) {
	root := readSchema(t)
	parse := func(place []string, value any) string {
		whole := object{"version": 1, "sip": object{"ports": []any{5060, 5061}}}
		row := object{"name": "a", "match": object{"initiator": "any"}, "persistent": object{"tcp_keepalive": object{"idle": "1m"}}, "limits": object{"max_connections": 1}}
		inner := row
		for _, step := range place[:len(place)-1] {
			next, ok := inner[step].(object)
			if !ok {
				next = make(object)
				inner[step] = next
			}
			inner = next
		}
		inner[place[len(place)-1]] = value
		whole["peers"] = []any{row}
		p, err := Parse("p", []byte(at(nil, whole)))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v", p.Peers)
	}
	plain, defaults := parse([]string{"name"}, "a"), 0
	walk(t, root, root, nil, func(place []string, node object) {
		value, has := node["default"]
		if !has || len(place) < 2 || place[0] != "peers" {
			return
		}
		defaults++
		if got := parse(place[2:], value); got != plain {
			t.Errorf("%q: with %v it is %s, without %s", place, value, got, plain)
		}
	})
	if defaults != 11 {
		t.Errorf("%d defaults were looked at", defaults)
	}
	ports, _ := root["properties"].(object)["sip"].(object)["properties"].(object)["ports"].(object)
	if got := fmt.Sprint(ports["default"]); got != fmt.Sprint(Default().Ports) {
		t.Errorf("default of sip.ports: %s, built in: %v", got, Default().Ports)
	}
}

// validate checks a file against the schema.
func validate(t *testing.T, text []byte) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(plain)))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestSchemaValidates(t *testing.T) {
	for _, right := range []string{full, string(builtIn), "version: 1\npeers: [{name: a, match: {}, ephemeral: {idle_timeout: 1.5h}}]"} {
		if err := validate(t, []byte(right)); err != nil {
			t.Error(err)
		}
	}
	peer := func(s string) string { return "version: 1\npeers: [{name: a, match: {}, " + s + "}]" }
	for _, wrong := range []string{
		"{}", "version: 2", "version: 1\npears: []", peer("class: persistant"), peer("ephemeral: {idle_timeout: 60}"), peer("keepalive: {interval: -5s}"),
		"version: 1\npeers: [{name: a}]", "version: 1\npeers: [{name: other, match: {}}]", "version: 1\npeers: [{name: A, match: {}}]",
		peer("persistent: {tcp_keepalive: {probes: 3}}"), peer("limits: {connects_per_second: 0}"), "version: 1\nsip: {ports: [70000]}",
	} {
		if err := validate(t, []byte(wrong)); err == nil {
			t.Errorf("the schema allows %s", wrong)
		}
		if _, err := Parse("p", []byte(wrong)); err == nil {
			t.Errorf("the reader allows %s", wrong)
		}
	}
}
