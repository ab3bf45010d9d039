// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Machine is a kind of virtual computer.
type Machine struct {
	GOARCH string
	qemu   string   // the emulator's program
	pkg    string   // the Debian package that has it
	args   []string // the board and its processor
	params string   // for the kernel: its console is the serial port
}

// On a busy host the emulated timer can be late for the kernel's test of it.
const amd64Params = "console=ttyS0 no_timer_check"

var (
	AMD64 = Machine{
		GOARCH: "amd64", qemu: "qemu-system-x86_64", pkg: "qemu-system-x86",
		args: []string{"-machine", "q35", "-cpu", "max"}, params: amd64Params,
	}
	// Kernels before 7 allocate memory with cmpxchg16b. qemu 7.2 computes that
	// instruction's flags from stale state, and every third guest crashed;
	// without it these kernels allocate in another way. From 7 on they hardly
	// use it, but refuse socket-local storage without it.
	AMD64WithoutCX16 = Machine{
		GOARCH: "amd64", qemu: "qemu-system-x86_64", pkg: "qemu-system-x86",
		args: []string{"-machine", "q35", "-cpu", "max,-cx16"}, params: amd64Params,
	}
	// Pointer authentication in its architected form costs an emulated kernel
	// most of its time; the implementation-defined one does not.
	ARM64 = Machine{
		GOARCH: "arm64", qemu: "qemu-system-aarch64", pkg: "qemu-system-arm",
		args: []string{"-machine", "virt", "-cpu", "max,pauth-impdef=on"}, params: "console=ttyAMA0",
	}
)

// Boot starts k with the initramfs and waits until the guest has powered off.
// args reach the guest's first process. It returns all that the serial console
// showed, also beside an error; ctx limits how long the guest may run.
//
// The guest has two processors, 1 GiB of memory, and neither disk nor network.
func Boot(ctx context.Context, k Kernel, initramfs string, args ...string) ([]byte, error) {
	// panic=-1 with -no-reboot: a panic ends qemu at once.
	cmdline := k.Machine.params + " panic=-1 quiet -- " + strings.Join(args, " ")
	// One thread emulates both processors in turn: with two threads, a kernel
	// that changes its own code can meet the half-changed instruction.
	argv := append([]string{
		"-accel", "tcg,thread=single", "-smp", "2", "-m", "1024",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", k.Image, "-initrd", initramfs, "-append", cmdline,
	}, k.Machine.args...)
	cmd := exec.CommandContext(ctx, k.Machine.qemu, argv...)
	var console, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("boot %s: %w; install %s", k.Name, err, k.Machine.pkg)
	case ctx.Err() != nil:
		err = fmt.Errorf("boot %s: the guest did not power off in time: %w", k.Name, context.Cause(ctx))
	case err != nil:
		err = fmt.Errorf("boot %s: %w: %s", k.Name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return console.Bytes(), err
}
