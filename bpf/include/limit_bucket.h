/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The token bucket, kept as one number: the time at which it will be full again
 * (the generic cell rate algorithm of ATM traffic management). A connect moves
 * that time on by the interval of the allowed rate, and is refused if it lies
 * further ahead than the burst allows.
 *
 * No lock: LRU maps cannot hold one, and fetching atomics are missing in arm64's
 * JIT before 5.18. Two CPUs that look at one source at the same moment may both
 * pass, but both move the time on, so the next ones wait for it: the rate holds.
 */
#ifndef VIADUCT_LIMIT_BUCKET_H
#define VIADUCT_LIMIT_BUCKET_H

#include "kernel.h"

static __always_inline bool limit_take(__u64 *full_at_ns, __u64 now_ns, __u64 interval_ns, __u64 tolerance_ns)
{
	__u64 at = *full_at_ns;

	if (at > now_ns + tolerance_ns)
		return false;
	if (at < now_ns)
		*full_at_ns = now_ns + interval_ns;
	else
		__sync_fetch_and_add(full_at_ns, interval_ns);
	return true;
}

#endif
