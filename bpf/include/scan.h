/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets older than the programs, and who holds which socket now. Two passes:
 * the first walks the files of every process and notes holders in the sockets'
 * storage; the second walks that storage, publishes what is new through the
 * ring (so that it is in order with closes) and hands the figures of live SIP
 * sockets to the agent, which is also the recount that finds missed closes.
 */
#ifndef VIADUCT_SCAN_H
#define VIADUCT_SCAN_H

#include "lifecycle.h"

#define IPPROTO_MPTCP 262

static __always_inline void note_holder(struct sock_state *state, struct task_struct *task)
{
	__u32 pid = task->tgid;

	if (state->owner.pid == pid) {
		state->owner.scan = scan;
		return;
	}
	if (state->candidate.scan == scan && state->candidate.pid <= pid)
		return;
	/*
	 * It may be the agent, with its duplicate, or a child that has not come to
	 * run another program. The next scan tells.
	 */
	if (is_held(state->cookie))
		return;
	if (state->owner.pid && task->group_leader->flags & PF_FORKNOEXEC && is_new(task->group_leader))
		return;
	state->candidate.scan = scan;
	state->candidate.pid = pid;
	__builtin_memcpy(state->candidate.comm, task->group_leader->comm, sizeof(state->candidate.comm));
}

/* A socket nobody told us of: all that can be known from its present state. */
static __always_inline void join_mid_life(struct sock_state *state, struct sock *sk, const struct ends *ends)
{
	unsigned char tcp_state = sk->__sk_common.skc_state;

	identify(state, sk);
	if (bpf_map_lookup_elem(&known_sip, &state->cookie))
		state->verdict = VERDICT_SIP;
	if (sk->sk_protocol == IPPROTO_UDP) {
		if (is_sip_port(ends->local_port))
			state->verdict = VERDICT_SIP;
		return;
	}
	state->flags |= SOCK_MID_LIFE;
	if (tcp_state == TCP_LISTEN)
		state->role = ROLE_LISTEN;
	/* A packet may have told already that it is TLS. */
	if (state->verdict == VERDICT_UNDECIDED &&
	    (is_sip_port(ends->local_port) || is_sip_port(ends->remote_port)))
		state->verdict = VERDICT_SIP;
}

static __always_inline void on_socket_of(struct task_struct *task, struct sock *sk)
{
	unsigned short family = sk->__sk_common.skc_family;
	struct sock_state *state;
	struct ends ends;

	if (family != AF_INET && family != AF_INET6)
		return;
	if (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_UDP &&
	    sk->sk_protocol != IPPROTO_MPTCP)
		return;
	/* Unbound, or at its end: nothing to watch. */
	if (!sk->__sk_common.skc_num ||
	    (sk->sk_protocol != IPPROTO_UDP && sk->__sk_common.skc_state == TCP_CLOSE))
		return;
	/* An MPTCP socket is of interest as the listener it was opened as. */
	if (sk->sk_protocol == IPPROTO_MPTCP && sk->__sk_common.skc_state != TCP_LISTEN)
		return;
	state = state_of(sk, true);
	if (!state)
		return;
	ends_of(&ends, sk);
	/* Met by a packet before, or not at all. */
	if (!state->netns)
		join_mid_life(state, sk, &ends);
	note_holder(state, task);
}

static __always_inline void settle_owner(struct sock_state *state)
{
	if (state->owner.scan == scan || state->candidate.scan != scan)
		return;
	state->owner = state->candidate;
	state->flags |= SOCK_OWNER_NEW;
}

static __always_inline void write_figures(const struct sock_state *state, const struct ends *ends, struct sock *sk)
{
	__u32 n = figures_written;
	struct life_record *record = bpf_map_lookup_elem(&figures, &n);

	if (!record)
		return;
	fill_head(&record->head, RECORD_FIGURES, sk->sk_protocol, state, ends, bpf_ktime_get_boot_ns());
	fill_life(record, state);
	fill_figures(record, sk);
	figures_written = n + 1;
}

static __always_inline void on_storage(struct sock *sk, struct sock_state *state)
{
	struct ends ends;

	if (state->flags & SOCK_CLOSED || !state->cookie)
		return;
	/* Listeners that are not known to be SIP too: their children inherit it. */
	settle_owner(state);
	if (state->verdict != VERDICT_SIP && state->verdict != VERDICT_TLS)
		return;
	ends_of(&ends, sk);
	/* Without a port it is closed; its storage goes with the next grace period. */
	if (!ends.local_port)
		return;
	if (sk->sk_protocol == IPPROTO_UDP)
		state->role = ROLE_LISTEN; /* bound: what a datagram socket has instead */
	else if (state->role != ROLE_LISTEN && !(state->flags & (SOCK_ESTABLISHED | SOCK_MID_LIFE)))
		return;
	announce(sk->sk_protocol, state, &ends);
	if (state->flags & SOCK_OWNER_NEW &&
	    emit_life(RECORD_OWNER, DIRECTION_NONE, sk->sk_protocol, state, &ends, NULL))
		state->flags &= ~SOCK_OWNER_NEW;
	write_figures(state, &ends, sk);
}

#endif
