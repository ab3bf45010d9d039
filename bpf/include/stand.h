/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How a socket stands whose lock somebody holds: read without taking it, through
 * the caller's own descriptor. While the lock is held nothing of this changes.
 */
#ifndef VIADUCT_STAND_H
#define VIADUCT_STAND_H

#include "kernel.h"

enum standing {
	STANDING_READY,     /* what is written now goes out next, as asked for */
	STANDING_OTHER,     /* the descriptor is not of the socket with this cookie */
	STANDING_STATE,     /* not established */
	STANDING_LAYERED,   /* kernel TLS, or another protocol, cuts the stream into records */
	STANDING_UNLOCKED,  /* nobody has locked the socket */
	STANDING_MOVED,     /* the next byte has another sequence number */
	STANDING_QUEUED,    /* bytes are not acknowledged, or a datagram is being put together */
};

/* What is asked. */
struct stand {
	__u64 cookie;
	__u32 fd;     /* of the calling process */
	__u32 at;     /* TCP: sequence number of the next byte */
	__u32 locked; /* also ask whether the socket is locked */
	__u32 pad;
};

static __always_inline struct sock *socket_of(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file **table = BPF_CORE_READ(task, files, fdt, fd);
	struct file *file = NULL;
	struct socket *socket;

	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline enum standing standing_of_stream(const struct stand *asked, struct tcp_sock *tcp)
{
	struct sock *sk = (struct sock *)tcp;
	__u32 next;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
		return STANDING_STATE;
	if (BPF_CORE_READ(tcp, inet_conn.icsk_ulp_ops))
		return STANDING_LAYERED;
	if (asked->locked && !BPF_CORE_READ(sk, sk_lock.owned))
		return STANDING_UNLOCKED;
	next = BPF_CORE_READ(tcp, write_seq);
	if (next != asked->at)
		return STANDING_MOVED;
	if (BPF_CORE_READ(tcp, snd_nxt) != next || BPF_CORE_READ(tcp, snd_una) != next)
		return STANDING_QUEUED;
	return STANDING_READY;
}

/*
 * While a datagram is being put together (UDP_CORK, MSG_MORE), all that is
 * written becomes part of it, and the socket stays locked during a write.
 */
static __always_inline enum standing standing_of(const struct stand *asked)
{
	struct sock *sk = socket_of(asked->fd);

	/* Read through a descriptor of something else, the cookie is anything but this. */
	if (!asked->cookie || BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) != asked->cookie)
		return STANDING_OTHER;
	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
		return standing_of_stream(asked, (struct tcp_sock *)sk);
	if (BPF_CORE_READ((struct udp_sock *)sk, pending))
		return STANDING_QUEUED;
	return STANDING_READY;
}

#endif
