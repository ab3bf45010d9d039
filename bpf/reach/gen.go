// SPDX-License-Identifier: Apache-2.0

package reach

//go:generate go tool bpf2go -target amd64,arm64 -cc $BPF_CLANG -strip $BPF_STRIP -type holder -type look -type options -type wish -type stand -type standing programs reach.bpf.c -- -I ../include -I/usr/include/x86_64-linux-gnu -Wall -Werror -Wno-compare-distinct-pointer-types
