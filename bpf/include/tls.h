/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What goes up of a TLS stream: the handshake, and of application data the
 * beginning of each record. A segment that begins with a record's header is
 * followed from header to header; of one that does not (a header is split, a
 * segment before it is missing) all bytes go up, and the agent, which puts
 * segments in order, finds the headers. A segment within a record whose header
 * went up already is passed over. So nothing here depends on what has gone
 * before but for that, and no order of segments can lead it astray.
 */
#ifndef VIADUCT_TLS_H
#define VIADUCT_TLS_H

#include "payload.h"

#define TLS_HEADER_BYTES 5
/* Of application data: the header, and enough of what is encrypted to know the record again. */
#define TLS_BEGIN_BYTES (TLS_HEADER_BYTES + 16)
#define TLS_HANDSHAKE_FIRST 20 /* change_cipher_spec, alert, handshake */
#define TLS_APPLICATION_DATA 23
#define TLS_LENGTH_MAX (16384 + 2048) /* RFC 5246 section 6.2.3 */

/* Records of one segment; what is behind them goes up as it is. */
#define TLS_RECORDS_MAX 32

struct tls_header {
	__u8 type;
	__u8 major;
	__u8 minor;
	__u8 length[2];
};

/* Returns the size of the record that begins at the piece, with its header, or 0. */
static __always_inline __u32 tls_record_at(struct __sk_buff *skb, const struct piece *piece, __u32 left,
					   struct tls_header *header)
{
	__u32 length;

	if (left < TLS_HEADER_BYTES || bpf_skb_load_bytes(skb, piece->offset, header, sizeof(*header)))
		return 0;
	length = (__u32)header->length[0] << 8 | header->length[1];
	if (header->type < TLS_HANDSHAKE_FIRST || header->type > TLS_APPLICATION_DATA || header->major != 3 ||
	    header->minor > 4 || length > TLS_LENGTH_MAX)
		return 0;
	return TLS_HEADER_BYTES + length;
}

/* How many bytes of the segment belong to a record whose header went up. */
static __always_inline __u32 tls_known(const struct sock_state *state, const struct packet *packet, __u32 in)
{
	__u32 begin = in ? state->tls_in : state->tls_out;
	__u32 bytes = in ? state->tls_in_bytes : state->tls_out_bytes;
	__u32 at = packet->seq - begin;

	return at < bytes ? bytes - at : 0;
}

static __always_inline void tls_note(struct sock_state *state, __u32 seq, __u32 bytes, __u32 in)
{
	if (in) {
		state->tls_in = seq;
		state->tls_in_bytes = bytes;
	} else {
		state->tls_out = seq;
		state->tls_out_bytes = bytes;
	}
}

/*
 * The next piece of what is left, which is piece->length; returns how many bytes
 * of it that took. Global, so that the verifier checks it once.
 */
__noinline int emit_tls_piece(struct __sk_buff *skb, struct sock_state *state, const struct packet *packet,
			      struct piece *piece, __u32 in)
{
	struct tls_header header;
	__u32 left, size = 0;

	if (!state || !packet || !piece)
		return 0;
	left = piece->length;
	if (piece->headed)
		size = tls_record_at(skb, piece, left, &header);
	piece->headed = size != 0;
	if (size && header.type == TLS_APPLICATION_DATA) {
		piece->length = size;
		piece->captured = left < size ? left : size;
		if (piece->captured > TLS_BEGIN_BYTES)
			piece->captured = TLS_BEGIN_BYTES;
		tls_note(state, piece->seq, size, in);
	} else {
		if (!size || size > left)
			size = left;
		if (size > PIECE_MAX)
			size = PIECE_MAX;
		piece->length = size;
		piece->captured = size;
	}
	emit_piece(skb, state, packet, piece, in);
	return size;
}

static __always_inline void emit_tls(struct __sk_buff *skb, struct sock_state *state,
				     const struct packet *packet, __u32 in)
{
	struct piece piece = { .kind = RECORD_WIRE, .headed = true };
	__u32 left = packet->payload_length;
	__u32 size = tls_known(state, packet, in);

	piece.offset = packet->payload_offset;
	piece.seq = packet->seq;
	for (int i = 0; i < TLS_RECORDS_MAX + PIECES_MAX; i++) {
		if (size >= left)
			return;
		left -= size;
		piece.offset += size;
		piece.seq += size;
		piece.length = left;
		if (i >= TLS_RECORDS_MAX)
			piece.headed = false;
		size = emit_tls_piece(skb, state, packet, &piece, in);
	}
	if (size >= left)
		return;
	count(COUNT_TRUNCATED_BYTES, left - size);
	lose(state, in, left - size);
}

#endif
