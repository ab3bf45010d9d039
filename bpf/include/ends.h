/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The two ends of a socket, in record form. */
#ifndef VIADUCT_ENDS_H
#define VIADUCT_ENDS_H

#include "kernel.h"

struct ends {
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};

static __always_inline void map_v4(__u8 to[16], __be32 from)
{
	__u32 *words = (__u32 *)to;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = from;
}

static __always_inline void copy_v6(__u8 to[16], const __u32 from[4])
{
	__u32 *words = (__u32 *)to;

	words[0] = from[0];
	words[1] = from[1];
	words[2] = from[2];
	words[3] = from[3];
}

static __always_inline void ends_of(struct ends *ends, struct sock *sk)
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		/* IPv4 on an IPv6 socket is in mapped form already. */
		for (int i = 0; i < 4; i++) {
			((__u32 *)ends->local)[i] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			((__u32 *)ends->remote)[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		map_v4(ends->local, sk->__sk_common.skc_rcv_saddr);
		map_v4(ends->remote, sk->__sk_common.skc_daddr);
	}
	ends->local_port = sk->__sk_common.skc_num;
	ends->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	ends->pad = 0;
}

#endif
