//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entry points only; what they do is in include/plain_*.h, by concern. */

#include "plain_gnutls.h"
#include "plain_go.h"
#include "plain_mbed.h"

/* Keeps these types in BTF, from which the Go side is generated. */
const enum plain_counter *unused_plain_counter __attribute__((unused));
const enum plain_kind *unused_plain_kind __attribute__((unused));
const enum plain_function *unused_plain_function __attribute__((unused));
const enum plain_mover *unused_plain_mover __attribute__((unused));
const enum direction *unused_direction __attribute__((unused));
const struct plain_record *unused_plain_record __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int plain_call_entry(struct pt_regs *regs)
{
	on_call(regs, bpf_get_attach_cookie(regs));
	return 0;
}

SEC("uretprobe")
int plain_call_return(struct pt_regs *regs)
{
	on_result(regs);
	return 0;
}

SEC("uprobe")
int plain_write_entry(struct pt_regs *regs)
{
	on_encrypted_write(regs);
	return 0;
}

SEC("uprobe")
int plain_read_entry(struct pt_regs *regs)
{
	on_encrypted_read(regs);
	return 0;
}

SEC("uretprobe")
int plain_read_return(struct pt_regs *regs)
{
	on_encrypted_bytes(regs);
	return 0;
}

SEC("uprobe")
int plain_message_entry(struct pt_regs *regs)
{
	on_encrypted_message(regs);
	return 0;
}

SEC("uprobe")
int plain_parts_entry(struct pt_regs *regs)
{
	on_encrypted_parts(regs);
	return 0;
}

SEC("uprobe")
int plain_mover_set(struct pt_regs *regs)
{
	on_mover(regs, bpf_get_attach_cookie(regs));
	return 0;
}

SEC("uprobe")
int plain_gone(struct pt_regs *regs)
{
	emit_gone(ARGUMENT_1(regs));
	return 0;
}

SEC("uprobe")
int plain_record_entry(struct pt_regs *regs)
{
	on_record(regs, bpf_get_attach_cookie(regs));
	return 0;
}

SEC("uretprobe")
int plain_record_return(struct pt_regs *regs)
{
	on_record_result(regs);
	return 0;
}

SEC("uprobe")
int plain_go_encrypt(struct pt_regs *regs)
{
	on_go_call(regs, true);
	return 0;
}

SEC("uprobe")
int plain_go_encrypted(struct pt_regs *regs)
{
	on_go_result(regs, true);
	return 0;
}

SEC("uprobe")
int plain_go_decrypt(struct pt_regs *regs)
{
	on_go_call(regs, false);
	return 0;
}

SEC("uprobe")
int plain_go_decrypted(struct pt_regs *regs)
{
	on_go_result(regs, false);
	return 0;
}

/* Threads are children too here; they have their process's pid. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(plain_forked, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid;
	__u32 pid = child->tgid;

	if (pid != from && bpf_map_lookup_elem(&followed, &from))
		emit_forked(pid);
	return 0;
}
