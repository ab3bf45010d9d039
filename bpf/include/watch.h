/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One packet of one socket: the path from the fast exit to the ring. */
#ifndef VIADUCT_WATCH_H
#define VIADUCT_WATCH_H

#include "lifecycle.h"
#include "tls.h"
#include "verdict.h"
#include "own.h"

#define PASS 1 /* the packet goes on, whatever we saw */
#define DROP 0 /* only what answers viaduct itself */

/* A socket that is older than the programs, or UDP, which has no opening. */
static __always_inline struct sock_state *meet(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct bpf_sock *full = bpf_sk_fullsock(sk);
	struct sock_state *state;

	if (!full || (full->protocol != IPPROTO_TCP && full->protocol != IPPROTO_UDP))
		return NULL;
	state = bpf_sk_storage_get(&sockets, full, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		count(COUNT_NO_STORAGE, 1);
		return NULL;
	}
	state->cookie = bpf_get_socket_cookie(skb);
	state->cgroup = bpf_sk_cgroup_id(full);
	if (full->protocol == IPPROTO_TCP) {
		state->flags |= SOCK_MID_LIFE;
		if (full->state == BPF_TCP_LISTEN)
			state->role = ROLE_LISTEN;
	}
	return state;
}

/*
 * A listener's packets are the handshakes of its children. Payload on the last
 * ACK comes here and not to the child, which does not exist yet; it goes out
 * without a socket cookie, to be joined with the child by its addresses.
 */
static __always_inline void watch_listener(struct __sk_buff *skb, struct sock_state *listener,
					   const struct packet *packet)
{
	__u32 zero = 0;
	struct sock_state *child = bpf_map_lookup_elem(&unborn, &zero);
	struct early_key key = {
		.netns = listener->netns,
		.local_port = packet->ends.local_port,
		.remote_port = packet->ends.remote_port,
	};
	enum sniffed sniffed = sniff_payload(skb, packet);
	struct early_bytes bytes = { .time_ns = packet->time_ns };

	if (!child)
		return;
	*child = (struct sock_state){};
	child->netns = listener->netns;
	child->cgroup = listener->cgroup;
	child->verdict = VERDICT_SIP;
	if (!is_sip_port(packet->ends.local_port)) {
		if (sniffed != SNIFFED_SIP)
			return;
		bytes.flags = EARLY_SIP;
	}
	if (sniffed == SNIFFED_TLS) {
		child->verdict = VERDICT_TLS;
		emit_tls(skb, child, packet, true);
	} else {
		emit_payload(skb, child, packet, true);
	}
	if (child->flags & SOCK_LOST_IN)
		bytes.flags |= EARLY_LOST;
	if (!bytes.flags)
		return;
	__builtin_memcpy(key.local, packet->ends.local, sizeof(key.local));
	__builtin_memcpy(key.remote, packet->ends.remote, sizeof(key.remote));
	bpf_map_update_elem(&early, &key, &bytes, BPF_ANY);
}

/* Returns false for segments that TCP has had before, or will not take. */
static __always_inline bool is_news(struct bpf_sock *sk, const struct packet *packet, bool in)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 end = packet->seq + packet->payload_length;
	__u32 edge;

	if (!tcp)
		return true;
	/* snd_nxt moves after the packet has passed here, so new data ends behind it. */
	if ((__s32)(end - (in ? tcp->rcv_nxt : tcp->snd_nxt)) <= 0) {
		count(COUNT_RETRANSMITTED, 1);
		return false;
	}
	if (!in)
		return true;
	edge = tcp->rcv_wup + tcp->rcv_wnd;
	if ((__s32)(edge - tcp->rcv_nxt) < 0)
		edge = tcp->rcv_nxt;
	if ((__s32)(packet->seq - edge) > 0) {
		count(COUNT_OUT_OF_WINDOW, 1);
		return false;
	}
	return true;
}

/* Bytes of a segment that tell text from what is encrypted: by chance, one of five million is text. */
#define TEXT_BYTES 16

enum first_seen {
	FIRST_SIP,
	FIRST_TLS,
	FIRST_UNKNOWN, /* of a connection in mid-life: the middle of something, perhaps of a TLS record */
};

struct text_bytes {
	__u8 bytes[TEXT_BYTES];
};

static __always_inline bool is_text(const struct text_bytes *from)
{
	for (__u32 i = 0; i < TEXT_BYTES; i++) {
		__u8 c = from->bytes[i];

		if ((c < ' ' && c != '\r' && c != '\n' && c != '\t') || c >= 0x7f)
			return false;
	}
	return true;
}

/*
 * On a SIP port, TLS shows in the first bytes: any record's header, as a server
 * may answer with an alert to whoever says nothing.
 */
static __always_inline enum first_seen first_seen(struct __sk_buff *skb, const struct sock_state *state,
						  const struct packet *packet)
{
	bool mid_life = state->flags & SOCK_MID_LIFE;
	struct text_bytes start = {};

	if (packet->payload_length < TEXT_BYTES) {
		if (packet->payload_length < 3 || bpf_skb_load_bytes(skb, packet->payload_offset, &start, 3))
			return FIRST_SIP; /* a keep-alive at most */
	} else if (bpf_skb_load_bytes(skb, packet->payload_offset, &start, sizeof(start))) {
		return FIRST_SIP;
	}
	if (start.bytes[1] == 3 && start.bytes[0] >= TLS_HANDSHAKE_FIRST && start.bytes[0] <= TLS_APPLICATION_DATA)
		return FIRST_TLS;
	if (!mid_life || (packet->payload_length >= TEXT_BYTES && is_text(&start)))
		return FIRST_SIP;
	return start.bytes[0] == '\r' && start.bytes[1] == '\n' ? FIRST_SIP : FIRST_UNKNOWN;
}

/*
 * Settles what a connection on a SIP port carries; returns false while it is not
 * known. A segment that says nothing is passed over, as what went before it
 * was; so many that do are SIP of a kind of its own.
 */
static __always_inline bool settle(struct __sk_buff *skb, struct sock_state *state, const struct packet *packet,
				   bool in)
{
	enum first_seen first = first_seen(skb, state, packet);

	if (first == FIRST_UNKNOWN && state->tries_in + state->tries_out < TRIES_MID_LIFE) {
		if (in)
			state->tries_in++;
		else
			state->tries_out++;
		return false;
	}
	if (first == FIRST_TLS) {
		state->verdict = VERDICT_TLS;
		state->flags &= ~SOCK_ANNOUNCED; /* once more, now as TLS */
	}
	state->flags |= SOCK_SPOKE;
	if (first == FIRST_TLS)
		announce(IPPROTO_TCP, state, &packet->ends);
	return true;
}

static __always_inline void watch_stream(struct __sk_buff *skb, struct bpf_sock *sk,
					 struct sock_state *state, const struct packet *packet, bool in)
{
	if (!is_news(sk, packet, in))
		return;
	if (state->verdict == VERDICT_UNDECIDED && state->flags & SOCK_MID_LIFE &&
	    (is_sip_port(packet->ends.local_port) || is_sip_port(packet->ends.remote_port)))
		state->verdict = VERDICT_SIP;
	if (in)
		state->last_in_ns = packet->time_ns;
	else
		state->last_out_ns = packet->time_ns;
	if (state->verdict == VERDICT_SIP && !(state->flags & SOCK_SPOKE) && !settle(skb, state, packet, in))
		return;
	state->flags |= SOCK_SPOKE;
	if (state->verdict == VERDICT_UNDECIDED)
		decide_stream(skb, sk, state, packet, in);
	if (state->verdict == VERDICT_TLS)
		emit_tls(skb, state, packet, in);
	if (state->verdict != VERDICT_SIP)
		return;
	announce(IPPROTO_TCP, state, &packet->ends);
	if (in)
		emit_payload(skb, state, packet, in);
	else
		emit_stream(skb, state, packet, bpf_sk_storage_get(&own_bytes, sk, NULL, 0));
}

/* Only a sender's own system call puts a datagram on its way. */
static __always_inline void own_datagram(struct sock_state *state, const struct packet *packet)
{
	if (!packet_knows_process || state->owner.pid)
		return;
	own_by_current(state);
	emit_life(RECORD_OWNER, DIRECTION_NONE, IPPROTO_UDP, state, &packet->ends, NULL);
}

/*
 * Returns whether the datagram goes on. Of workers that share a port by SO_REUSEPORT
 * any may be handed the answer: it is told of as the one's that asked.
 */
static __always_inline int watch_own(struct __sk_buff *skb, struct sock_state *state,
				     const struct packet *packet, const struct own_answer *answer, bool in)
{
	struct range range = { .length = packet->payload_length, .own = true, .asker = answer->cookie };

	emit_range(skb, state, packet, &range, in);
	if (!in || !answer->swallow)
		return PASS;
	count(COUNT_SWALLOWED, 1);
	return DROP;
}

static __always_inline int watch_datagram(struct __sk_buff *skb, struct bpf_sock *sk,
					  struct sock_state *state, const struct packet *packet, bool in)
{
	struct own_answer *answer = own_stun(skb, packet, in);

	if (answer)
		return watch_own(skb, state, packet, answer, in);
	if (state->verdict == VERDICT_UNDECIDED)
		decide_datagram(skb, sk, state, packet, in);
	if (state->verdict != VERDICT_SIP)
		return PASS;
	if (!in)
		own_datagram(state, packet);
	emit_payload(skb, state, packet, in);
	return PASS;
}

static __always_inline int watch(struct __sk_buff *skb, bool in)
{
	struct bpf_sock *sk = skb->sk;
	struct sock_state *state;
	struct packet packet;

	if (!sk)
		return PASS;
	state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!state)
		state = meet(skb, sk);
	if (!state || state->verdict == VERDICT_NOT_SIP)
		return PASS;
	if (!parse_packet(skb, &packet, in)) {
		count(COUNT_UNREADABLE, 1);
		return PASS;
	}
	if (!packet.payload_length)
		return PASS;
	packet.time_ns = bpf_ktime_get_boot_ns();
	if (packet.protocol == IPPROTO_UDP)
		return watch_datagram(skb, sk, state, &packet, in);
	if (state->role != ROLE_LISTEN)
		watch_stream(skb, sk, state, &packet, in);
	else if (in)
		watch_listener(skb, state, &packet);
	return PASS;
}

#endif
