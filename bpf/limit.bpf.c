//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The limiter's entry points; what they do is in include/limit_*.h, by concern.
 * An object of its own: a host whose policy has no limits does not pay for it.
 */

#include "limit_arrive.h"
#include "limit_connect.h"
#include "limit_recount.h"

/* Keeps these types in BTF, from which the Go side is generated. */
const enum limit_counter *unused_limit_counter __attribute__((unused));
const enum limit_verdict *unused_limit_verdict __attribute__((unused));
const enum limit_direction *unused_limit_direction __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/ingress")
int limit_packet_in(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk || sk->state != TCP_LISTEN)
		return 1;
	return limit_arrive(skb);
}

SEC("cgroup/connect4")
int limit_connect_v4(struct bpf_sock_addr *ctx)
{
	return limit_connect4(ctx);
}

SEC("cgroup/connect6")
int limit_connect_v6(struct bpf_sock_addr *ctx)
{
	return limit_connect6(ctx);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(limit_tcp_state, struct sock *sk, int from, int to)
{
	limit_state(sk, from, to);
	return 0;
}

/*
 * The same again. The kernel does not run a program of this type a second time
 * on a CPU that is in it (recursion_misses), and a softirq may interrupt it in
 * connect() or close(), and end many connections before it goes back. It finds
 * one of the two free; what both see is counted once.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(limit_tcp_state_again, struct sock *sk, int from, int to)
{
	limit_state(sk, from, to);
	return 0;
}

SEC("iter/task_file")
int limit_scan_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!ctx->task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (sk)
		limit_adopt(sk);
	return 0;
}

SEC("iter/bpf_map_elem")
int limit_mark_counts(struct bpf_iter__bpf_map_elem *ctx)
{
	struct limit_count *count = ctx->value;

	if (count)
		limit_mark(count);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int limit_see_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct limit_socket *held = ctx->value;
	struct sock *sk = ctx->sk;

	if (sk && held)
		limit_see(sk, held);
	return 0;
}

SEC("iter/bpf_map_elem")
int limit_settle_counts(struct bpf_iter__bpf_map_elem *ctx)
{
	struct limit_count *count = ctx->value;
	struct limit_who *who = ctx->key;

	if (who && count)
		limit_settle(who, count);
	return 0;
}
