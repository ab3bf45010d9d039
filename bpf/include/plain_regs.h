/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The registers of a probed function, by the calling conventions of C, and by Go's
 * (ABIInternal), which numbers those of arguments and of results alike.
 */
#ifndef VIADUCT_PLAIN_REGS_H
#define VIADUCT_PLAIN_REGS_H

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)

struct pt_regs {
	__u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	__u64 orig_rax, rip, cs, eflags, rsp;
};

#define ARGUMENT_1(regs) ((regs)->rdi)
#define ARGUMENT_2(regs) ((regs)->rsi)
#define ARGUMENT_3(regs) ((regs)->rdx)
#define ARGUMENT_4(regs) ((regs)->rcx)
#define ARGUMENT_5(regs) ((regs)->r8)
#define RESULT(regs) ((regs)->rax)
#define STACK(regs) ((regs)->rsp)

#define GO_REGISTER_1(regs) ((regs)->rax)
#define GO_REGISTER_2(regs) ((regs)->rbx)
#define GO_REGISTER_3(regs) ((regs)->rcx)
#define GO_REGISTER_4(regs) ((regs)->rdi)
#define GO_REGISTER_5(regs) ((regs)->rsi)
#define GO_REGISTER_6(regs) ((regs)->r8)
#define GOROUTINE(regs) ((regs)->r14)

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs {
	__u64 regs[31];
	__u64 sp;
};

#define ARGUMENT_1(r) ((r)->regs[0])
#define ARGUMENT_2(r) ((r)->regs[1])
#define ARGUMENT_3(r) ((r)->regs[2])
#define ARGUMENT_4(r) ((r)->regs[3])
#define ARGUMENT_5(r) ((r)->regs[4])
#define RESULT(r) ((r)->regs[0])
#define STACK(r) ((r)->sp)

#define GO_REGISTER_1(r) ((r)->regs[0])
#define GO_REGISTER_2(r) ((r)->regs[1])
#define GO_REGISTER_3(r) ((r)->regs[2])
#define GO_REGISTER_4(r) ((r)->regs[3])
#define GO_REGISTER_5(r) ((r)->regs[4])
#define GO_REGISTER_6(r) ((r)->regs[5])
#define GOROUTINE(r) ((r)->regs[28])

#endif

#endif
