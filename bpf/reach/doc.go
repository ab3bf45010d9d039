// SPDX-License-Identifier: Apache-2.0

// Package reach gets at other processes' TCP sockets from the kernel's side: it
// finds who holds them, looks at them, sets their keep-alive options and ends
// them, without a file descriptor. Sockets are named by their cookies.
//
// All of it is BPF iterators, run on demand; nothing stays attached:
//
//   - iter/task_file sees every process of this pid namespace.
//   - iter/tcp sees the sockets of the calling thread's network namespace, and
//     holds a socket's lock while its program runs (bpf_setsockopt since 5.15,
//     bpf_getsockopt for these options since 6.1, bpf_sock_destroy since 6.5).
//
// A pass costs about as much as listing all sockets, or all files, of the host:
// ask for many at once. The trap: MPTCP sockets are not found; their subflows
// are, but those belong to no file.
package reach
