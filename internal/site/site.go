// SPDX-License-Identifier: Apache-2.0

// Package site sets up the core as a flow says of the site that it plays at:
// which profile the rules have there, and which policy.
package site

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/flow"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

// Config returns c as s wants it.
func Config(c agent.Config, s *flow.Section) (agent.Config, error) {
	var err error
	if c.Profile, err = profile(s.Profile); err != nil || s.Policy == "" {
		return c, err
	}
	row, ok := strings.CutPrefix(s.Policy, "{")
	if !ok {
		return c, fmt.Errorf("policy %s: write it as {key: value}", s.Policy)
	}
	c.Policy, err = policyfile.Parse("policy", []byte("version: 1\npeers:\n- {name: carrier, match: {}, "+row))
	return c, err
}

func profile(words []string) (p rule.Profile, err error) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "nat":
			p.NAT = true
		case "draft01":
			p.Draft01 = true
		case "flows":
			p.Flows = n
		case "swamping":
			p.Swamping.PerMinute = n
		case "persistent":
			p.MaxPersistent = n
		case "domains":
			p.Domains = strings.Split(value, ",")
		default:
			return p, fmt.Errorf("profile %s: not known", word)
		}
	}
	return p, nil
}
