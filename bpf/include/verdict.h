/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Telling SIP from the rest. Configured ports decide at once; elsewhere the
 * first bytes of each direction do, and a socket that shows no SIP is left
 * alone for good: its packets pay one storage look-up.
 */
#ifndef VIADUCT_VERDICT_H
#define VIADUCT_VERDICT_H

#include "payload.h"
#include "sniff.h"

/* A direction whose beginning was not SIP. */
#define TRIES_EXHAUSTED 64
/* Segments without an answer from the other side after which we stop looking. */
#define TRIES_ONE_WAY (TRIES_EXHAUSTED + 16)
/* Segments of a connection joined in mid-life that may be the middle of a body. */
#define TRIES_MID_LIFE 32
/* Datagrams: a SIP server must answer, whatever strangers throw at it. */
#define TRIES_DATAGRAMS_OUT 8

static __always_inline enum sniffed sniff_payload(struct __sk_buff *skb, const struct packet *packet)
{
	struct sniff_bytes start = {};
	__u32 length = clamp_length(packet->payload_length, SNIFF_BYTES);

	if (bpf_skb_load_bytes(skb, packet->payload_offset, &start, length)) {
		count(COUNT_UNREADABLE, 1);
		return SNIFFED_NOT_SIP;
	}
	return sniff(&start, length);
}

/* Keeps a too short beginning, joins it with what follows, looks again. */
static __always_inline enum sniffed sniff_joined(struct __sk_buff *skb, struct head *head,
						 const struct packet *packet)
{
	__u32 length = clamp_length(packet->payload_length, HEAD_BYTES);
	__u32 have = head->length;

	HIDE(have);
	if (have >= HEAD_BYTES)
		return SNIFFED_NOT_SIP;
	if (bpf_skb_load_bytes(skb, packet->payload_offset, head->bytes + have, length)) {
		count(COUNT_UNREADABLE, 1);
		return SNIFFED_NOT_SIP;
	}
	length += have;
	if (length > HEAD_BYTES)
		length = HEAD_BYTES;
	return sniff((struct sniff_bytes *)head->bytes, length);
}

static __always_inline enum sniffed sniff_stream(struct __sk_buff *skb, struct bpf_sock *sk,
						 struct sock_state *state,
						 const struct packet *packet, bool in)
{
	__u32 first = in ? state->first_in : state->first_out;
	enum sniffed sniffed;
	struct heads *heads;
	struct head *head;

	if (state->flags & SOCK_MID_LIFE || packet->seq == first) {
		sniffed = sniff_payload(skb, packet);
		if (sniffed != SNIFFED_MORE || state->flags & SOCK_MID_LIFE ||
		    packet->payload_length >= HEAD_BYTES)
			return sniffed;
	}
	heads = bpf_sk_storage_get(&first_bytes, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!heads) {
		count(COUNT_NO_STORAGE, 1);
		return SNIFFED_NOT_SIP;
	}
	head = in ? &heads->in : &heads->out;
	if (packet->seq == first) {
		head->seq = first;
		head->length = 0;
	} else if (!head->length || packet->seq != head->seq + head->length) {
		return SNIFFED_NOT_SIP;
	}
	sniffed = sniff_joined(skb, head, packet);
	if (sniffed == SNIFFED_MORE)
		head->length += packet->payload_length;
	if (head->length >= HEAD_BYTES)
		return SNIFFED_NOT_SIP;
	return sniffed;
}

/* The bytes that were kept while the verdict was open, now that it is SIP. */
static __always_inline void emit_head(struct sock_state *state, const struct packet *packet,
				      const struct head *head, bool in)
{
	struct piece piece = { .length = head->length, .seq = head->seq, .kind = RECORD_DATA };
	struct data_record *record;

	if (!head->length)
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record) + HEAD_BYTES, 0);
	if (!record) {
		count(COUNT_RING_FULL_DATA, 1);
		lose(state, in, head->length);
		return;
	}
	fill_data(record, state, packet, &piece, in);
	record->captured_bytes = head->length;
	__builtin_memcpy(record + 1, head->bytes, HEAD_BYTES);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void accept_sip(struct bpf_sock *sk, struct sock_state *state,
				       const struct packet *packet)
{
	struct heads *heads;

	state->verdict = VERDICT_SIP;
	if (packet->protocol != IPPROTO_TCP)
		return;
	announce(IPPROTO_TCP, state, &packet->ends);
	heads = bpf_sk_storage_get(&first_bytes, sk, NULL, 0);
	if (!heads)
		return;
	emit_head(state, packet, &heads->in, true);
	emit_head(state, packet, &heads->out, false);
	bpf_sk_storage_delete(&first_bytes, sk);
}

static __always_inline void give_up(struct bpf_sock *sk, struct sock_state *state)
{
	state->verdict = VERDICT_NOT_SIP;
	bpf_sk_storage_delete(&first_bytes, sk);
}

static __always_inline void decide_stream(struct __sk_buff *skb, struct bpf_sock *sk,
					  struct sock_state *state, const struct packet *packet, bool in)
{
	__u8 limit = state->flags & SOCK_MID_LIFE ? TRIES_MID_LIFE : 1;
	__u8 tries = in ? state->tries_in : state->tries_out;
	__u8 other = in ? state->tries_out : state->tries_in;
	enum sniffed sniffed = SNIFFED_NOT_SIP;

	if (tries < TRIES_EXHAUSTED)
		sniffed = sniff_stream(skb, sk, state, packet, in);
	if (sniffed == SNIFFED_SIP) {
		accept_sip(sk, state, packet);
		return;
	}
	if (sniffed == SNIFFED_TLS) {
		/* TLS on a port nobody named: it takes plaintext to call it SIP. */
		give_up(sk, state);
		return;
	}
	if (sniffed == SNIFFED_MORE)
		return;
	tries++;
	if (tries < TRIES_EXHAUSTED && tries >= limit)
		tries = TRIES_EXHAUSTED;
	if (in)
		state->tries_in = tries;
	else
		state->tries_out = tries;
	if (tries >= TRIES_EXHAUSTED && (other >= TRIES_EXHAUSTED || tries >= TRIES_ONE_WAY))
		give_up(sk, state);
}

static __always_inline void decide_datagram(struct __sk_buff *skb, struct bpf_sock *sk,
					    struct sock_state *state, const struct packet *packet, bool in)
{
	if (is_sip_port(packet->ends.local_port) || sniff_payload(skb, packet) == SNIFFED_SIP) {
		accept_sip(sk, state, packet);
		return;
	}
	/* Keep-alives (CRLF, zero bytes) say nothing: RFC 5626 section 4.4. */
	if (packet->payload_length <= 4)
		return;
	if (in)
		state->tries_in++;
	else
		state->tries_out++;
	if (state->tries_out >= TRIES_DATAGRAMS_OUT || state->tries_in >= TRIES_EXHAUSTED)
		state->verdict = VERDICT_NOT_SIP;
}

#endif
