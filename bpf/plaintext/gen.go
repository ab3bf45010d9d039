// SPDX-License-Identifier: Apache-2.0

package plaintext

//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP -type plain_record -type plain_kind -type plain_counter -type plain_function -type plain_mover -type direction programs plaintext.bpf.c -- -I ../include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
