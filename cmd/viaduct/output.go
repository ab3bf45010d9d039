// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/report/text"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

type outputFlags struct {
	Format string `help:"How to print the report: ${enum}." enum:"table,json,jsonl,html" default:"table"`
	Output string `help:"Write the report to this file, not to standard output." placeholder:"FILE"`
}

// historyBytes is how much is remembered of the past of connections where there
// are pictures of it: of 100,000 connections that carried a request or two.
const historyBytes = 32 << 20

// config is what the core has to remember for the report's format.
func (f outputFlags) config() (c agent.Config) {
	if f.Format == "html" {
		c.MaxHistory = historyBytes
	}
	return c
}

// open comes before the watching, so that an unwritable file costs no audit.
func (f outputFlags) open(env *environment) (io.WriteCloser, error) {
	if f.Output == "" {
		return nopCloser{env.stdout}, nil
	}
	file, err := os.Create(f.Output)
	if err != nil {
		return nil, fmt.Errorf("open the report's file: %w", err)
	}
	return file, nil
}

func (f outputFlags) write(w io.WriteCloser, r *report.Report) error {
	var err error
	switch f.Format {
	case "json":
		err = r.WriteJSON(w)
	case "jsonl":
		err = r.WriteLines(w)
	case "html":
		err = page.WriteReport(w, r)
	default:
		err = text.Write(w, r, width(w))
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// width is that of the terminal that w is, or 0: as wide as it gets.
func width(w io.Writer) int {
	if n, ok := w.(nopCloser); ok {
		w = n.Writer
	}
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
