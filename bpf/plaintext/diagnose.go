// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
)

// covered is what the doctor says of the probes.
const covered = "plaintext of OpenSSL, GnuTLS, Mbed TLS and Go's crypto/tls by uprobes"

// Diagnose loads the programs and probes this process for a moment.
func Diagnose() []bpf.Feature {
	const name = "tls"
	l, err := load(0, 0, nil)
	if err == nil {
		err = errors.Join(l.probeSelf(), l.Close())
	}
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return []bpf.Feature{{
			Name: name, State: bpf.Missing, Why: err.Error(),
			Do: "what is inside TLS is not read; run with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE, and with CAP_SYS_ADMIN on kernels before 6.6",
		}}
	case err != nil:
		return []bpf.Feature{{Name: name, State: bpf.Missing, Why: err.Error(), Do: "what is inside TLS is not read; a later kernel may allow it"}}
	case !l.multi:
		return []bpf.Feature{{Name: name, State: bpf.There, Why: covered + ", which need CAP_SYS_ADMIN here: the kernel has no uprobe_multi"}}
	}
	return []bpf.Feature{{Name: name, State: bpf.There, Why: covered + " (uprobe_multi)"}}
}

// probeSelf attaches a probe to where this program begins, which it is past.
func (l *Probes) probeSelf() error {
	const self = "/proc/self/exe"
	e, err := elf.Open(self)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	defer e.Close()
	at := make(offsets, len(functions))
	for i, f := range functions {
		if f.name == "SSL_free" {
			at[i] = place{offset: inFile(e, e.Entry)}
		}
	}
	pid := os.Getpid()
	return errors.Join(l.attach(pid, self, at), l.Unfollow(pid))
}
