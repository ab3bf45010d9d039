/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connect() of a local process: refused before a packet is sent. What is limited
 * is the address called, so that no process swamps a neighbour.
 */
#ifndef VIADUCT_LIMIT_CONNECT_H
#define VIADUCT_LIMIT_CONNECT_H

#include "limit_decide.h"

/* The return value of the hook: 1 lets the call go on. */
static __always_inline int limit_connect(struct bpf_sock_addr *ctx, const __u8 address[16])
{
	struct limit_who who = {};
	enum limit_verdict verdict;
	struct limit_row *row;
	__u32 place;

	place = limit_choose(address, bpf_ntohs(ctx->user_port), LIMIT_OUT);
	if (!place)
		return 1;
	row = limit_row_at(place);
	if (!row)
		return 1;
	limit_name(&who, address, row, LIMIT_OUT);
	verdict = limit_judge(&who, row);
	if (verdict == LIMIT_GOES_ON)
		return 1;
	limit_refused(&who, row, place, verdict);
	if (!row->enforce)
		return 1;
	if (limit_sets_errno)
		bpf_set_retval(-ECONNREFUSED);
	return 0;
}

static __always_inline int limit_connect4(struct bpf_sock_addr *ctx)
{
	__u8 address[16];

	if (ctx->protocol != IPPROTO_TCP)
		return 1;
	map_v4(address, ctx->user_ip4);
	return limit_connect(ctx, address);
}

static __always_inline int limit_connect6(struct bpf_sock_addr *ctx)
{
	__u32 words[4];

	if (ctx->protocol != IPPROTO_TCP)
		return 1;
	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	return limit_connect(ctx, (const __u8 *)words);
}

#endif
