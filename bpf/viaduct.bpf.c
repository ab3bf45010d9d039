//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entry points only; what they do is in include/, by concern. */

#include "watch.h"
#include "scan.h"

/* Keeps these types in BTF, from which the Go side is generated. */
const enum counter *unused_counter __attribute__((unused));
const enum record_kind *unused_record_kind __attribute__((unused));
const enum record_flag *unused_record_flag __attribute__((unused));
const enum direction *unused_direction __attribute__((unused));
const enum role *unused_role __attribute__((unused));
const enum ending *unused_ending __attribute__((unused));
const struct record_head *unused_record_head __attribute__((unused));
const struct data_record *unused_data_record __attribute__((unused));
const struct own_mark *unused_own_mark __attribute__((unused));
const struct own_id *unused_own_id __attribute__((unused));
const struct own_answer *unused_own_answer __attribute__((unused));
const struct life_record *unused_life_record __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int from, int to)
{
	on_state_change(sk, from, to);
	return 0;
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return watch(skb, true);
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return watch(skb, false);
}

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (sk)
		on_socket_of(task, sk);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int scan_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock_state *state = ctx->value;
	struct sock *sk = ctx->sk;

	if (!sk || !state)
		return 0;
	if (figures_written >= FIGURES_MAX)
		return 1; /* this socket again, once there is room */
	on_storage(sk, state);
	return 0;
}
