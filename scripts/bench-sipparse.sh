#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Time sipparse and its peers in one run and print the best of several rounds of
# each, with ratios. Rounds alternate between the parsers, so that what else the
# machine does falls on all of them. The C peers need cgo and the packages
# libsofia-sip-ua-dev, libosip2-dev and libre-dev; without them they are left out.
# usage: bench-sipparse.sh [ROUNDS]
set -eu
cd "$(dirname "$0")/../bench"
rounds=${1:-10}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tags=
if pkg-config --exists sofia-sip-ua libosip2 libre 2>/dev/null; then
	tags=cpeers
else
	echo "the C peers are left out: their development packages are not installed" >&2
fi
go test -mod=mod -tags "$tags" -c -o "$dir/bench.test" .
i=0
while [ "$i" -lt "$rounds" ]; do
	"$dir/bench.test" -test.run '^$' -test.bench . -test.benchtime 0.3s >>"$dir/out" 2>&1 || {
		echo "a round failed:" >&2
		tail -n 20 "$dir/out" >&2
		exit 1
	}
	i=$((i + 1))
done
awk '
/^Benchmark/ {
	name = $1; sub(/-[0-9]+$/, "", name); sub(/^Benchmark[A-Za-z]*\//, "", name)
	if (!(name in best)) { order[++count] = name }
	if (!(name in best) || $3 < best[name]) { best[name] = $3 }
	for (f = 4; f < NF; f++) {
		if ($(f + 1) == "allocs/op") { allocs[name] = $f }
		if ($(f + 1) == "MB/s" && $f > rate[name]) { rate[name] = $f }
	}
}
END {
	printf "%-16s %12s %10s %8s %10s\n", "parser", "ns", "MB/s", "allocs", "x sipparse"
	for (n = 1; n <= count; n++) {
		name = order[n]
		printf "%-16s %12.1f %10.0f %8s %10.1f\n", name, best[name], rate[name], (name in allocs) ? allocs[name] : "-", best[name] / best["sipparse"]
	}
}' "$dir/out"
