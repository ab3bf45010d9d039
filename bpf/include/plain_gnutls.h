/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * GnuTLS (3.6.3 and later), by the same calls as in plain_call.h. It has no
 * function of its own for encrypted bytes that others could see: it takes them
 * to libc, each record whole, and gets them there.
 *
 *   ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
 *   ssize_t recv(int socket, void *bytes, size_t length, int flags)
 *
 * recv has the shape of BIO_read. A program may give a session functions of its
 * own instead, which the agent is told of, and probes in the same way. What a session that was corked is given is
 * told of when it is given: gnutls_record_uncork gives it to gnutls_record_send2
 * once more.
 */
#ifndef VIADUCT_PLAIN_GNUTLS_H
#define VIADUCT_PLAIN_GNUTLS_H

#include "plain_call.h"

/* struct msghdr behind the address, and struct iovec, on 64-bit machines. */
#define MESSAGE_PARTS 16

struct part {
	__u64 from;
	__u64 length;
};

/* Each part is a record, but the first one may have been sent half. */
static __always_inline void note_parts(struct plain_call *call, __u64 parts)
{
	struct part part;

	if (bpf_probe_read_user(&part, sizeof(part), (void *)parts))
		plain_count(PLAIN_UNREADABLE, 1);
	else
		note_record(call, part.from, part.length);
}

static __always_inline void on_encrypted_parts(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);

	if (call && wants_record(call, DIRECTION_OUT))
		note_parts(call, ARGUMENT_2(regs));
}

/* sendmsg */
static __always_inline void on_encrypted_message(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);
	__u64 parts;

	if (!call || !wants_record(call, DIRECTION_OUT))
		return;
	if (bpf_probe_read_user(&parts, sizeof(parts), (void *)(ARGUMENT_2(regs) + MESSAGE_PARTS)))
		plain_count(PLAIN_UNREADABLE, 1);
	else
		note_parts(call, parts);
}

/* gnutls_transport_set_*_function(session, function); without one, the library's own is used. */
static __always_inline void on_mover(struct pt_regs *regs, __u64 mover)
{
	if (ARGUMENT_2(regs))
		emit_mover(ARGUMENT_2(regs), mover);
}

#endif
