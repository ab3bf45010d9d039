// SPDX-License-Identifier: Apache-2.0

// Package helpertest runs the C helpers of package bpf on packets made by its
// tests. It is not part of the program.
package helpertest

//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP -type sniffed -type record_kind -type record_flag -type data_record -type own_id -type own_answer -type own_mark helper helper.bpf.c -- -I ../include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
