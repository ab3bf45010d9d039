// SPDX-License-Identifier: Apache-2.0

// Command guest is the first process of a virtual machine that package kernels
// boots. It makes a plain Linux host of the bare kernel, does what its
// arguments say, sends the result over the serial console and powers off:
//
//	guest WHAT [then WHAT]...
//
// where WHAT is check (load and attach everything, play calls, report on them;
// check libssl: with processes that use OpenSSL beside it)
// or a command line of the initramfs, whose end the host judges.
//
// Run anywhere else than as process 1 it refuses: it mounts and powers off.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: only runs as the first process of a virtual machine")
		os.Exit(2)
	}
	result := run(os.Args[1:])
	// From here on the console is the result's alone: a kernel message in the
	// middle of it would tear the line.
	const consoleOff = 6 // SYSLOG_ACTION_CONSOLE_OFF
	if _, err := unix.Klogctl(consoleOff, nil); err != nil {
		fmt.Println("guest: keep kernel messages off the console:", err)
	}
	if _, err := result.WriteTo(os.Stdout); err != nil {
		fmt.Println("guest: write the result:", err)
	}
	unix.Sync()
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("guest: power off:", err) // returning is a panic, which ends the machine too
}

// deadline is for all that the guest does, so that a hang is told by name. The
// host waits longer. Most of it is room for the BPF verifier, which an emulated
// processor runs many times slower.
const deadline = 90 * time.Second

func run(args []string) *kernels.Result {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	l := &log{ctx: ctx}
	if !l.prepare() {
		return &l.Result
	}
	for what := range split(args, "then") {
		if what[0] == "check" {
			l.check(slices.Contains(what, "libssl"))
			continue
		}
		l.step(strings.Join(what, " "), func() error {
			r, err := execute(l.ctx, what)
			if err == nil {
				l.Runs = append(l.Runs, r)
			}
			return err
		})
	}
	return &l.Result
}

// log gathers the result, and shows on the console where the guest is.
type log struct {
	kernels.Result
	ctx context.Context
}

// step runs f and tells whether it succeeded.
func (l *log) step(name string, f func() error) bool {
	start := time.Now()
	s := kernels.Step{Name: name}
	if err := f(); err != nil {
		s.Error = err.Error()
	}
	s.Seconds = time.Since(start).Seconds()
	l.Steps = append(l.Steps, s)
	fmt.Printf("guest: %s: %.2fs %s\n", s.Name, s.Seconds, s.Error)
	return s.Error == ""
}
