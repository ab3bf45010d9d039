/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records into the ring, and the accounting when there is no room. */
#ifndef VIADUCT_EMIT_H
#define VIADUCT_EMIT_H

#include "maps.h"
#include "config.h"
#include "ends.h"

static __always_inline __u64 wake_flags(void)
{
	if (!wake_bytes)
		return BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= wake_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void fill_head(struct record_head *head, __u8 kind, __u8 protocol,
				      const struct sock_state *state, const struct ends *ends, __u64 time_ns)
{
	head->time_ns = time_ns;
	head->cookie = state->cookie;
	head->netns = state->netns;
	head->kind = kind;
	head->protocol = protocol;
	head->direction = DIRECTION_NONE;
	head->flags = 0;
	if (state->verdict == VERDICT_TLS)
		head->flags |= RECORD_TLS;
	if (state->flags & SOCK_MID_LIFE)
		head->flags |= RECORD_MID_LIFE;
	if (state->flags & SOCK_SPOKE)
		head->flags |= RECORD_SPOKE;
	if (state->role == ROLE_CONNECT && !(state->flags & (SOCK_ESTABLISHED | SOCK_MID_LIFE)))
		head->flags |= RECORD_FAILED;
	if (state->by_agent)
		head->flags |= RECORD_BY_AGENT;
	head->local_port = ends->local_port;
	head->remote_port = ends->remote_port;
	__builtin_memcpy(head->local, ends->local, 16);
	__builtin_memcpy(head->remote, ends->remote, 16);
}

static __always_inline void fill_life(struct life_record *record, const struct sock_state *state)
{
	record->cgroup = state->cgroup;
	record->opened_ns = state->opened_ns;
	record->last_in_ns = state->last_in_ns;
	record->last_out_ns = state->last_out_ns;
	record->bytes_sent = 0;
	record->bytes_received = 0;
	record->handshake_us = state->handshake_us;
	record->srtt_us = 0;
	record->retransmits = 0;
	record->next_in = state->first_in;
	record->next_out = state->first_out;
	record->pid = state->owner.pid;
	record->role = state->role;
	record->ending = state->ending;
	record->exiting = state->exiting;
	record->probes = 0;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	__builtin_memcpy(record->comm, state->owner.comm, sizeof(record->comm));
}

/*
 * Payload bytes: the kernel counts a received FIN as one (and SYN and FIN in
 * bytes_acked, which is why that is not used). sk is NULL where the figures
 * cannot be had (UDP, packets).
 */
static __always_inline void fill_figures(struct life_record *record, struct sock *sk)
{
	struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!tcp)
		return;
	record->bytes_sent = tcp->bytes_sent - tcp->bytes_retrans;
	record->bytes_received = tcp->bytes_received;
	if (sk->__sk_common.skc_flags >> SOCK_DONE_BIT & 1 && record->bytes_received)
		record->bytes_received--;
	record->srtt_us = tcp->srtt_us >> 3;
	record->retransmits = tcp->total_retrans;
	record->probes = tcp->inet_conn.icsk_probes_out;
}

/* Returns whether the record was delivered. */
static __always_inline bool emit_life(__u8 kind, __u8 direction, __u8 protocol,
				      const struct sock_state *state, const struct ends *ends,
				      struct sock *sk)
{
	struct life_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		count(COUNT_RING_FULL_LIFE, 1);
		return false;
	}
	fill_head(&record->head, kind, protocol, state, ends, bpf_ktime_get_boot_ns());
	record->head.direction = direction;
	fill_life(record, state);
	fill_figures(record, sk);
	bpf_ringbuf_submit(record, wake_flags());
	return true;
}

/* A connection is announced once, or again until the ring had room for it. */
static __always_inline void announce(__u8 protocol, struct sock_state *state, const struct ends *ends)
{
	__u8 kind = RECORD_OPENED;

	if (state->flags & SOCK_ANNOUNCED)
		return;
	if (state->role == ROLE_LISTEN)
		kind = RECORD_LISTENING;
	if (emit_life(kind, DIRECTION_NONE, protocol, state, ends, NULL))
		state->flags = (state->flags | SOCK_ANNOUNCED) & ~SOCK_OWNER_NEW;
}

#endif
