/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Mbed TLS (2.18 and later). Every record is encrypted and decrypted by one call
 * of a function of its own, in its place:
 *
 *   int mbedtls_ssl_encrypt_buf(ssl, transform, mbedtls_record *rec, ...)
 *   int mbedtls_ssl_decrypt_buf(ssl, transform, mbedtls_record *rec)
 *
 * So the plaintext is there before the one and after the other, the fragment the
 * other way round. How the library's user moves the record does not matter.
 */
#ifndef VIADUCT_PLAIN_MBED_H
#define VIADUCT_PLAIN_MBED_H

#include "plain_call.h"

/* The beginning of an mbedtls_record, the same in 2.18 to 3.6 on 64-bit machines. */
struct mbed_record {
	__u8 counter[8];
	__u8 type; /* of the content, once decrypted */
	__u8 version[2];
	__u64 buffer;
	__u64 buffer_bytes;
	__u64 offset; /* of the content, or fragment, in the buffer */
	__u64 length;
};

_Static_assert(sizeof(struct mbed_record) == 48, "as in the library");

/* Points the call at what the record has just now, and returns its type, 0 for none. */
static __always_inline __u8 at_content(struct plain_call *call)
{
	struct mbed_record record;

	if (bpf_probe_read_user(&record, sizeof(record), (void *)call->moved)) {
		plain_count(PLAIN_UNREADABLE, 1);
		return 0;
	}
	if (record.offset > record.buffer_bytes || record.length > record.buffer_bytes - record.offset)
		return 0;
	call->buffer = record.buffer + record.offset;
	call->length = record.length;
	return record.type;
}

static __always_inline void note_fragment(struct plain_call *call)
{
	call->has_fragment = call->length >= FRAGMENT_BYTES &&
			     !bpf_probe_read_user(call->fragment, FRAGMENT_BYTES, (void *)call->buffer);
}

static __always_inline void on_record(struct pt_regs *regs, __u64 function)
{
	struct plain_call *call = call_of(true);
	__u8 type;

	if (!call)
		return;
	if (call->session)
		plain_count(PLAIN_NESTED, 1);
	call->session = ARGUMENT_1(regs);
	call->direction = function & PLAIN_WRITES ? DIRECTION_OUT : DIRECTION_IN;
	call->moved = ARGUMENT_3(regs);
	call->has_fragment = 0;
	type = at_content(call);
	call->closes = call->direction == DIRECTION_OUT && type == RECORD_ALERT && is_closure(call->buffer, call->length);
	if (call->closes)
		return;
	if (type != RECORD_APPLICATION_DATA) {
		call->session = 0;
		return;
	}
	if (call->direction == DIRECTION_IN) {
		note_fragment(call);
		return;
	}
	/* Soon it will be overwritten. */
	emit_plain(call);
}

static __always_inline void on_record_result(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);

	if (!call || !call->session)
		return;
	if ((int)RESULT(regs) == 0 && at_content(call) == RECORD_APPLICATION_DATA) {
		plain_count(PLAIN_CALLS, 1);
		if (call->direction == DIRECTION_OUT) {
			note_fragment(call);
			call->length = 0; /* the plaintext has gone up */
		}
		if (call->length || call->has_fragment)
			emit_plain(call);
	}
	call->session = 0;
}

#endif
