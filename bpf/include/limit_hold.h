/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Connections counted by their sockets. One that is accepted counts from the end
 * of its handshake, one that is called from connect() on, and both until the
 * socket leaves the TCP state machine: no packet that can be forged or sent
 * twice moves the number.
 */
#ifndef VIADUCT_LIMIT_HOLD_H
#define VIADUCT_LIMIT_HOLD_H

#include "limit_decide.h"

/* Finds the entry of a source, or makes it, with nothing counted. */
static __always_inline struct limit_count *limit_count_of(const struct limit_who *who)
{
	struct limit_count *count, none = {};

	count = bpf_map_lookup_elem(&limit_counts, who);
	if (count)
		return count;
	/* If another CPU was faster its entry is found. */
	bpf_map_update_elem(&limit_counts, who, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&limit_counts, who);
}

static __always_inline void limit_add(struct limit_count *count, __s64 n)
{
	__sync_fetch_and_add(&count->open, n);
	__sync_fetch_and_add(&count->changes, 1);
}

/* The name under which a socket is to be counted; false: no row limits it. */
static __always_inline bool limit_identify(struct limit_who *who, const struct ends *ends, __u32 direction)
{
	struct limit_row *row;
	__u32 place;

	place = limit_choose(ends->remote, direction == LIMIT_IN ? ends->local_port : ends->remote_port, direction);
	if (!place)
		return false;
	row = limit_row_at(place);
	if (!row)
		return false;
	limit_name(who, ends->remote, row, direction);
	return true;
}

static __always_inline void limit_hold(struct sock *sk, const struct ends *ends, __u32 direction)
{
	struct limit_socket *held;
	struct limit_who who = {};
	struct limit_count *count;

	held = bpf_sk_storage_get(&limit_sockets, sk, NULL, 0);
	if ((held && held->counted) || !limit_identify(&who, ends, direction))
		return;
	if (!held)
		held = bpf_sk_storage_get(&limit_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!held) {
		limit_tally(&limit_counters, LIMIT_COUNT_NO_STORAGE);
		return;
	}
	held->who = who;
	held->counted = 1;
	count = limit_count_of(&who);
	if (count)
		limit_add(count, 1);
	else
		limit_tally(&limit_counters, LIMIT_COUNT_NO_ROOM);
}

static __always_inline void limit_release(struct sock *sk)
{
	struct limit_socket *held = bpf_sk_storage_get(&limit_sockets, sk, NULL, 0);
	struct limit_count *count;
	struct limit_who who;

	if (!held || !held->counted)
		return;
	held->counted = 0;
	who = held->who;
	count = bpf_map_lookup_elem(&limit_counts, &who);
	if (count && count->open)
		limit_add(count, -1);
}

static __always_inline void limit_state(struct sock *sk, int from, int to)
{
	struct ends ends = {};

	/* MPTCP reports its own sockets here too; its subflows are the TCP ones. */
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	switch (to) {
	case TCP_SYN_SENT:
		ends_of(&ends, sk);
		limit_hold(sk, &ends, LIMIT_OUT);
		break;
	case TCP_ESTABLISHED:
		if (from != TCP_SYN_RECV)
			break;
		ends_of(&ends, sk);
		limit_hold(sk, &ends, LIMIT_IN);
		bpf_map_delete_elem(&limit_half_opens, &ends);
		break;
	case TCP_CLOSE:
		limit_release(sk);
		break;
	}
}

#endif
