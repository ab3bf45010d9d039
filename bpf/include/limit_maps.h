/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The limiter's maps. What a policy says is made anew for each policy; what the
 * host did (buckets, counts, handshakes, sockets) is handed on from one policy
 * to the next. Addresses are 16 bytes, IPv4 in its mapped form.
 */
#ifndef VIADUCT_LIMIT_MAPS_H
#define VIADUCT_LIMIT_MAPS_H

#include "ends.h"

enum limit_direction {
	LIMIT_IN,
	LIMIT_OUT,
	LIMIT_DIRECTIONS,
};

/* One row of the policy that has limits. Zero means: no such limit. */
struct limit_row {
	__u64 interval_ns;  /* between two connects at the allowed rate */
	__u64 tolerance_ns; /* how far a burst may run ahead of it */
	__u32 max_connections;
	__u32 id; /* of the row in who: the same in the next policy */
	__u32 enforce;
	__u32 pad;
};

struct limit_prefix {
	__u32 length; /* in bits */
	__u8 address[16];
};

/* Who is limited: a remote address within a row, for each direction. */
struct limit_who {
	__u8 address[16];
	__u32 row;
	__u32 direction;
};

/* Open connections. The last three fields are the recount's. */
struct limit_count {
	__u64 open;
	__u64 changes; /* counts up with every change of open */
	__u64 mark;    /* changes, when the recount began */
	__u64 seen;    /* sockets that the recount found */
};

/* A connection before it is established. seq is that of its first byte. */
struct limit_half_open {
	__u32 seq;
	__u32 state; /* enum limit_handshake */
};

enum limit_handshake {
	LIMIT_PASSED = 1, /* the SYN went on */
	LIMIT_REFUSED,    /* it did not */
	LIMIT_COUNTED,    /* it did, but among the refused: in a dry run, or since its last ACK */
};

/* What one row refused to one source, and why. */
struct limit_refusal_of {
	struct limit_who who;
	__u32 enforce; /* as in the row, when it was */
	__u32 verdict; /* enum limit_verdict */
};

struct limit_refusal {
	__u64 count;
	__u64 first_ns; /* bpf_ktime_get_boot_ns() */
	__u64 last_ns;
};

enum limit_verdict {
	LIMIT_GOES_ON,
	LIMIT_TOO_MANY, /* connections at a time */
	LIMIT_TOO_FAST, /* new ones a second */
};

struct limit_socket {
	struct limit_who who;
	__u32 counted;
	__u32 sideless; /* older than the programs, and nobody knows who called */
};

/* Set before the programs are attached: one column for each pair of port class and direction. */
const volatile __u32 limit_width = 0;

/* bpf_set_retval is there (5.18): connect() says ECONNREFUSED instead of EPERM. */
const volatile bool limit_sets_errno = false;

/* The class of a port, from 1; 0: no row limits connections to it. Written before attaching. */
__u8 limit_ports[65536];

/*
 * From an address to its line in limit_choices. Filled by the agent before the
 * programs are attached, never changed. Bound: the prefixes of the policy.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct limit_prefix);
	__type(value, __u32);
} limit_prefixes SEC(".maps");

/* Lines of limit_width: the place in limit_rows, from 1; 0: not limited. As above. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} limit_choices SEC(".maps");

/* As above. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_row);
} limit_rows SEC(".maps");

/* Connections refused, or that would be: place in limit_rows * 2 + direction. Never deleted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} limit_refusals SEC(".maps");

/*
 * Whom they were refused to. Made anew with limit_refusals. Inserted: when a
 * source is refused first. Deleted: by the LRU; limit_refusals counts on.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct limit_refusal_of);
	__type(value, struct limit_refusal);
} limit_refused_to SEC(".maps");

#define LIMIT_SOURCES 65536

/*
 * When the next connect is due (see limit_bucket.h). Inserted: at a SYN or
 * connect(). Deleted: by the LRU, so that a flood of invented sources costs this
 * many entries and no more; one that was forgotten starts with a full burst.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LIMIT_SOURCES);
	__type(key, struct limit_who);
	__type(value, __u64);
} limit_buckets SEC(".maps");

/*
 * Handshakes, so that a SYN sent again is not taken for another connection; it
 * holds no place among those that are open. Inserted: at a SYN. Deleted: when
 * the connection is established, and by the LRU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LIMIT_SOURCES);
	__type(key, struct ends);
	__type(value, struct limit_half_open);
} limit_half_opens SEC(".maps");

/*
 * Open connections by source. No LRU: only who completed a handshake, or was
 * called from here, is in it, and is not to be forgotten while connected.
 * Inserted: when a connection is counted. Deleted: by the recount, at zero.
 * When it is full further sources are not limited in number, which is counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_SOURCES);
	__type(key, struct limit_who);
	__type(value, struct limit_count);
} limit_counts SEC(".maps");

/*
 * Under which name a socket is counted. Inserted: at connect(), when an accepted
 * connection is established, or by the recount. Deleted: by the kernel, with
 * the socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct limit_socket);
} limit_sockets SEC(".maps");

enum limit_counter {
	LIMIT_COUNT_NO_ROOM,    /* a connection that limit_counts had no room for */
	LIMIT_COUNT_NO_STORAGE, /* a socket for whose name there was no memory */
	LIMIT_COUNT_NO_BUCKET,  /* a connect that passed for want of a bucket */
	LIMIT_COUNT_UNREADABLE, /* a packet to a listener whose headers could not be read */
	LIMIT_COUNT_SIDELESS,   /* an older socket of which either end may have called */
	LIMIT_COUNT_CORRECTED,  /* sources whose number the recount put right */
	LIMIT_COUNTERS,
};

/* Never deleted; one slot for each enum limit_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} limit_counters SEC(".maps");

static __always_inline void limit_tally(void *map, __u32 key)
{
	__u64 *value = bpf_map_lookup_elem(map, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

#endif
