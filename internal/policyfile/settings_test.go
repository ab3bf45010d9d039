// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"fmt"
	"strings"
	"testing"
)

// TestSettings: what is printed of a row can be read again, and says the same.
func TestSettings(t *testing.T) {
	for _, text := range []string{
		full,
		"version: 1\npeers: [{name: a, match: {}}]",
		"version: 1\npeers: [{name: a, match: {}, ephemeral: {idle_timeout: 1h30m5s, close: never}, persistent: {max_connections: 0, min_timeout: 90m, max_timeout: 48h}}]",
		"version: 1\npeers: [{name: a, match: {ports: [1]}, limits: {connects_per_second: 0.5}}, {name: b, match: {}, limits: {max_connections: 7, direction: both}}]",
	} {
		p, err := Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Peers {
			row := p.Peers[i]
			var b strings.Builder
			for _, s := range Settings(&row) {
				fmt.Fprintf(&b, "  %s: %s\n", s.Key, s.Value)
			}
			again, err := Parse("again", []byte("version: 1\npeers:\n- name: "+row.Name+"\n  match: {}\n"+b.String()))
			if err != nil {
				t.Fatalf("%v\n%s", err, &b)
			}
			got := again.Peers[0]
			got.Match, got.Limits.In = row.Match, row.Limits.In // of no limits the direction is not printed
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", row) {
				t.Errorf("got  %+v\nwant %+v\n%s", got, row, &b)
			}
		}
	}
}
