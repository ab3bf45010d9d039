// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// split returns the parts of args between separators.
func split(args []string, separator string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for {
			i := slices.Index(args, separator)
			if i < 0 {
				yield(args)
				return
			}
			if !yield(args[:i]) {
				return
			}
			args = args[i+1:]
		}
	}
}

// execute runs a command to its end, however that is. The error says that it
// could not be started or had to be killed.
func execute(ctx context.Context, args []string) (kernels.Run, error) {
	if len(args) == 0 {
		return kernels.Run{}, errors.New("no command")
	}
	start := time.Now()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return kernels.Run{}, errors.Join(ctx.Err(), errors.New(stdout.String()+stderr.String()))
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return kernels.Run{}, err
	}
	return kernels.Run{
		Args: args, Exit: cmd.ProcessState.ExitCode(), Seconds: time.Since(start).Seconds(),
		Stdout: stdout.String(), Stderr: stderr.String(),
	}, nil
}
