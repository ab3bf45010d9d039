/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the probes in a TLS library send up, in the ring of the packet programs,
 * so that it is in order with the connections' lives and records on the wire.
 * Of the head only time_ns, kind and direction are set: which socket it belongs
 * to is found out later.
 */
#ifndef VIADUCT_PLAIN_RECORD_H
#define VIADUCT_PLAIN_RECORD_H

#include "record.h"

enum plain_kind {
	PLAIN_DATA = 32, /* what one call moved; with no bytes, only its fragment */
	PLAIN_GONE,      /* the session was freed, or cleared for another use */
	PLAIN_FORKED,    /* a process that is followed has a new child: pid */
	PLAIN_MOVER,     /* pid moves encrypted bytes by a function at the address in session */
};

/* How such a function is called. */
enum plain_mover {
	MOVER_SENDS,       /* (pointer, bytes, length) */
	MOVER_SENDS_PARTS, /* (pointer, struct iovec *, parts) */
	MOVER_RECEIVES,    /* (pointer, bytes, length) */
};

/* The first bytes of an encrypted record behind its header: no two records have the same. */
#define FRAGMENT_BYTES 16
#define RECORD_HEADER_BYTES 5

struct plain_record {
	struct record_head head;
	__u64 session;        /* the address of the library's object for the connection */
	__u32 pid;
	__u32 length_bytes;   /* plaintext that was moved */
	__u32 captured_bytes; /* of it, in this record */
	__u32 lost_bytes;     /* of this session and direction, just before */
	__u8 has_fragment;
	__u8 closes; /* with has_fragment: that record is the closure alert */
	__u8 mover;  /* of a PLAIN_MOVER: enum plain_mover */
	__u8 pad[5];
	__u8 fragment[FRAGMENT_BYTES]; /* of a record that the call read or wrote */
};

#endif
