#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Fuzz every target there is in the given time; those that read a whole stream
# get three shares of it, the others one.
# usage: fuzz.sh SECONDS
set -eu
cd "$(dirname "$0")/.."
total=${1:?usage: fuzz.sh SECONDS}
targets=$(grep -rH '^func Fuzz' --include='*_test.go' . | sed 's|/[^/]*:func \(Fuzz[A-Za-z0-9]*\).*| \1|' | sort)
weigh() {
	case $1 in
	FuzzFramer | FuzzParser | FuzzHandle | FuzzRead | FuzzHear) echo 3 ;;
	*) echo 1 ;;
	esac
}
shares=0
for target in $(echo "$targets" | cut -d' ' -f2); do
	shares=$((shares + $(weigh "$target")))
done
echo "$targets" | while read -r package target; do
	seconds=$((total * $(weigh "$target") / shares))
	[ "$seconds" -gt 0 ] || seconds=1 # 0 is for ever
	echo "== $target of $package for ${seconds}s"
	# Making what is merely of interest smaller would take all of the time.
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 100x "$package"
done
