// SPDX-License-Identifier: Apache-2.0

package bpf

// Little-endian machines only: the architectures that SIP platforms run on.
// The compiler's version is pinned in scripts/toolchain.env, which is what makes
// the committed objects reproducible byte by byte; `make generate` sets BPF_CLANG.
//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP -type record_head -type data_record -type life_record -type record_kind -type record_flag -type ending -type role -type counter -type direction -type own_mark -type own_id -type own_answer programs viaduct.bpf.c -- -I include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP -type limit_row -type limit_prefix -type limit_who -type limit_count -type limit_half_open -type limit_socket -type limit_counter -type limit_direction -type limit_verdict -type limit_refusal_of -type limit_refusal -type ends limit limit.bpf.c -- -I include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
