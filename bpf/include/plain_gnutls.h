/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * GnuTLS (3.6.3 and later), by the same calls as in plain_call.h. It has no
 * function of its own for encrypted bytes that others could see: it takes them
 * to libc, each record whole, and gets them there.
 *
 *   ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
 *   ssize_t recv(int socket, void *bytes, size_t length, int flags)
 *
 * recv has the shape of BIO_read. What a session that was corked is given is
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

/* sendmsg: each part is a record, but the first one may have been sent half. */
static __always_inline void on_encrypted_message(struct pt_regs *regs)
{
	struct plain_call *call = call_of(false);
	struct part part;
	__u64 parts;

	if (!call || !call->session || call->direction != DIRECTION_OUT || call->has_fragment)
		return;
	if (bpf_probe_read_user(&parts, sizeof(parts), (void *)(ARGUMENT_2(regs) + MESSAGE_PARTS)) ||
	    bpf_probe_read_user(&part, sizeof(part), (void *)parts)) {
		plain_count(PLAIN_UNREADABLE, 1);
		return;
	}
	note_record(call, part.from, part.length);
}

#endif
