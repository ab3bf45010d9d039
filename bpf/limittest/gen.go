// SPDX-License-Identifier: Apache-2.0

// Package limittest runs the limiter's token bucket at times that its tests
// choose. It is not part of the program.
package limittest

//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP bucket bucket.bpf.c -- -I ../include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
