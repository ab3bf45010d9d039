// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

const page = "../../docs/interop.md"

// watched is the one observation that sees all cases. They run side by side.
var watched *live.Watch

// proven are the numbers of the facts that a test has found true.
var proven struct {
	sync.Mutex
	facts []string
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	lock, err := os.Create(filepath.Join(os.TempDir(), "viaduct-interop.lock"))
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	// Two runs would use the same addresses: one waits for the other.
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return 0, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	p, err := policyfile.Parse("policy.yaml", []byte(keptPolicy))
	if err != nil {
		return 0, err
	}
	if watched, err = live.Start(live.Options{Core: agent.Config{Policy: p}}); err != nil {
		return 0, err
	}
	defer watched.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := watched.Run(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, "interop: nobody watches any more:", err)
		}
		ended <- err
	}()
	code = m.Run()
	cancel()
	if err := <-ended; err != nil {
		return 0, err
	}
	if err := watched.Finish(); err != nil {
		return 0, err
	}
	r := watched.Report()
	if os.Getenv("INTEROP_VERBOSE") != "" {
		printFindings(r)
	}
	if err := keep(r); err != nil || code != 0 {
		return code, err
	}
	complete := flag.Lookup("test.run").Value.String() == ""
	if !complete {
		return code, comparePage(complete)
	}
	return code, errors.Join(comparePage(complete), compareFindings(r))
}

// keep writes viaduct's own report of the run where INTEROP_REPORT says.
func keep(r *report.Report) error {
	name := os.Getenv("INTEROP_REPORT")
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return r.WriteJSON(file)
}

var factInPage = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|`)

// comparePage wants the page to hold every fact that was proven and, after a
// run of all tests, no other.
func comparePage(complete bool) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var written []string
	for _, m := range factInPage.FindAllSubmatch(text, -1) {
		if slices.Contains(written, string(m[1])) {
			return fmt.Errorf("%s has %s twice", page, m[1])
		}
		written = append(written, string(m[1]))
	}
	for _, fact := range proven.facts {
		if !slices.Contains(written, fact) {
			return fmt.Errorf("%s lacks %s, which was proven", page, fact)
		}
	}
	for _, fact := range written {
		if complete && !slices.Contains(proven.facts, fact) {
			return fmt.Errorf("%s states %s, which no test has proven", page, fact)
		}
	}
	return nil
}
