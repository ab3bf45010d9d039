/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Payload of segments and datagrams into the ring. */
#ifndef VIADUCT_PAYLOAD_H
#define VIADUCT_PAYLOAD_H

#include "emit.h"
#include "packet.h"

/*
 * A ring record has a size known to the verifier, so payload goes into the
 * smallest of these that holds it. Most SIP messages have 400 to 1,400 bytes;
 * the largest class cuts super-segments into pieces.
 */
#define PIECE_MAX (16384 - sizeof(struct data_record))

/* 36 * 16 KiB: BIG TCP's largest super-segment (512 KiB). */
#define PIECES_MAX 36

/* Part of a packet's payload. */
struct piece {
	__u32 offset; /* in the packet */
	__u32 length;
	__u32 captured; /* of it, to be copied as far as there is room */
	__u32 seq;
	__u16 kind; /* of the record */
	__u16 headed; /* it may begin with the header of a TLS record */
	__u32 own; /* the agent's bytes, or an answer to it */
	__u64 asker; /* the socket whose record it is, 0: the packet's */
};

static __always_inline void lose(struct sock_state *state, bool in, __u32 bytes)
{
	state->flags |= in ? SOCK_LOST_IN : SOCK_LOST_OUT;
	count(COUNT_LOST_BYTES, bytes);
}

static __always_inline void fill_data(struct data_record *record, struct sock_state *state,
				      const struct packet *packet, const struct piece *piece, bool in)
{
	__u8 lost = in ? SOCK_LOST_IN : SOCK_LOST_OUT;

	fill_head(&record->head, piece->kind, packet->protocol, state, &packet->ends, packet->time_ns);
	record->head.direction = in ? DIRECTION_IN : DIRECTION_OUT;
	if (state->flags & lost) {
		record->head.flags |= RECORD_LOST;
		state->flags &= ~lost;
	}
	if (piece->own)
		record->head.flags |= RECORD_OWN;
	if (piece->asker)
		record->head.cookie = piece->asker;
	record->seq = piece->seq;
	record->length_bytes = piece->length;
	record->pad = 0;
}

#define EMIT_CLASS(bytes)                                                                       \
	static __always_inline bool emit_piece_##bytes(struct __sk_buff *skb,                   \
						       struct sock_state *state,                \
						       const struct packet *packet,             \
						       const struct piece *piece, bool in)      \
	{                                                                                       \
		struct data_record *record = bpf_ringbuf_reserve(&records, bytes, 0);           \
		__u32 length = piece->captured;                                                 \
                                                                                                \
		if (!record) {                                                                  \
			count(COUNT_RING_FULL_DATA, 1);                                         \
			return false;                                                           \
		}                                                                               \
		fill_data(record, state, packet, piece, in);                                    \
		length = clamp_length(length, bytes - sizeof(*record));                         \
		record->captured_bytes = length;                                                \
		if (bpf_skb_load_bytes(skb, piece->offset, record + 1, length)) {               \
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                          \
			count(COUNT_UNREADABLE, 1);                                             \
			return false;                                                           \
		}                                                                               \
		bpf_ringbuf_submit(record, wake_flags());                                       \
		return true;                                                                    \
	}

EMIT_CLASS(104)
EMIT_CLASS(512)
EMIT_CLASS(1024)
EMIT_CLASS(2048)
EMIT_CLASS(16384)

/* Global, so that the verifier checks it once and not for each piece; it takes NULL for possible. */
__noinline int emit_piece(struct __sk_buff *skb, struct sock_state *state, const struct packet *packet,
			  const struct piece *piece, __u32 in)
{
	bool done;

	if (!state || !packet || !piece)
		return 0;
	if (piece->captured <= 104 - sizeof(struct data_record))
		done = emit_piece_104(skb, state, packet, piece, in);
	else if (piece->captured <= 512 - sizeof(struct data_record))
		done = emit_piece_512(skb, state, packet, piece, in);
	else if (piece->captured <= 1024 - sizeof(struct data_record))
		done = emit_piece_1024(skb, state, packet, piece, in);
	else if (piece->captured <= 2048 - sizeof(struct data_record))
		done = emit_piece_2048(skb, state, packet, piece, in);
	else
		done = emit_piece_16384(skb, state, packet, piece, in);
	if (!done)
		lose(state, in, piece->length);
	return 0;
}

/* Part of a packet's payload, of any size. */
struct range {
	__u32 from; /* in the payload */
	__u32 length;
	__u32 own; /* the agent's bytes, or an answer to it */
	__u32 pad;
	__u64 asker; /* the socket whose record it is, 0: the packet's */
};

/*
 * One record for each piece of a segment, or each datagram of a UDP batch (GSO).
 * Global, as emit_piece is.
 */
__noinline int emit_range(struct __sk_buff *skb, struct sock_state *state, const struct packet *packet,
			  const struct range *range, __u32 in)
{
	struct piece piece = { .kind = RECORD_DATA };
	__u32 size = PIECE_MAX;
	__u32 left;

	if (!state || !packet || !range)
		return 0;
	piece.offset = packet->payload_offset + range->from;
	piece.seq = packet->seq + range->from;
	piece.own = range->own;
	piece.asker = range->asker;
	left = range->length;
	if (packet->protocol == IPPROTO_UDP) {
		size = left;
		if (skb->gso_size && skb->gso_size < left)
			size = skb->gso_size;
	}
	for (int i = 0; i < PIECES_MAX && left; i++) {
		piece.length = left < size ? left : size;
		piece.captured = piece.length;
		emit_piece(skb, state, packet, &piece, in);
		if (packet->protocol == IPPROTO_UDP && piece.length > PIECE_MAX)
			count(COUNT_TRUNCATED_BYTES, piece.length - PIECE_MAX);
		piece.offset += piece.length;
		piece.seq += piece.length;
		left -= piece.length;
	}
	if (left) {
		count(COUNT_TRUNCATED_BYTES, left);
		lose(state, in, left);
	}
	return 0;
}

static __always_inline void emit_payload(struct __sk_buff *skb, struct sock_state *state,
					 const struct packet *packet, bool in)
{
	struct range range = { .length = packet->payload_length };

	emit_range(skb, state, packet, &range, in);
}

#endif
