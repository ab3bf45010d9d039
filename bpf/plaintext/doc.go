// SPDX-License-Identifier: Apache-2.0

// Package plaintext reads what processes hand to a TLS library and get from
// it, by uprobes in that library, and the first bytes of the encrypted records
// that go with it. Only processes that were asked for are probed. Records go
// through the ring of package bpf's programs, in order with what these see.
//
// Uprobes are attached for one process at a time: by uprobe_multi (6.6), which
// needs CAP_BPF and CAP_PERFMON, else by perf events, which need CAP_SYS_ADMIN on
// kernels of 2025 and later. The trap: a probe whose function begins with an
// instruction that the kernel cannot emulate costs a second trap at each call.
package plaintext
