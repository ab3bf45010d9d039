//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One connect at a time that the test sets. */
#include "../include/limit_bucket.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 full_at_ns;
__u64 now_ns;
__u64 interval_ns;
__u64 tolerance_ns;

SEC("socket")
int take(struct __sk_buff *skb)
{
	return limit_take(&full_at_ns, now_ns, interval_ns, tolerance_ns);
}
