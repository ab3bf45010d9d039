// SPDX-License-Identifier: Apache-2.0

// Command guest is the first process of a virtual machine that package kernels
// boots. It makes a plain Linux host of the bare kernel, does what its argument
// names, sends the result over the serial console and powers off:
//
//	guest check      play SIP calls and see that viaduct reports them
//	guest refusal    run viaduct on a kernel that it does not support
//
// Run anywhere else than as process 1 it refuses: it mounts and powers off.
package main

import (
	"context"
	"fmt"
	"os"
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

// run does everything under a deadline, so that a hang is told by name.
func run(args []string) *kernels.Result {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l := &log{ctx: ctx}
	if !l.prepare() {
		return &l.Result
	}
	switch {
	case len(args) == 1 && args[0] == "check":
		l.check()
	case len(args) == 1 && args[0] == "refusal":
		l.refusal()
	default:
		l.step("arguments", func() error { return fmt.Errorf("want check or refusal, got %q", args) })
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
