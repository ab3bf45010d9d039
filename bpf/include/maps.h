/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every map: what it holds, who inserts, who deletes, what bounds it. */
#ifndef VIADUCT_MAPS_H
#define VIADUCT_MAPS_H

#include "record.h"

enum verdict {
	VERDICT_UNDECIDED,
	VERDICT_SIP,
	VERDICT_TLS, /* SIP port, TLS record */
	VERDICT_NOT_SIP,
};

enum sock_flag {
	SOCK_ANNOUNCED = 1,  /* RECORD_OPENED or RECORD_LISTENING was delivered */
	SOCK_MID_LIFE = 2,
	SOCK_LOST_IN = 4,    /* bytes lost since the last delivered record */
	SOCK_LOST_OUT = 8,
	SOCK_CLOSED = 16,
	SOCK_OWNER_NEW = 32, /* owner differs from what was delivered */
	SOCK_ESTABLISHED = 64,
	SOCK_SPOKE = 128,
};

struct owner {
	__u32 pid;
	__u32 scan; /* the scan that saw this process hold the socket */
	char comm[16];
};

/*
 * One struct for each TCP and UDP socket, in one map: more than a few storage
 * maps in a socket cost look-ups. Fields are written under no lock:
 * a race between two CPUs costs a duplicate or a missed mark, both of which the
 * agent's reassembly by sequence number survives.
 */
struct sock_state {
	__u64 cookie;
	__u64 netns;
	__u64 cgroup;
	__u64 opened_ns;
	__u64 last_in_ns;
	__u64 last_out_ns;
	__u32 handshake_us;
	__u32 first_in; /* sequence numbers of the first bytes; 0 in mid-life */
	__u32 first_out;
	/* Newest record of TLS application data whose header went up. */
	__u32 tls_in;
	__u32 tls_out;
	__u16 tls_in_bytes; /* with its header; 0: none */
	__u16 tls_out_bytes;
	struct owner owner;
	struct owner candidate; /* another holder seen by the scan */
	__u8 verdict;
	__u8 role;
	__u8 flags;
	__u8 ending; /* first FIN or RST, once there is one */
	__u8 tries_in;
	__u8 tries_out;
	__u8 exiting; /* the process was, when it closed */
	__u8 by_agent; /* the agent ended it */
};

/*
 * Inserted: at connect, listen and accept, at the first packet of a socket
 * older than the programs, by the scan. Deleted: by the kernel with the
 * socket. Bound: the sockets of the host. A child inherits its listener's
 * (BPF_F_CLONE), which is how an accepted socket knows its owner.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_state);
} sockets SEC(".maps");

/*
 * What stands for the child of a listener while its first segment goes up: the
 * stack has no room for it (Linux 6.1 allows 512 bytes to a program and all that
 * it calls). Written anew for each segment, by the ingress program alone, which no
 * other of its kind interrupts.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sock_state);
} unborn SEC(".maps");

#define HEAD_BYTES 64

/* Twice the size, so that the verifier sees any append to stay inside. */
struct head {
	__u32 seq;
	__u32 length;
	__u8 bytes[2 * HEAD_BYTES];
};

struct heads {
	struct head in;
	struct head out;
};

/*
 * The first bytes of a stream whose first segment was too short to tell SIP
 * from the rest. Inserted: by the packet programs, on undecided sockets only.
 * Deleted: at the verdict, or with the socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct heads);
} first_bytes SEC(".maps");

struct early_key {
	__u64 netns;
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};

enum early_flag {
	EARLY_SIP = 1,  /* what arrived is SIP, on a port that is not configured */
	EARLY_LOST = 2, /* the ring had no room for it */
};

struct early_bytes {
	__u64 time_ns;
	__u64 flags;
};

/* The child follows at once; an older entry is of another connection. */
#define EARLY_NS 5000000000ULL

/*
 * What a child must know of the bytes that its listener received for it, with
 * the last ACK of the handshake. Inserted: by the ingress program. Deleted: when
 * the child is established; by the agent's scan and the LRU for children that
 * never are, and where a second copy of the segment came to the listener while
 * the child was being made of the first.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct early_key);
	__type(value, struct early_bytes);
} early SEC(".maps");

/*
 * Cookies of sockets on which an earlier agent has read SIP, so that those on
 * other ports need not speak again to be known. Filled by the agent before the
 * programs are attached, never changed. Bound: what the earlier agent has saved.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u8);
} known_sip SEC(".maps");

#define OWN_BYTES_MAX 4

/* length bytes of a stream, from the one with sequence number at. */
struct own_mark {
	__u32 at;
	__u32 length;
};

/*
 * The keep-alive that the agent writes into a stream. Inserted: by the agent,
 * while it has the socket locked for this write; from the next keep-alive on,
 * replaced. Emptied: by the egress program, when the bytes have passed, and by the
 * agent if they were not written. Deleted: by the kernel with the socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct own_mark);
} own_bytes SEC(".maps");

/* A STUN transaction. */
struct own_id {
	__u32 words[3];
};

struct own_answer {
	__u64 expires_ns;
	__u64 cookie; /* of the socket that asked; the answer may come to another one with its port */
	__u8 remote[16];
	__u16 remote_port;
	__u16 local_port;
	__u32 swallow; /* the program is not to see the answer */
};

/*
 * The STUN requests that the agent sends. Inserted: by the agent, before it sends
 * one. Deleted: by the agent, some time after the last. Bound: 16,384 a second for
 * the 16 seconds that each is kept.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct own_id);
	__type(value, struct own_answer);
} own_answers SEC(".maps");

#define FIGURES_MAX 8192

/*
 * What a scan has to say of the sockets that are open. Inserted: by the scan,
 * from the front; when it is full the pass stops. The agent takes what is there
 * and has the pass go on. As an iterator's own output, which the kernel has room
 * for some hundred records of at a time, it would cost a walk from the beginning
 * for each of these pieces.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FIGURES_MAX);
	__type(key, __u32);
	__type(value, struct life_record);
} figures SEC(".maps");

/* Records to the agent; the loader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} records SEC(".maps");

enum counter {
	COUNT_RING_FULL_LIFE,  /* a life-cycle record found the ring full */
	COUNT_RING_FULL_DATA,  /* a payload record found the ring full */
	COUNT_LOST_BYTES,      /* payload bytes of those */
	COUNT_TRUNCATED_BYTES, /* payload bytes past the largest segment we copy */
	COUNT_UNREADABLE,      /* a packet whose headers or payload could not be read */
	COUNT_NO_STORAGE,      /* no memory for a socket's state */
	COUNT_OUT_OF_WINDOW,   /* segments that TCP will not accept */
	COUNT_RETRANSMITTED,   /* segments seen before, not copied again */
	COUNT_SWALLOWED,       /* answers to the agent that were kept from the program */
	COUNTERS,
};

/* Never deleted; one slot for each enum counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Losses: exact, also when a softirq interrupts on the same CPU. */
static __always_inline void count(enum counter which, __u64 n)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		__sync_fetch_and_add(value, n);
}

#endif
