// SPDX-License-Identifier: Apache-2.0

// Package guard writes to a socket on a condition that is checked while the
// kernel has the socket locked for this very write, so that nothing can come
// between the check and the write.
//
// A TCP socket takes its lock, and then copies what is to be sent from the
// writer's memory. That memory is a page that is not there. The page fault is
// answered by another thread (userfaultfd(2)), which asks how the socket stands
// (package bpf/reach), and brings the page; or else takes the page's permissions
// away, and the write fails with EFAULT, having written nothing.
//
// While the fault waits, all others who want the socket wait too, so the wait
// must end whatever becomes of the threads: if the process was stopped or frozen,
// or gets no CPU. A fault on behalf of the kernel is broken off by nothing
// but the end of the process. So the threads are in a process of their own, which
// does nothing else, and has asked the kernel to kill it if the write takes
// longer than [Patience]. It is started again for the next write.
//
// It takes userfaultfd with faults from the kernel: CAP_SYS_PTRACE, or access to
// /dev/userfaultfd, or vm.unprivileged_userfaultfd=1.
//
// The trap: importing this package makes a program that is called by the name in
// [processName] a writer, before its main function.
package guard
