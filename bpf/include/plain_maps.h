/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps of the probes in TLS libraries. The ring is that of the packet programs. */
#ifndef VIADUCT_PLAIN_MAPS_H
#define VIADUCT_PLAIN_MAPS_H

#include "plain_record.h"

/* Records to the agent: replaced by the map of the packet programs. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} records SEC(".maps");

/* See config.h. */
const volatile __u64 wake_bytes = 256 * 1024;

struct lost_key {
	__u64 session;
	__u32 pid;
	__u32 direction;
};

/* What a thread is in the middle of, between a function's entry and its return. */
struct plain_call {
	__u64 session; /* 0: in no call */
	__u64 buffer;
	__u64 moved;     /* where the call says how many bytes, if its result does not */
	__u64 encrypted; /* the buffer of a read of encrypted bytes under way */
	__u64 stack;     /* where it was at the entry */
	__u32 length;    /* what is left to be sent up, and from where */
	__u32 offset;
	__u8 direction;
	__u8 has_fragment;
	__u8 silent;     /* the result is not what was moved */
	__u8 quiet;      /* nor is that of calls within this one, of which there are so many */
	__u8 inside;
	__u8 closes;
	__u8 pad[2];
	__u8 fragment[FRAGMENT_BYTES];
	struct lost_key key; /* these two: not on the stack, see plain_emit.h */
	__u64 lost;          /* bytes of this session and direction, not told of yet */
};

/*
 * Inserted: when a thread first calls the library. Deleted: by the kernel with
 * the thread. No key of our own can be wrong, and a call that never returns
 * (longjmp, a killed thread) leaves nothing behind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct plain_call);
} calls SEC(".maps");

/*
 * Bytes that found no room in the ring, until a record of the same session and
 * direction says so. Inserted: at the loss. Deleted: by that record. Bound: the
 * LRU; what falls out of it is counted all the same.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct lost_key);
	__type(value, __u64);
} losses SEC(".maps");

/* Nothing is looked up there before something was lost. */
__u32 lossy;

/* Processes whose children are followed. Inserted, deleted: by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u8);
} followed SEC(".maps");

enum plain_counter {
	PLAIN_RING_FULL,  /* records that found the ring full */
	PLAIN_LOST_BYTES, /* plaintext of those, or past the largest call that is copied */
	PLAIN_UNREADABLE, /* buffers of the process that could not be read */
	PLAIN_NESTED,     /* calls inside a call: what the outer one moved was not seen */
	PLAIN_NO_STORAGE, /* threads for whose state there was no memory */
	PLAIN_CALLS,      /* calls that were looked at */
	PLAIN_COUNTERS,
};

/* Never deleted; one slot for each enum plain_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLAIN_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} plain_counters SEC(".maps");

static __always_inline void plain_count(enum plain_counter which, __u64 n)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&plain_counters, &key);

	if (value)
		__sync_fetch_and_add(value, n);
}

#endif
