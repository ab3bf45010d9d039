// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// lateness reads the agent's own histogram.
func (s series) lateness() string {
	const family = "viaduct_keepalive_lateness_seconds"
	type bucket struct{ upTo, n float64 }
	var all []bucket
	for name, v := range s {
		if rest, ok := strings.CutPrefix(name, family+`_bucket{le="`); ok {
			upTo, err := strconv.ParseFloat(strings.TrimSuffix(rest, `"}`), 64)
			if err == nil {
				all = append(all, bucket{upTo, v})
			}
		}
	}
	slices.SortFunc(all, func(a, b bucket) int { return int(math.Copysign(1, a.upTo-b.upTo)) })
	total := s[family+"_count"]
	if total == 0 {
		return "not known"
	}
	of := func(q float64) string {
		for _, b := range all {
			if b.n >= q*total {
				return fmt.Sprintf("%g s", b.upTo)
			}
		}
		return "for ever"
	}
	return fmt.Sprintf("p50 up to %s, p99 up to %s, all up to %s; %.0f ms on average", of(0.5), of(0.99), of(1), 1000*s[family+"_sum"]/total)
}
