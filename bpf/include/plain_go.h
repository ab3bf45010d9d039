/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Go's crypto/tls. Every record is encrypted and decrypted by one call of a
 * function of its own, which has the plaintext and the record at once:
 *
 *   func (hc *halfConn) decrypt(record []byte) ([]byte, recordType, error)
 *   func (hc *halfConn) encrypt(record, payload []byte, rand io.Reader) ([]byte, error)
 *
 * A halfConn is one direction of one connection: it is the session here. Of a
 * call under way the goroutine is the key, as it may change its thread on the
 * way. What is handed on lies in the heap, which Go does not move. Arguments and
 * results are in registers, by Go's own convention; that they are what is
 * expected is checked by the record, whose header must agree with them.
 */
#ifndef VIADUCT_PLAIN_GO_H
#define VIADUCT_PLAIN_GO_H

#include "plain_call.h"

struct go_key {
	__u64 goroutine;
	__u64 pid;
};

/*
 * Inserted: when a goroutine begins to encrypt or decrypt. Deleted: when it has
 * done so. As many are under way as threads run; what a panic or the end of a
 * process leaves behind falls out of the LRU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct go_key);
	__type(value, struct plain_call);
} go_calls SEC(".maps");

static const struct plain_call no_call;

/* Whether length bytes begin with a header that says so. */
static __always_inline bool is_whole_record(const __u8 header[8], __u64 length)
{
	return is_application_data(header) && length >= RECORD_HEADER_BYTES + FRAGMENT_BYTES &&
	       length == RECORD_HEADER_BYTES + (((__u32)header[3] << 8) | header[4]);
}

static __always_inline bool read_header(__u8 header[8], __u64 from)
{
	if (!bpf_probe_read_user(header, RECORD_HEADER_BYTES, (void *)from))
		return true;
	plain_count(PLAIN_UNREADABLE, 1);
	return false;
}

static __always_inline void on_go_call(struct pt_regs *regs, bool writes)
{
	struct go_key key = { .goroutine = GOROUTINE(regs), .pid = current_pid() };
	__u64 record = GO_REGISTER_2(regs), length = GO_REGISTER_3(regs);
	struct plain_call *call;
	__u8 header[8];
	bool closes;

	if (length < RECORD_HEADER_BYTES || !read_header(header, record))
		return;
	/* The halfConns of a connection that has ended may be those of a new one. */
	if (header[0] == RECORD_HANDSHAKE)
		emit_gone(GO_REGISTER_1(regs));
	closes = writes && header[0] == RECORD_ALERT && is_closure(GO_REGISTER_5(regs), GO_REGISTER_6(regs));
	if (!closes && (header[0] != RECORD_APPLICATION_DATA || (!writes && !is_whole_record(header, length))))
		return;
	if (bpf_map_update_elem(&go_calls, &key, &no_call, BPF_ANY) || !(call = bpf_map_lookup_elem(&go_calls, &key))) {
		plain_count(PLAIN_NO_STORAGE, 1);
		return;
	}
	call->session = GO_REGISTER_1(regs);
	if (writes) {
		call->direction = DIRECTION_OUT;
		call->buffer = GO_REGISTER_5(regs);
		call->length = closes ? 0 : GO_REGISTER_6(regs);
		call->closes = closes;
		return;
	}
	/* It is decrypted in its place. */
	call->direction = DIRECTION_IN;
	call->encrypted = record;
	call->moved = length;
	call->has_fragment = !bpf_probe_read_user(call->fragment, FRAGMENT_BYTES,
						  (void *)(record + RECORD_HEADER_BYTES));
}

/* The plaintext of a record, which lies within it. */
static __always_inline bool decrypted(struct pt_regs *regs, struct plain_call *call)
{
	__u64 from = GO_REGISTER_1(regs), length = GO_REGISTER_2(regs);

	if ((__u8)GO_REGISTER_4(regs) != RECORD_APPLICATION_DATA || length > call->moved || from < call->encrypted ||
	    from + length > call->encrypted + call->moved)
		return false;
	call->buffer = from;
	call->length = length;
	return true;
}

/* The record of a plaintext, which is longer. */
static __always_inline bool encrypted(struct pt_regs *regs, struct plain_call *call)
{
	__u64 record = GO_REGISTER_1(regs), length = GO_REGISTER_2(regs);
	__u8 header[8];

	if (length <= call->length || !read_header(header, record) || !is_whole_record(header, length))
		return false;
	call->has_fragment = !bpf_probe_read_user(call->fragment, FRAGMENT_BYTES,
						  (void *)(record + RECORD_HEADER_BYTES));
	return true;
}

static __always_inline void on_go_result(struct pt_regs *regs, bool writes)
{
	struct go_key key = { .goroutine = GOROUTINE(regs), .pid = current_pid() };
	struct plain_call *call = bpf_map_lookup_elem(&go_calls, &key);

	if (!call)
		return;
	/* An error has no result: nothing was moved. */
	if (GO_REGISTER_1(regs) && (writes ? encrypted(regs, call) : decrypted(regs, call))) {
		plain_count(PLAIN_CALLS, 1);
		emit_plain(call);
	}
	bpf_map_delete_elem(&go_calls, &key);
}

#endif
