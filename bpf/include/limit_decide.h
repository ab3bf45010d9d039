/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which row a connection belongs to, and whether one more of its source may be. */
#ifndef VIADUCT_LIMIT_DECIDE_H
#define VIADUCT_LIMIT_DECIDE_H

#include "limit_bucket.h"
#include "limit_maps.h"

/* Kernels up to 6.12 forget the bounds of a value whose bytes were swapped. */
static __always_inline __u32 limit_class(__u32 port)
{
	asm volatile("" : "+r"(port));
	return limit_ports[port & 0xffff];
}

/*
 * The place in limit_rows, from 1, of the row that limits connections with this
 * remote address and service port; 0: none does. The agent has worked out for
 * each prefix and class of port which row comes first.
 */
static __always_inline __u32 limit_choose(const __u8 address[16], __u32 port, __u32 direction)
{
	struct limit_prefix key = { .length = 128 };
	__u32 class = limit_class(port), at, *line, *choice;

	if (!class)
		return 0;
	__builtin_memcpy(key.address, address, sizeof(key.address));
	line = bpf_map_lookup_elem(&limit_prefixes, &key);
	if (!line)
		return 0;
	at = *line * limit_width + (class - 1) * LIMIT_DIRECTIONS + direction;
	choice = bpf_map_lookup_elem(&limit_choices, &at);
	return choice ? *choice : 0;
}

static __always_inline struct limit_row *limit_row_at(__u32 place)
{
	__u32 key = place - 1;

	return bpf_map_lookup_elem(&limit_rows, &key);
}

static __always_inline void limit_name(struct limit_who *who, const __u8 address[16],
				       const struct limit_row *row, __u32 direction)
{
	__builtin_memcpy(who->address, address, sizeof(who->address));
	who->row = row->id;
	who->direction = direction;
}

static __always_inline bool limit_full(const struct limit_who *who, const struct limit_row *row)
{
	struct limit_count *count;

	if (!row->max_connections)
		return false;
	count = bpf_map_lookup_elem(&limit_counts, who);
	return count && count->open >= row->max_connections;
}

static __always_inline bool limit_in_time(const struct limit_who *who, const struct limit_row *row)
{
	__u64 now = bpf_ktime_get_ns(), *full_at;

	if (!row->interval_ns)
		return true;
	full_at = bpf_map_lookup_elem(&limit_buckets, who);
	if (full_at)
		return limit_take(full_at, now, row->interval_ns, row->tolerance_ns);
	now += row->interval_ns;
	if (bpf_map_update_elem(&limit_buckets, who, &now, BPF_ANY))
		limit_tally(&limit_counters, LIMIT_COUNT_NO_BUCKET);
	return true;
}

/* The number comes first: who has too many does not pay for trying. */
static __always_inline enum limit_verdict limit_judge(const struct limit_who *who, const struct limit_row *row)
{
	if (limit_full(who, row))
		return LIMIT_TOO_MANY;
	return limit_in_time(who, row) ? LIMIT_GOES_ON : LIMIT_TOO_FAST;
}

/* The source first: who reads the rows first never finds more there than with the sources. */
static __noinline void limit_refused(const struct limit_who *who, const struct limit_row *row, __u32 place,
				     enum limit_verdict verdict)
{
	struct limit_refusal_of key = { .enforce = row->enforce, .verdict = verdict };
	__u64 now = bpf_ktime_get_boot_ns();
	struct limit_refusal *refusal, first = { .count = 1, .first_ns = now, .last_ns = now };

	key.who = *who;
	refusal = bpf_map_lookup_elem(&limit_refused_to, &key);
	/* If another CPU was faster its entry is found. */
	if (!refusal && bpf_map_update_elem(&limit_refused_to, &key, &first, BPF_NOEXIST))
		refusal = bpf_map_lookup_elem(&limit_refused_to, &key);
	if (refusal) {
		__sync_fetch_and_add(&refusal->count, 1);
		refusal->last_ns = now;
	}
	limit_tally(&limit_refusals, (place - 1) * LIMIT_DIRECTIONS + who->direction);
}

#endif
