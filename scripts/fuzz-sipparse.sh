#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Fuzz every target of sipparse for an equal share of the given time.
# usage: fuzz-sipparse.sh SECONDS
set -eu
cd "$(dirname "$0")/.."
total=${1:?usage: fuzz-sipparse.sh SECONDS}
targets=$(go test -list '^Fuzz' ./sipparse | grep '^Fuzz')
share=$((total / $(echo "$targets" | wc -l)))
for target in $targets; do
	echo "== $target for ${share}s"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${share}s" ./sipparse
done
