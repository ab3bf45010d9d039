// SPDX-License-Identifier: Apache-2.0

// Package act lays hands on other processes' TCP sockets: it closes them, gently
// or hard, and sets their keep-alive options. It knows nothing of policy or SIP:
// who is to be closed, and why, is its caller's business.
//
// A socket is named by its cookie, which no other socket has until the next boot,
// and all that the caller believed of it is checked again at the moment of
// acting: the two addresses, the state, that no byte waits to be sent or read,
// that no byte moved since the caller's own last look, and, if the caller named
// a process, that this process still holds it.
//
// There are two ways to a socket. A duplicate (pidfd_getfd, CAP_SYS_PTRACE)
// reaches every network namespace; it keeps the socket open, so it is closed
// before a call returns, and it shares its flags with the owner, so these are
// never touched. An iterator (package bpf/reach) needs no duplicate and works
// under the socket's lock, in the caller's network namespace; in another one
// only with CAP_SYS_ADMIN, which entering it takes.
package act
