/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What crosses from the kernel to the agent. Every record starts with a
 * record_head; kind says which of the two shapes follows. Addresses are
 * always 16 bytes, IPv4 in its mapped form (::ffff:a.b.c.d), ports in host
 * byte order. All times are bpf_ktime_get_boot_ns().
 */
#ifndef VIADUCT_RECORD_H
#define VIADUCT_RECORD_H

#include "kernel.h"

enum record_kind {
	RECORD_OPENED = 1,  /* life_record: a connection was established, or found */
	RECORD_DATA,        /* data_record: payload of one segment or datagram */
	RECORD_HALF_CLOSED, /* life_record: the first FIN; direction says whose */
	RECORD_CLOSED,      /* life_record: the socket left the TCP state machine */
	RECORD_OWNER,       /* life_record: the holding process changed or became known */
	RECORD_FIGURES,     /* life_record: the counters of a live socket (recount only) */
	RECORD_LISTENING,   /* life_record: a socket accepts connections or datagrams */
	RECORD_WIRE,        /* data_record: part of a TLS stream, as it is on the wire */
};

enum direction {
	DIRECTION_NONE,
	DIRECTION_IN,
	DIRECTION_OUT,
};

enum role {
	ROLE_UNKNOWN,
	ROLE_CONNECT,
	ROLE_ACCEPT,
	ROLE_LISTEN,
};

enum record_flag {
	RECORD_TLS = 1,      /* the first bytes were a TLS record */
	RECORD_MID_LIFE = 2, /* the socket is older than the programs */
	RECORD_LOST = 4,     /* bytes of this socket were lost just before */
	RECORD_SPOKE = 8,    /* payload has been seen on this socket */
	RECORD_FAILED = 16,  /* the connect never succeeded */
	RECORD_BY_AGENT = 32, /* the agent ended the connection, for the local side */
	RECORD_OWN = 64,      /* the agent sent these bytes, or they answer what it sent */
};

enum ending {
	ENDING_NONE,
	ENDING_FIN_LOCAL,
	ENDING_FIN_REMOTE,
	ENDING_RST_LOCAL,
	ENDING_RST_REMOTE,
	ENDING_TIMEOUT,
	ENDING_REFUSED,
	ENDING_UNREACHABLE,
	ENDING_GAVE_UP, /* the application closed a connect that nobody had answered */
};

struct record_head {
	__u64 time_ns;
	__u64 cookie;
	__u64 netns;
	__u8 kind;
	__u8 protocol;
	__u8 direction;
	__u8 flags;
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];
	__u8 remote[16];
};

struct data_record {
	struct record_head head;
	__u32 seq;            /* TCP: sequence number of the first byte */
	__u32 length_bytes;   /* of the payload on the wire */
	__u32 captured_bytes; /* of it, in this record */
	__u32 pad;
};

struct life_record {
	struct record_head head;
	__u64 cgroup;
	__u64 opened_ns; /* 0: not seen */
	__u64 last_in_ns;
	__u64 last_out_ns;
	__u64 bytes_sent;
	__u64 bytes_received;
	__u32 handshake_us; /* 0: not seen */
	__u32 srtt_us;
	__u32 retransmits;
	__u32 next_in;
	__u32 next_out;
	__u32 pid;
	__u8 role;
	__u8 ending;
	__u8 exiting; /* the process was exiting when it closed the socket */
	__u8 probes; /* TCP's own that are not answered */
	__u8 pad[4];
	char comm[16];
};

#endif
