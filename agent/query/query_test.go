// SPDX-License-Identifier: Apache-2.0

package query

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	line := Line{
		Open: true, Transport: "tls", Class: "persistent", Peer: "Carrier", Process: "Kamailio", PID: "4242",
		Local: []byte("192.0.2.1:5061"), Remote: []byte("[2001:db8::7]:40000"), Keep: true,
	}
	for query, want := range map[string]bool{
		"": true, "state=open": true, "state=closed": false, "transport=tls": true, "transport=tcp": false,
		"class=persistent": true, "class=undetermined": false, "peer=Carrier": true, "peer=carrier": false,
		"process=kamailio": true, "process=KAMAILIO": true, "process=4242": true, "process=424": false, "process=kama": false,
		"address=192.0.2.": true, "address=2001:DB8::7": true, "address=]:40000": true, "address=192.0.3": false,
		"text=carr": true, "text=KAMA": true, "text=keep": true, "text=alias": false, "text=4242": true, "text=:5061": true,
		"text=x": false, "state=open&transport=tls&text=192": true, "state=open&transport=udp&text=192": false,
		"rule=KEEP": true, // findings decide
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := Parse(q.Get, Connections)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		} else if f.Match(&line) != want {
			t.Errorf("%s: %t", query, !want)
		}
	}
}

func TestFindings(t *testing.T) {
	for _, tt := range []struct {
		rule, severity string
		want           bool
	}{
		{"", "", true}, {"KEEP", "", true}, {"KEEP-09", "", true}, {"KEEP-1", "", false},
		{"", "info", true}, {"", "advice", true}, {"", "violation", false}, {"TP", "info", false},
	} {
		f := Filter{Rule: tt.rule, Severity: tt.severity}
		if f.Finding("KEEP-09", "advice") != tt.want || f.ByFindings() != (tt.rule+tt.severity != "") {
			t.Errorf("%+v", tt)
		}
	}
}

func TestParse(t *testing.T) {
	for query, says := range map[string]string{
		"state=half":      `state="half": must be one of open, closed`,
		"severity=deadly": "violation, advice, info",
		"sort=size":       "newest, idle, requests",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Parse(q.Get, Connections); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, cursor := range []string{"", "1", "1.", ".1", "1.2x", "1.-2", "1 .2", "01.2", "99999999999999999999.1"} {
		if p, err := ParsePlace(cursor); err == nil {
			t.Errorf("%q is %v", cursor, p)
		}
	}
	if p, err := ParsePlace(Place{-5, 7}.String()); err != nil || p != (Place{-5, 7}) {
		t.Errorf("%v %v", p, err)
	}
}

// TestPages: going from cursor to cursor gives everything once, in order,
// whatever comes and goes in between.
func TestPages(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var all []Place
		for id := range random.IntN(3000) {
			all = append(all, Place{int64(random.IntN(20)), uint64(id)})
		}
		limit := 1 + random.IntN(100)
		var got []Place
		var after *Place
		for more := true; more; {
			b := NewBest(limit, after)
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for _, p := range all {
				b.Add(p)
			}
			var page []Place
			page, more = b.List()
			if len(page) > limit || more && len(page) < limit {
				t.Fatalf("%d on a page of %d, more: %t", len(page), limit, more)
			}
			if len(page) > 0 {
				last := page[len(page)-1]
				after = &last
			}
			got = append(got, page...)
		}
		slices.SortFunc(all, Place.Compare)
		if !slices.Equal(got, all) {
			t.Fatalf("%d of %d", len(got), len(all))
		}
	}
}
