//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The parts of the packet path that need no socket, as a program that
 * BPF_PROG_TEST_RUN can run: the packet programs themselves do nothing for the
 * kernel's dummy socket.
 */
#include "../include/tls.h"
#include "../include/verdict.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const enum sniffed *unused_sniffed __attribute__((unused));
const enum record_kind *unused_record_kind __attribute__((unused));
const enum record_flag *unused_record_flag __attribute__((unused));
const struct data_record *unused_data_record __attribute__((unused));

struct result {
	struct packet packet;
	__u32 parsed;
	__u32 sniffed;
};

struct result result;
bool incoming;

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
