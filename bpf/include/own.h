/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What viaduct itself sends on other programs' sockets, and what answers it. */
#ifndef VIADUCT_OWN_H
#define VIADUCT_OWN_H

#include "payload.h"

#define STUN_HEADER 20
#define STUN_COOKIE 0x2112A442
#define STUN_REQUEST 0x0001  /* Binding, RFC 8489 section 5 */
#define STUN_SUCCESS 0x0101
#define STUN_ERROR 0x0111

/*
 * Own bytes are CR and LF. A mark can outlive bytes that were never sent, if the
 * process that set it was killed at that moment; then these are a message's.
 */
static __always_inline bool is_line_ends(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	__u8 bytes[OWN_BYTES_MAX] = "\r\n\r\n";

	length = clamp_length(length, OWN_BYTES_MAX);
	if (bpf_skb_load_bytes(skb, offset, bytes, length))
		return false;
	for (int i = 0; i < OWN_BYTES_MAX; i++)
		if (bytes[i] != '\r' && bytes[i] != '\n')
			return false;
	return true;
}

/*
 * A segment may hold more than the own bytes, where these were held back (no
 * window, a cork) until the program wrote more: it is cut, and nothing else
 * is called own. Segments that were sent before do not come here.
 */
static __always_inline void emit_stream(struct __sk_buff *skb, struct sock_state *state,
					const struct packet *packet, struct own_mark *own)
{
	struct range range = { .length = packet->payload_length };
	__s32 from, to;

	if (own && own->length) {
		from = own->at - packet->seq;
		to = from + own->length;
		if (from < 0)
			from = 0;
		if (to > (__s32)packet->payload_length)
			to = packet->payload_length;
		else
			own->length = 0;
		if (from < to && to - from <= OWN_BYTES_MAX &&
		    is_line_ends(skb, packet->payload_offset + from, to - from)) {
			range.length = from;
			emit_range(skb, state, packet, &range, false);
			range.from = from;
			range.length = to - from;
			range.own = true;
			emit_range(skb, state, packet, &range, false);
			range.from = to;
			range.length = packet->payload_length - to;
			range.own = false;
		}
	}
	emit_range(skb, state, packet, &range, false);
}

/*
 * The request that viaduct sends in the program's name, or an answer to it: the
 * datagram is that STUN message, whole and alone, between those two addresses.
 */
static __always_inline struct own_answer *own_stun(struct __sk_buff *skb, const struct packet *packet, bool in)
{
	struct {
		__be16 type;
		__be16 length;
		__be32 cookie;
		struct own_id id;
	} stun;
	struct own_answer *answer;
	__u16 type;

	if (packet->payload_length < STUN_HEADER ||
	    bpf_skb_load_bytes(skb, packet->payload_offset, &stun, STUN_HEADER))
		return NULL;
	type = bpf_ntohs(stun.type);
	if (in ? type != STUN_SUCCESS && type != STUN_ERROR : type != STUN_REQUEST)
		return NULL;
	if (stun.cookie != bpf_htonl(STUN_COOKIE) ||
	    bpf_ntohs(stun.length) + STUN_HEADER != packet->payload_length)
		return NULL;
	answer = bpf_map_lookup_elem(&own_answers, &stun.id);
	if (!answer || answer->expires_ns < packet->time_ns || answer->local_port != packet->ends.local_port ||
	    answer->remote_port != packet->ends.remote_port)
		return NULL;
	for (int i = 0; i < 4; i++)
		if (((__u32 *)answer->remote)[i] != ((__u32 *)packet->ends.remote)[i])
			return NULL;
	return answer;
}

#endif
