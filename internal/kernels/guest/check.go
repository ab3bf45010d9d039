// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// check sees that this kernel has what viaduct stands on, and that calls get
// through.
func (l *log) check() {
	_ = l.step("BTF", needs("/sys/kernel/btf/vmlinux")) &&
		l.step("cgroup v2", needs("/sys/fs/cgroup/cgroup.controllers")) &&
		l.step("calls", func() error {
			for _, network := range []string{"tcp", "udp"} {
				for _, host := range []string{"127.0.0.1", "::1"} {
					if err := call(l.ctx, network, host); err != nil {
						return err
					}
				}
			}
			return nil
		})
}

func needs(path string) func() error {
	return func() error {
		_, err := os.Stat(path)
		return err
	}
}

// viaduct is where the initramfs has the program.
const viaduct = "/bin/viaduct"

// refusal runs what a user would try first on a kernel that is too old.
func (l *log) refusal() {
	l.run(viaduct, "doctor")
	l.run(viaduct, "audit", "--for", "1s")
}

// run runs a command to its end. How it ended is for the host to judge.
func (l *log) run(args ...string) {
	l.step(fmt.Sprint(args), func() error {
		ctx, cancel := context.WithTimeout(l.ctx, 20*time.Second)
		defer cancel()
		start := time.Now()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		r := kernels.Run{Args: args, Stdout: stdout.String(), Stderr: stderr.String(), Seconds: time.Since(start).Seconds()}
		if cmd.ProcessState == nil {
			return err
		}
		r.Exit = cmd.ProcessState.ExitCode()
		l.Runs = append(l.Runs, r)
		return nil
	})
}
