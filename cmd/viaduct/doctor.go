// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/bpf/plaintext"
	"github.com/viaduct-project/viaduct/internal/act"
)

type doctorCommand struct {
	Format string `help:"How to print: ${enum}." enum:"table,json" default:"table"`
}

func (c doctorCommand) Run(env *environment) error {
	features := slices.Concat(bpf.Diagnose(), act.Diagnose(), plaintext.Diagnose())
	var err error
	if c.Format == "json" {
		enc := json.NewEncoder(env.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(features)
	} else {
		err = printFeatures(env.stdout, features)
	}
	if err != nil {
		return fmt.Errorf("print the features: %w", err)
	}
	for _, f := range features {
		if f.Required && f.State == bpf.Missing {
			return fmt.Errorf("this host cannot run viaduct: %s: %s", f.Name, f.Why)
		}
	}
	return nil
}

func printFeatures(w io.Writer, features []bpf.Feature) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range features {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Name, f.State, f.Why)
		if f.Do != "" {
			fmt.Fprintf(t, "\t\tto do: %s\n", f.Do)
		}
	}
	return t.Flush()
}
