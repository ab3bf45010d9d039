// SPDX-License-Identifier: Apache-2.0

// Package bpf watches the host's sockets with BPF programs and turns what they
// see into events. It holds the C beside the Go that loads it, and is the only
// package that knows of the kernel.
//
// What is hooked, and what for (minimum kernel 5.15, BTF required):
//
//   - tp_btf/inet_sock_set_state: every edge of every TCP socket's state
//     machine, in every network namespace: opening, first FIN, end.
//   - cgroup_skb/ingress and /egress on the cgroup v2 root: every segment and
//     datagram once, with its socket.
//   - iter/task_file: which process holds which socket; sockets older than the
//     programs.
//   - iter/bpf_sk_storage_map: the sockets still there, with their figures.
//
// And of the limiter, an object of its own that is loaded for policies with
// limits only:
//
//   - cgroup_skb/ingress: a SYN, or the last ACK of a handshake, to a listener.
//   - cgroup/connect4 and /connect6: connect() of a local process.
//   - tp_btf/inet_sock_set_state: how many connections there are, by socket.
//   - iter/task_file, iter/bpf_sk_storage_map, iter/bpf_map_elem: the recount.
//
// All state of a connection lives in socket-local storage, which the kernel
// frees with the socket. Links and maps go with the process: when it dies, the
// host is as it was before.
//
// The trap: a connection is a socket, not a pair of addresses. Where both ends
// live on one host there are two, and each packet is seen twice.
package bpf
