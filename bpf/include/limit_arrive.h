/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets to a listener: the SYN, where a connection pays, and the last ACK of
 * its handshake, where the number is looked at again, as many handshakes may
 * have been under way. A refused packet is dropped; nobody is told, and no
 * socket is made. This is in front of SYN cookies and TCP_DEFER_ACCEPT alike.
 */
#ifndef VIADUCT_LIMIT_ARRIVE_H
#define VIADUCT_LIMIT_ARRIVE_H

#include "limit_decide.h"
#include "packet.h"

#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

/*
 * A handshake is completed by whatever arrives in its window, also by a FIN or by
 * data in front of which something was lost (RFC 7323 section 2.3: at most 1 GiB).
 */
#define LIMIT_WINDOW (1 << 30)

struct limit_arrival {
	struct ends ends;
	__u32 seq; /* of the first byte: a SYN itself has one number */
	__u32 flags;
};

/* False: not TCP, or not readable. Global, so that it is verified once. */
__noinline int limit_read(struct __sk_buff *skb, struct limit_arrival *arrival)
{
	struct packet packet = {};
	struct tcp_header tcp;
	__u32 offset;

	if (!arrival)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		offset = parse_ipv4(skb, &packet, true);
	else
		offset = parse_ipv6(skb, &packet, true);
	if (!offset || packet.protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return false;
	arrival->ends = packet.ends;
	arrival->ends.local_port = bpf_ntohs(tcp.destination);
	arrival->ends.remote_port = bpf_ntohs(tcp.source);
	arrival->ends.pad = 0;
	arrival->seq = bpf_ntohl(tcp.seq);
	arrival->flags = tcp.flags;
	if (tcp.flags & TCP_FLAG_SYN)
		arrival->seq++;
	return true;
}

/*
 * A SYN sent again belongs to the connection that it began: it goes on without
 * paying if the first did, and has another chance, uncounted, if not.
 */
static __always_inline bool limit_syn(const struct limit_arrival *arrival, const struct limit_who *who,
				      const struct limit_row *row, __u32 place)
{
	struct limit_half_open now = { .seq = arrival->seq, .state = LIMIT_PASSED };
	struct limit_half_open *before;
	enum limit_verdict verdict;
	bool again;

	before = bpf_map_lookup_elem(&limit_half_opens, &arrival->ends);
	again = before && before->seq == arrival->seq;
	if (again && before->state != LIMIT_REFUSED)
		return true;
	verdict = limit_judge(who, row);
	if (verdict != LIMIT_GOES_ON) {
		if (!again)
			limit_refused(who, row, place, verdict);
		now.state = row->enforce ? LIMIT_REFUSED : LIMIT_COUNTED;
	}
	/* The LRU makes room; without an entry the SYN's copy would pay again. */
	bpf_map_update_elem(&limit_half_opens, &arrival->ends, &now, BPF_ANY);
	return now.state != LIMIT_REFUSED;
}

/*
 * Only of handshakes whose SYN was seen: what else comes to a listener with an
 * ACK may be a connection that this host has forgotten, and must get its RST.
 * With TCP_DEFER_ACCEPT the first data does here what the ACK does elsewhere.
 */
static __always_inline bool limit_last_ack(const struct limit_arrival *arrival, const struct limit_who *who,
					   const struct limit_row *row, __u32 place)
{
	struct limit_half_open *half;

	if (!row->max_connections)
		return true;
	half = bpf_map_lookup_elem(&limit_half_opens, &arrival->ends);
	if (!half || arrival->seq - half->seq > LIMIT_WINDOW || !limit_full(who, row))
		return true;
	if (half->state == LIMIT_PASSED) {
		half->state = LIMIT_COUNTED;
		limit_refused(who, row, place, LIMIT_TOO_MANY);
	}
	return !row->enforce;
}

/* Whether a packet to a listener goes on. */
static __always_inline bool limit_arrive(struct __sk_buff *skb)
{
	struct limit_arrival arrival = {};
	struct limit_who who = {};
	struct limit_row *row;
	__u32 place;

	if (!limit_read(skb, &arrival)) {
		limit_tally(&limit_counters, LIMIT_COUNT_UNREADABLE);
		return true;
	}
	if (arrival.flags & TCP_FLAG_RST || !(arrival.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)))
		return true;
	place = limit_choose(arrival.ends.remote, arrival.ends.local_port, LIMIT_IN);
	if (!place)
		return true;
	row = limit_row_at(place);
	if (!row)
		return true;
	limit_name(&who, arrival.ends.remote, row, LIMIT_IN);
	if (!(arrival.flags & TCP_FLAG_SYN))
		return limit_last_ack(&arrival, &who, row, place);
	if (arrival.flags & TCP_FLAG_ACK)
		return true; /* no listener takes it */
	return limit_syn(&arrival, &who, row, place);
}

#endif
