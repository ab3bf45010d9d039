/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Settings. Constants are set before load and prune what they switch off. */
#ifndef VIADUCT_CONFIG_H
#define VIADUCT_CONFIG_H

#include "kernel.h"

/*
 * Records wake the reader only once this many bytes wait for it: a wake-up for
 * each record costs nine times what the record does. 0: never, where the ring is
 * so large that the reader's own look every few milliseconds is enough, and
 * asking how full it is would only cost.
 */
const volatile __u64 wake_bytes = 256 * 1024;

/* bpf_get_current_task_btf is there for cgroup_skb programs; not all kernels have it. */
const volatile bool packet_knows_process = false;

/* Bit n: port n carries SIP. Not constant: a policy reload changes it. */
__u8 sip_ports[8192];

/* The number of the running or last scan; the agent counts it up. */
__u32 scan;

/* How many records the scan has written since the agent took some. */
__u32 figures_written;

/*
 * The cookie of the socket of which the agent holds a duplicate at this moment,
 * and of the one that it is ending; 0: none.
 */
__u64 held_socket;
__u64 ended_socket;

/* The same for the sockets on which it sends keep-alives at this moment. */
#define LANES 4
__u64 written_sockets[LANES];

static __always_inline bool is_held(__u64 cookie)
{
	if (cookie == held_socket)
		return true;
#pragma unroll
	for (int i = 0; i < LANES; i++)
		if (cookie == written_sockets[i])
			return true;
	return false;
}

/* Kernels up to 6.12 forget the bounds of a value whose bytes were swapped. */
static __always_inline bool is_sip_port(__u32 port)
{
	asm volatile("" : "+r"(port));
	port &= 0xffff;
	return sip_ports[port >> 3] >> (port & 7) & 1;
}

#endif
