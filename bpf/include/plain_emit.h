/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Plaintext into the ring, in the smallest size class that holds it.
 *
 * Programs on uprobes may be preempted, and what the kernel gives them as a
 * stack beyond 64 bytes may then be written by another task (6.13 and later).
 * So nothing here lives on the stack but a few words; a test holds it to that.
 */
#ifndef VIADUCT_PLAIN_EMIT_H
#define VIADUCT_PLAIN_EMIT_H

#include "plain_maps.h"

#define PLAIN_PIECE_MAX (16384 - sizeof(struct plain_record))

/* 1 MiB in one call. */
#define PLAIN_PIECES_MAX 64

static __always_inline __u64 plain_wake_flags(void)
{
	if (wake_bytes && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= wake_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void fill_plain(struct plain_record *record, __u8 kind, __u8 direction, __u64 session)
{
	__builtin_memset(record, 0, sizeof(*record));
	record->head.time_ns = bpf_ktime_get_boot_ns();
	record->head.kind = kind;
	record->head.direction = direction;
	record->session = session;
	record->pid = current_pid();
}

/* What was lost of this session and direction in earlier calls. */
static __always_inline void recall_losses(struct plain_call *call)
{
	__u64 *bytes;

	call->lost = 0;
	if (!lossy)
		return;
	call->key.session = call->session;
	call->key.pid = current_pid();
	call->key.direction = call->direction;
	bytes = bpf_map_lookup_elem(&losses, &call->key);
	if (!bytes)
		return;
	call->lost = *bytes;
	bpf_map_delete_elem(&losses, &call->key);
}

/* What no record of this call has told of is left to the next call. */
static __always_inline void leave_losses(struct plain_call *call)
{
	if (!call->lost)
		return;
	lossy = 1;
	call->key.session = call->session;
	call->key.pid = current_pid();
	call->key.direction = call->direction;
	bpf_map_update_elem(&losses, &call->key, &call->lost, BPF_ANY);
}

static __always_inline void plain_lose(struct plain_call *call, __u32 bytes)
{
	plain_count(PLAIN_LOST_BYTES, bytes);
	call->lost += bytes;
}

/* 1..max, for helpers that refuse a length they cannot prove to be in it. */
static __always_inline __u32 plain_clamp(__u32 length, __u32 max)
{
	asm volatile("" : "+r"(length));
	if (length > max)
		length = max;
	asm volatile("" : "+r"(length));
	if (length < 1)
		length = 1;
	return length;
}

#define PLAIN_CLASS(bytes)                                                                       \
	static __always_inline bool plain_piece_##bytes(struct plain_call *call, __u32 length)   \
	{                                                                                        \
		struct plain_record *record = bpf_ringbuf_reserve(&records, bytes, 0);           \
                                                                                                 \
		if (!record) {                                                                   \
			plain_count(PLAIN_RING_FULL, 1);                                         \
			return false;                                                            \
		}                                                                                \
		fill_plain(record, PLAIN_DATA, call->direction, call->session);                  \
		record->has_fragment = call->has_fragment;                                       \
		record->closes = call->closes;                                                   \
		__builtin_memcpy(record->fragment, call->fragment, FRAGMENT_BYTES);              \
		record->length_bytes = length;                                                   \
		record->captured_bytes = length;                                                 \
		if (length) {                                                                    \
			__u32 copied = plain_clamp(length, bytes - sizeof(*record));             \
                                                                                                 \
			if (bpf_probe_read_user(record + 1, copied,                              \
						(void *)(call->buffer + call->offset))) {        \
				bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                   \
				plain_count(PLAIN_UNREADABLE, 1);                                \
				return false;                                                    \
			}                                                                        \
		}                                                                                \
		record->lost_bytes = call->lost;                                                 \
		call->lost = 0;                                                                  \
		bpf_ringbuf_submit(record, plain_wake_flags());                                  \
		return true;                                                                     \
	}

PLAIN_CLASS(128)
PLAIN_CLASS(512)
PLAIN_CLASS(1024)
PLAIN_CLASS(2048)
PLAIN_CLASS(16384)

/* Global, so that the verifier checks it once; it takes NULL for possible. */
__noinline int plain_piece(struct plain_call *call)
{
	__u32 length;
	bool done;

	if (!call)
		return 0;
	length = call->length;
	if (length > PLAIN_PIECE_MAX)
		length = PLAIN_PIECE_MAX;
	if (length <= 128 - sizeof(struct plain_record))
		done = plain_piece_128(call, length);
	else if (length <= 512 - sizeof(struct plain_record))
		done = plain_piece_512(call, length);
	else if (length <= 1024 - sizeof(struct plain_record))
		done = plain_piece_1024(call, length);
	else if (length <= 2048 - sizeof(struct plain_record))
		done = plain_piece_2048(call, length);
	else
		done = plain_piece_16384(call, length);
	if (!done && length)
		plain_lose(call, length);
	call->has_fragment = 0;
	call->offset += length;
	call->length -= length;
	return 0;
}

/* All that a call has moved: call->length bytes at call->buffer. */
static __always_inline void emit_plain(struct plain_call *call)
{
	call->offset = 0;
	recall_losses(call);
	for (int i = 0; i < PLAIN_PIECES_MAX; i++) {
		plain_piece(call);
		if (!call->length)
			break;
	}
	if (call->length)
		plain_lose(call, call->length);
	leave_losses(call);
}

/* That a call has moved call->length bytes, which are nowhere to be read. */
static __always_inline void emit_unread(struct plain_call *call)
{
	__u32 bytes = call->length;

	call->offset = 0;
	call->length = 0;
	recall_losses(call);
	plain_lose(call, bytes);
	plain_piece(call);
	leave_losses(call);
}

static __always_inline void emit_gone(__u64 session)
{
	struct plain_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		plain_count(PLAIN_RING_FULL, 1);
		return;
	}
	fill_plain(record, PLAIN_GONE, DIRECTION_NONE, session);
	bpf_ringbuf_submit(record, plain_wake_flags());
}

static __always_inline void emit_mover(__u64 function, __u8 mover)
{
	struct plain_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		plain_count(PLAIN_RING_FULL, 1);
		return;
	}
	fill_plain(record, PLAIN_MOVER, DIRECTION_NONE, function);
	record->mover = mover;
	bpf_ringbuf_submit(record, plain_wake_flags());
}

static __always_inline void emit_forked(__u32 child)
{
	struct plain_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		plain_count(PLAIN_RING_FULL, 1);
		return;
	}
	fill_plain(record, PLAIN_FORKED, DIRECTION_NONE, 0);
	record->pid = child;
	bpf_ringbuf_submit(record, plain_wake_flags());
}

#endif
