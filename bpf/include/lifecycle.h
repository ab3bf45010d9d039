/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From the TCP state machine's edges to the life of a connection. */
#ifndef VIADUCT_LIFECYCLE_H
#define VIADUCT_LIFECYCLE_H

#include "emit.h"

/*
 * A child that was forked to run another program has its parent's sockets until
 * it has done so, and the last copy of one may be closed by that: it was never
 * the child's. A child that means to keep a socket has it for longer.
 */
#define CHILD_NS (1000 * 1000 * 1000ULL)

static __always_inline bool is_new(const struct task_struct *leader)
{
	return bpf_ktime_get_boot_ns() - leader->start_boottime < CHILD_NS;
}

/*
 * The current task is the owner on edges that only its own system call can
 * cause, or that a kernel thread makes for it later (MPTCP sends its FINs so).
 * Name and pid are the thread group's: what ps shows. Not so on a socket of
 * which the agent holds a duplicate: the call may be the agent's.
 */
static __always_inline void own_by_current(struct sock_state *state)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 pid = task->tgid;

	if (task->flags & PF_KTHREAD || is_held(state->cookie))
		return;
	if (state->owner.pid && state->owner.pid == task->group_leader->real_parent->tgid &&
	    is_new(task->group_leader))
		return;
	if (state->owner.pid && state->owner.pid != pid)
		state->flags |= SOCK_OWNER_NEW;
	state->owner.pid = pid;
	state->owner.scan = scan;
	__builtin_memcpy(state->owner.comm, task->group_leader->comm, sizeof(state->owner.comm));
}

/* A close that is part of the process's end says nothing about its habits. */
static __always_inline bool current_exits(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	return !(task->flags & PF_KTHREAD) && task->flags & PF_EXITING;
}

static __always_inline struct sock_state *state_of(struct sock *sk, bool create)
{
	struct sock_state *state;

	state = bpf_sk_storage_get(&sockets, sk, NULL, create ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (create && !state)
		count(COUNT_NO_STORAGE, 1);
	return state;
}

/* What never changes in a socket's life. */
static __always_inline void identify(struct sock_state *state, struct sock *sk)
{
	state->cookie = bpf_get_socket_cookie(sk);
	state->netns = sk->__sk_common.skc_net.net->net_cookie;
	state->cgroup = sk->sk_cgrp_data.cgroup->kn->id;
}

static __always_inline void forget(struct sock_state *state)
{
	state->opened_ns = 0;
	state->last_in_ns = 0;
	state->last_out_ns = 0;
	state->handshake_us = 0;
	state->first_in = 0;
	state->first_out = 0;
	state->tls_in_bytes = 0;
	state->tls_out_bytes = 0;
	state->candidate.pid = 0;
	state->candidate.scan = 0;
	state->verdict = VERDICT_UNDECIDED;
	state->flags = 0;
	state->ending = ENDING_NONE;
	state->exiting = 0;
	state->by_agent = 0;
	state->tries_in = 0;
	state->tries_out = 0;
}

static __always_inline void on_connecting(struct sock *sk, const struct ends *ends)
{
	struct sock_state *state = state_of(sk, true);

	if (!state)
		return;
	forget(state);
	identify(state, sk);
	own_by_current(state);
	state->role = ROLE_CONNECT;
	state->opened_ns = bpf_ktime_get_boot_ns();
	if (is_sip_port(ends->remote_port))
		state->verdict = VERDICT_SIP;
}

static __always_inline void on_listening(struct sock *sk, const struct ends *ends)
{
	struct sock_state *state = state_of(sk, true);

	if (!state)
		return;
	forget(state);
	identify(state, sk);
	own_by_current(state);
	state->role = ROLE_LISTEN;
	if (is_sip_port(ends->local_port)) {
		state->verdict = VERDICT_SIP;
		announce(IPPROTO_TCP, state, ends);
	}
}

/* The child of a listener, in softirq: its owner is the listener's, cloned. */
static __always_inline void on_accepting(struct sock *sk, const struct ends *ends)
{
	struct sock_state *state = state_of(sk, true);

	if (!state)
		return;
	forget(state);
	identify(state, sk);
	state->role = ROLE_ACCEPT;
	if (is_sip_port(ends->local_port))
		state->verdict = VERDICT_SIP;
}

/* Bytes on the handshake's last ACK came before this socket was there. */
static __always_inline void adopt_early(struct sock_state *state, const struct ends *ends)
{
	struct early_key key = {
		.netns = state->netns,
		.local_port = ends->local_port,
		.remote_port = ends->remote_port,
	};
	struct early_bytes *bytes;

	__builtin_memcpy(key.local, ends->local, sizeof(key.local));
	__builtin_memcpy(key.remote, ends->remote, sizeof(key.remote));
	bytes = bpf_map_lookup_elem(&early, &key);
	if (!bytes)
		return;
	if (bpf_ktime_get_boot_ns() - bytes->time_ns < EARLY_NS) {
		if (bytes->flags & EARLY_SIP)
			state->verdict = VERDICT_SIP;
		if (bytes->flags & EARLY_LOST)
			state->flags |= SOCK_LOST_IN;
	}
	bpf_map_delete_elem(&early, &key);
}

static __always_inline void on_established(struct sock *sk, const struct ends *ends, int from)
{
	struct sock_state *state = state_of(sk, false);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u64 now = bpf_ktime_get_boot_ns();

	if (!state || !tcp)
		return;
	if (from == TCP_SYN_SENT && state->opened_ns) {
		state->handshake_us = (now - state->opened_ns) / 1000;
	} else if (from == TCP_SYN_RECV) {
		/* SYN-ACK to ACK is the first round trip that TCP has measured. */
		state->handshake_us = tcp->srtt_us >> 3;
		state->opened_ns = now - (__u64)state->handshake_us * 1000;
	}
	/* An accepted socket still has its listener's cookie while it is SYN_RECV (6.1). */
	state->cookie = bpf_get_socket_cookie(sk);
	state->first_in = tcp->rcv_nxt;
	state->first_out = tcp->snd_nxt;
	state->flags |= SOCK_ESTABLISHED;
	if (state->role == ROLE_ACCEPT)
		adopt_early(state, ends);
	if (state->verdict == VERDICT_SIP)
		announce(IPPROTO_TCP, state, ends);
}

static __always_inline void on_first_fin(struct sock *sk, const struct ends *ends, bool local)
{
	struct sock_state *state = state_of(sk, false);

	if (!state || state->ending)
		return;
	if (local) {
		own_by_current(state);
		state->by_agent = state->cookie == ended_socket;
		state->exiting = current_exits();
	}
	state->ending = local ? ENDING_FIN_LOCAL : ENDING_FIN_REMOTE;
	if (state->verdict == VERDICT_SIP || state->verdict == VERDICT_TLS)
		emit_life(RECORD_HALF_CLOSED, local ? DIRECTION_OUT : DIRECTION_IN, IPPROTO_TCP,
			  state, ends, sk);
}

/* The other side closed first; this process closes now, so it is the owner. */
static __always_inline void on_answering_fin(struct sock *sk)
{
	struct sock_state *state = state_of(sk, false);

	if (state)
		own_by_current(state);
}

/* How a connection ended that saw no FIN, or a connect that got no answer. */
static __always_inline __u8 abrupt_ending(int error, bool established)
{
	switch (error) {
	case 0:
		return established ? ENDING_RST_LOCAL : ENDING_GAVE_UP;
	case ECONNABORTED: /* an administrator's destroy */
		return ENDING_RST_LOCAL;
	case ECONNREFUSED:
		return established ? ENDING_RST_REMOTE : ENDING_REFUSED;
	case ETIMEDOUT:
		return ENDING_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return ENDING_UNREACHABLE;
	default:
		return established ? ENDING_RST_REMOTE : ENDING_UNREACHABLE;
	}
}

static __always_inline void on_closed(struct sock *sk, struct ends *ends)
{
	struct sock_state *state = state_of(sk, false);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!state || !tcp || state->flags & SOCK_CLOSED)
		return;
	/* The kernel has given the port back already, but not forgotten it. */
	if (!ends->local_port)
		ends->local_port = bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport);
	state->flags |= SOCK_CLOSED;
	if (state->role == ROLE_LISTEN) {
		if (state->verdict == VERDICT_SIP)
			emit_life(RECORD_CLOSED, DIRECTION_NONE, IPPROTO_TCP, state, ends, sk);
		return;
	}
	/* A child that never saw the last ACK is no connection. */
	if (!(state->flags & (SOCK_ESTABLISHED | SOCK_MID_LIFE)) && state->role != ROLE_CONNECT)
		return;
	if (!state->ending) {
		state->ending = abrupt_ending(sk->sk_err, state->flags & (SOCK_ESTABLISHED | SOCK_MID_LIFE));
		state->exiting = state->ending == ENDING_RST_LOCAL && current_exits();
		state->by_agent = sk->sk_err == ECONNABORTED && state->cookie == ended_socket;
	}
	if (state->verdict == VERDICT_SIP || state->verdict == VERDICT_TLS)
		emit_life(RECORD_CLOSED, DIRECTION_NONE, IPPROTO_TCP, state, ends, sk);
}

static __always_inline void on_state_change(struct sock *sk, int from, int to)
{
	struct ends ends;

	/* MPTCP reports its own sockets here too; its subflows are the TCP ones. */
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	ends_of(&ends, sk);
	switch (to) {
	case TCP_SYN_SENT:
		on_connecting(sk, &ends);
		break;
	case TCP_LISTEN:
		on_listening(sk, &ends);
		break;
	case TCP_SYN_RECV:
		if (from == TCP_LISTEN)
			on_accepting(sk, &ends);
		break;
	case TCP_ESTABLISHED:
		on_established(sk, &ends, from);
		break;
	case TCP_FIN_WAIT1:
		on_first_fin(sk, &ends, true);
		break;
	case TCP_CLOSE_WAIT:
		on_first_fin(sk, &ends, false);
		break;
	case TCP_LAST_ACK:
		on_answering_fin(sk);
		break;
	case TCP_CLOSE:
		on_closed(sk, &ends);
		break;
	}
}

#endif
