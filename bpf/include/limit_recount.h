/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The recount, in four passes: sockets older than the programs get a name; every
 * number is marked; the sockets with a name are counted again; numbers that
 * nothing has changed since the mark are put right, those that did change are
 * left to the next time.
 */
#ifndef VIADUCT_LIMIT_RECOUNT_H
#define VIADUCT_LIMIT_RECOUNT_H

#include "limit_hold.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#pragma clang attribute pop

static __always_inline bool limit_counts_in(__u8 state)
{
	return state != TCP_CLOSE && state != TCP_LISTEN && state != TCP_SYN_RECV && state != TCP_NEW_SYN_RECV &&
	       state != TCP_TIME_WAIT;
}

/* Who called shows in the ports, if only one of them is a service's. */
static __always_inline void limit_adopt(struct sock *sk)
{
	struct limit_socket *held;
	struct limit_who who = {};
	struct ends ends = {};
	bool in, out;

	if (sk->sk_protocol != IPPROTO_TCP || !limit_counts_in(sk->__sk_common.skc_state))
		return;
	held = bpf_sk_storage_get(&limit_sockets, sk, NULL, 0);
	if (held && held->counted)
		return;
	ends_of(&ends, sk);
	in = limit_identify(&who, &ends, LIMIT_IN);
	out = limit_identify(&who, &ends, LIMIT_OUT);
	if (!in && !out)
		return;
	if (!limit_class(ends.local_port) || !limit_class(ends.remote_port)) {
		limit_hold(sk, &ends, in ? LIMIT_IN : LIMIT_OUT);
		return;
	}
	held = bpf_sk_storage_get(&limit_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!held || held->sideless)
		return;
	held->sideless = 1;
	limit_tally(&limit_counters, LIMIT_COUNT_SIDELESS);
}

static __always_inline void limit_mark(struct limit_count *count)
{
	count->seen = 0;
	count->mark = count->changes;
}

/* A new policy may have another row for the socket, or none. */
static __always_inline void limit_see(struct sock *sk, struct limit_socket *held)
{
	struct limit_count *count;
	struct limit_who who = {};
	struct ends ends = {};

	if (!held->counted)
		return;
	ends_of(&ends, sk);
	if (!limit_counts_in(sk->__sk_common.skc_state) || !limit_identify(&who, &ends, held->who.direction)) {
		held->counted = 0;
		return;
	}
	held->who = who;
	count = limit_count_of(&who);
	if (count)
		__sync_fetch_and_add(&count->seen, 1);
}

static __always_inline void limit_settle(const struct limit_who *key, struct limit_count *count)
{
	struct limit_who who;

	if (count->changes != count->mark)
		return;
	if (count->open != count->seen) {
		count->open = count->seen;
		limit_tally(&limit_counters, LIMIT_COUNT_CORRECTED);
	}
	if (count->open)
		return;
	__builtin_memcpy(&who, key, sizeof(who));
	bpf_map_delete_elem(&limit_counts, &who);
}

#endif
