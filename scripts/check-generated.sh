#!/bin/sh
# Proves that the committed BPF objects, docs/rules.md, docs/metrics.md and the dashboard are what the sources give.
set -eu
cd "$(dirname "$0")/.."
before=$(cat bpf/*_bpfel.* bpf/*/*_bpfel.* docs/rules.md docs/metrics.md fleet/dashboard.json | sha256sum)
scripts/generate.sh
after=$(cat bpf/*_bpfel.* bpf/*/*_bpfel.* docs/rules.md docs/metrics.md fleet/dashboard.json | sha256sum)
if [ "$before" != "$after" ]; then
	echo "check-generated: what is generated (the objects in bpf/, docs/rules.md, docs/metrics.md, fleet/dashboard.json) is not what the sources give; run make generate and commit the result" >&2
	exit 1
fi
echo "check-generated: what is generated is current"
