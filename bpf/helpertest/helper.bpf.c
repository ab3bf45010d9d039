//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The parts of the packet path that need no socket, as a program that
 * BPF_PROG_TEST_RUN can run: the packet programs themselves do nothing for the
 * kernel's dummy socket.
 */
#include "../include/tls.h"
#include "../include/verdict.h"
#include "../include/own.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const enum sniffed *unused_sniffed __attribute__((unused));
const enum record_kind *unused_record_kind __attribute__((unused));
const enum record_flag *unused_record_flag __attribute__((unused));
const struct data_record *unused_data_record __attribute__((unused));
const struct own_id *unused_own_id __attribute__((unused));
const struct own_answer *unused_own_answer __attribute__((unused));
const struct own_mark *unused_own_mark __attribute__((unused));

struct result {
	struct packet packet;
	__u32 parsed;
	__u32 sniffed;
};

struct result result;
bool incoming;

/* What is the agent's of a stream, and whether a datagram is. */
struct own_mark marked;
bool mine;

/* What the walk remembers of a TLS connection. */
struct sock_state walked;

SEC("socket")
int examine(struct __sk_buff *skb)
{
	struct packet packet = {};

	result.parsed = parse_packet(skb, &packet, incoming);
	result.packet = packet;
	result.sniffed = result.parsed && packet.payload_length ? sniff_payload(skb, &packet) : SNIFFED_NOT_SIP;
	return 0;
}

SEC("socket")
int walk(struct __sk_buff *skb)
{
	struct sock_state state = walked;
	struct packet packet = {};

	if (parse_packet(skb, &packet, incoming))
		emit_tls(skb, &state, &packet, incoming);
	walked = state;
	return 0;
}

SEC("socket")
int own(struct __sk_buff *skb)
{
	struct sock_state state = {};
	struct own_mark mark = marked;
	struct packet packet = {};

	mine = false;
	if (!parse_packet(skb, &packet, incoming))
		return 0;
	packet.time_ns = bpf_ktime_get_boot_ns();
	if (packet.protocol == IPPROTO_UDP)
		mine = own_stun(skb, &packet, incoming) != NULL;
	else
		emit_stream(skb, &state, &packet, &mark);
	marked = mark;
	return 0;
}
