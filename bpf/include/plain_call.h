/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Calls of a TLS library's users. The plaintext is read when a call returns,
 * for only then it is known how much of it the library took or gave. On the way
 * the library reads and writes encrypted records through functions that are
 * probed too: the first bytes of such a record are what tells, by the same bytes
 * on the wire, which socket the session is on.
 */
#ifndef VIADUCT_PLAIN_CALL_H
#define VIADUCT_PLAIN_CALL_H

#include "plain_emit.h"
#include "plain_regs.h"

/* Types of what a record holds. */
enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_APPLICATION_DATA = 23 };

/* What a function is, as the cookie of its probe. */
enum plain_function {
	PLAIN_WRITES = 1, /* else it reads */
	PLAIN_TELLS = 2,  /* the fourth argument is where it puts the number of bytes */
	PLAIN_PEEKS = 4,  /* what it gives will be given again */
	PLAIN_QUIET = 8,  /* it moves what other calls have told of */
	PLAIN_HIDES = 16, /* what it moves is not at its second argument */
	PLAIN_CLOSES = 32, /* what it writes is the closure alert */
	PLAIN_FLAGS = 64, /* with PLAIN_TELLS: the fourth are flags, the fifth tells */
};

static __always_inline struct plain_call *call_of(bool create)
{
	struct plain_call *call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
						       create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (create && !call)
		plain_count(PLAIN_NO_STORAGE, 1);
	return call;
}

/*
 * Whether a call that begins is the work of the one under way, which tells of
 * both. A call whose return was missed is not under way any more: the stack is
 * not below it.
 */
static __always_inline bool is_work_of(struct plain_call *call, struct pt_regs *regs)
{
	if (!call->session || STACK(regs) >= call->stack)
		return false;
	if (call->quiet && call->session == ARGUMENT_1(regs)) {
		call->inside++;
		return true;
	}
	plain_count(PLAIN_NESTED, 1);
	return false;
}

/* Where the call will put the number of bytes; 0: it returns it. */
static __always_inline __u64 told_at(struct pt_regs *regs, __u64 function)
{
	__u64 fourth = ARGUMENT_4(regs), fifth = ARGUMENT_5(regs);

	/* Not one load from a place that is chosen: "dereference of modified ctx ptr" (6.18). */
	barrier_var(fourth);
	barrier_var(fifth);
	if (!(function & PLAIN_TELLS))
		return 0;
	return function & PLAIN_FLAGS ? fifth : fourth;
}

static __always_inline void on_call(struct pt_regs *regs, __u64 function)
{
	struct plain_call *call = call_of(true);

	if (!call || is_work_of(call, regs))
		return;
	call->session = ARGUMENT_1(regs);
	call->buffer = function & PLAIN_HIDES ? 0 : ARGUMENT_2(regs);
	call->moved = told_at(regs, function);
	call->encrypted = 0;
	call->stack = STACK(regs);
	call->direction = function & PLAIN_WRITES ? DIRECTION_OUT : DIRECTION_IN;
	call->silent = !!(function & (PLAIN_PEEKS | PLAIN_QUIET | PLAIN_CLOSES));
	call->quiet = !!(function & PLAIN_QUIET);
	call->closes = !!(function & PLAIN_CLOSES);
	call->inside = 0;
	call->has_fragment = 0;
}

static __always_inline __u32 moved_bytes(const struct plain_call *call, int result)
{
	__u64 moved = 0;

	if (result <= 0 || call->silent)
		return 0;
	if (!call->moved)
		return result;
	if (bpf_probe_read_user(&moved, sizeof(moved), (void *)call->moved)) {
		plain_count(PLAIN_UNREADABLE, 1);
		return 0;
	}
	return moved;
}

static __always_inline void on_result(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);

	if (!call || !call->session)
		return;
	if (call->inside) {
		call->inside--;
		return;
	}
	plain_count(PLAIN_CALLS, 1);
	call->length = moved_bytes(call, RESULT(regs));
	/* A call that wants to be repeated may have moved the record's beginning already. */
	if (call->length && !call->buffer)
		emit_unread(call);
	else if (call->length || call->has_fragment)
		emit_plain(call);
	call->session = 0;
}

static __always_inline bool is_application_data(const __u8 header[RECORD_HEADER_BYTES])
{
	return header[0] == RECORD_APPLICATION_DATA && header[1] == 3;
}

/* Whether the alert at from is a closure alert: its level, and 0. */
static __always_inline bool is_closure(__u64 from, __u64 length)
{
	__u8 alert[2];

	return length == sizeof(alert) && !bpf_probe_read_user(alert, sizeof(alert), (void *)from) && alert[1] == 0;
}

/* Notes the fragment of the record at from, of which length bytes are there. */
static __always_inline void note_record(struct plain_call *call, __u64 from, __u64 length)
{
	__u8 header[8];

	if (length < RECORD_HEADER_BYTES + FRAGMENT_BYTES ||
	    bpf_probe_read_user(header, RECORD_HEADER_BYTES, (void *)from) || !is_application_data(header))
		return;
	call->has_fragment = !bpf_probe_read_user(call->fragment, FRAGMENT_BYTES,
						  (void *)(from + RECORD_HEADER_BYTES));
}

/* Whether a record that goes that way would tell something of the call. */
static __always_inline bool wants_record(const struct plain_call *call, __u8 direction)
{
	return call->session && call->direction == direction && !call->has_fragment;
}

/* BIO_write(bio, bytes, length) */
static __always_inline void on_encrypted_write(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);

	if (call && wants_record(call, DIRECTION_OUT))
		note_record(call, ARGUMENT_2(regs), (__u32)ARGUMENT_3(regs));
}

/* BIO_read(bio, bytes, length): the bytes are there when it returns. */
static __always_inline void on_encrypted_read(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);

	if (call && call->session && call->direction == DIRECTION_IN)
		call->encrypted = ARGUMENT_2(regs);
}

/*
 * The library asks for a header and then for the fragment, or for as much as
 * there is, header and all.
 */
static __always_inline void on_encrypted_bytes(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);
	int length = RESULT(regs);
	__u64 from;

	if (!call || !call->session || !call->encrypted)
		return;
	from = call->encrypted;
	call->encrypted = 0;
	if (length < FRAGMENT_BYTES || call->has_fragment)
		return;
	note_record(call, from, length);
	if (!call->has_fragment)
		call->has_fragment = !bpf_probe_read_user(call->fragment, FRAGMENT_BYTES, (void *)from);
}

#endif
