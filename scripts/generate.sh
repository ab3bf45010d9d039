#!/bin/sh
# Builds the BPF objects and their Go declarations with the pinned toolchain.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.env

have=$("$CLANG" --version 2>/dev/null | sed -n 's/.*clang version \([0-9.]*\).*/\1/p') || true
if [ "$have" != "$CLANG_VERSION" ]; then
	echo "generate: $CLANG $CLANG_VERSION is needed, found '${have:-none}'; run scripts/setup.sh on Debian 12" >&2
	exit 1
fi
minor=$(echo "$LIBBPF_VERSION" | cut -d. -f2)
if ! grep -q "LIBBPF_MINOR_VERSION $minor\$" /usr/include/bpf/libbpf_version.h 2>/dev/null; then
	echo "generate: the headers of libbpf $LIBBPF_VERSION are needed in /usr/include/bpf; run scripts/setup.sh on Debian 12" >&2
	exit 1
fi
BPF_CLANG=$CLANG BPF_STRIP=$STRIP go generate ./bpf/...

go run ./cmd/viaduct rules --format markdown > docs/rules.md
go test -count=1 -run '^TestDocumented$' ./exporter -update
go test -count=1 -run '^TestDashboard$' ./fleet -update
