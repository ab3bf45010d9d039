/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a packet to the place of its payload. */
#ifndef VIADUCT_PACKET_H
#define VIADUCT_PACKET_H

#include "ends.h"

/* Extension headers followed; more than this has no honest sender. */
#define IPV6_EXTENSIONS_MAX 6

#define TCP_FLAG_SYN 0x02

struct packet {
	struct ends ends;
	__u64 time_ns; /* when it passed, if it has payload */
	__u32 payload_offset;
	__u32 payload_length;
	__u32 seq; /* TCP: of the first payload byte */
	__u8 protocol;
	__u8 pad[3];
};

/*
 * clang drops a bound it can prove and the verifier cannot, and folds two
 * comparisons into one subtraction that the verifier cannot follow; the empty
 * asm hides where the value came from.
 */
#define HIDE(value) asm volatile("" : "+r"(value))

/* 1..max, for helpers that refuse a length they cannot prove to be in it. */
static __always_inline __u32 clamp_length(__u32 length, __u32 max)
{
	HIDE(length);
	if (length > max)
		length = max;
	HIDE(length);
	if (length < 1)
		length = 1;
	return length;
}

struct ipv4_header {
	__u8 version_length;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6_header {
	__u32 version_class_flow;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u32 source[4];
	__u32 destination[4];
};

struct tcp_header {
	__be16 source;
	__be16 destination;
	__be32 seq;
	__be32 ack;
	__u8 data_offset;
	__u8 flags;
	__be16 window;
};

struct udp_header {
	__be16 source;
	__be16 destination;
	__be16 length;
	__be16 checksum;
};

/* Returns the offset of the transport header, or 0. */
static __always_inline __u32 parse_ipv4(struct __sk_buff *skb, struct packet *packet, bool in)
{
	struct ipv4_header ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	packet->protocol = ip.protocol;
	map_v4(packet->ends.local, in ? ip.destination : ip.source);
	map_v4(packet->ends.remote, in ? ip.source : ip.destination);
	return (ip.version_length & 15) * 4;
}

/* RFC 8200 section 4: the extension headers in front of the transport. */
static __always_inline __u32 parse_ipv6(struct __sk_buff *skb, struct packet *packet, bool in)
{
	__u32 offset = sizeof(struct ipv6_header);
	struct ipv6_header ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	copy_v6(packet->ends.local, in ? ip.destination : ip.source);
	copy_v6(packet->ends.remote, in ? ip.source : ip.destination);
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		__u8 extension[2];

		if (ip.next_header != 0 && ip.next_header != 43 && ip.next_header != 60)
			break;
		if (bpf_skb_load_bytes(skb, offset, extension, sizeof(extension)))
			return 0;
		ip.next_header = extension[0];
		offset += (extension[1] + 1) * 8;
	}
	packet->protocol = ip.next_header;
	return offset;
}

static __always_inline bool parse_tcp(struct __sk_buff *skb, struct packet *packet, __u32 offset, bool in)
{
	struct tcp_header tcp;

	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return false;
	packet->ends.local_port = bpf_ntohs(in ? tcp.destination : tcp.source);
	packet->ends.remote_port = bpf_ntohs(in ? tcp.source : tcp.destination);
	packet->seq = bpf_ntohl(tcp.seq);
	if (tcp.flags & TCP_FLAG_SYN)
		packet->seq++; /* the SYN has a sequence number, data may ride on it */
	packet->payload_offset = offset + (tcp.data_offset >> 4) * 4;
	return true;
}

static __always_inline bool parse_udp(struct __sk_buff *skb, struct packet *packet, __u32 offset, bool in)
{
	struct udp_header udp;

	if (bpf_skb_load_bytes(skb, offset, &udp, sizeof(udp)))
		return false;
	packet->ends.local_port = bpf_ntohs(in ? udp.destination : udp.source);
	packet->ends.remote_port = bpf_ntohs(in ? udp.source : udp.destination);
	packet->seq = 0;
	packet->payload_offset = offset + sizeof(udp);
	return true;
}

/*
 * skb->len starts at the network header here, and IP has cut off link-layer
 * padding; it is used instead of the IP length because that is zero in
 * super-segments of more than 64 KiB (BIG TCP).
 */
static __always_inline bool parse_packet(struct __sk_buff *skb, struct packet *packet, bool in)
{
	bool known = false;
	__u32 offset;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		offset = parse_ipv4(skb, packet, in);
	else
		offset = parse_ipv6(skb, packet, in);
	packet->ends.pad = 0;
	if (!offset)
		return false;
	if (packet->protocol == IPPROTO_TCP)
		known = parse_tcp(skb, packet, offset, in);
	else if (packet->protocol == IPPROTO_UDP)
		known = parse_udp(skb, packet, offset, in);
	if (!known || packet->payload_offset > skb->len)
		return false;
	packet->payload_length = skb->len - packet->payload_offset;
	return true;
}

#endif
