// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/viaduct-project/viaduct/internal/live"
)

// showProgress keeps one line on a terminal up to date until the returned
// function is called, which clears it. line gives it, of at most 79 columns,
// for the time that has passed. It prints nothing in a pipe.
func showProgress(w io.Writer, line func(elapsed time.Duration) string) (stop func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	var done sync.WaitGroup
	quit := make(chan struct{})
	began := time.Now()
	done.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			fmt.Fprint(w, "\r\033[K"+line(time.Since(began)))
			select {
			case <-quit:
				fmt.Fprint(w, "\r\033[K")
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		close(quit)
		done.Wait()
	}
}

// watchLine tells of a watch of so long, or 0 for one without an end.
func watchLine(w *live.Watch, total time.Duration) func(time.Duration) string {
	return func(elapsed time.Duration) string {
		t := w.Totals()
		clock := elapsed.Round(time.Second).String()
		if total > 0 {
			clock += " of " + total.String()
		}
		line := fmt.Sprintf("%s: %d connections, %d messages", clock, t.Connections, t.Messages)
		if t.Lost > 0 {
			line += fmt.Sprintf(", %d lost", t.Lost)
		}
		return line + " (Ctrl-C: report)"
	}
}
