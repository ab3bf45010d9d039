// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/agent/rules/explain"
)

type rulesCommand struct {
	ID     string `arg:"" optional:"" help:"A rule, such as KEEP-09, or the beginning of some, such as KEEP."`
	Format string `help:"How to print: ${enum}." enum:"table,json,markdown" default:"table"`
}

func (c rulesCommand) Run(env *environment) error {
	all, err := c.choose(explain.Entries(rules.Catalogue()))
	if err != nil {
		return err
	}
	switch {
	case c.Format == "json":
		enc := json.NewEncoder(env.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(all)
	case c.Format == "markdown":
		err = explain.Page(env.stdout, all)
	case len(all) == 1 && c.ID != "":
		err = explain.One(env.stdout, &all[0])
	default:
		err = explain.List(env.stdout, all)
	}
	if err != nil {
		return fmt.Errorf("print the rules: %w", err)
	}
	return nil
}

// choose keeps the rule that ID names, or those whose names begin with it.
func (c rulesCommand) choose(all []explain.Entry) ([]explain.Entry, error) {
	if c.ID == "" {
		return all, nil
	}
	var some []explain.Entry
	id := strings.ToUpper(c.ID)
	for _, e := range all {
		if e.ID == id {
			return []explain.Entry{e}, nil
		}
		if strings.HasPrefix(e.ID, id) {
			some = append(some, e)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("there is no rule %s: `viaduct rules` lists them", c.ID)
	}
	return some, nil
}
