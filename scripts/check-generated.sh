#!/bin/sh
# Proves that the committed BPF objects are what the sources give.
set -eu
cd "$(dirname "$0")/.."
before=$(cat bpf/programs_*_bpfel.* bpf/helpertest/helper_*_bpfel.* bpf/reach/programs_*_bpfel.* | sha256sum)
scripts/generate.sh
after=$(cat bpf/programs_*_bpfel.* bpf/helpertest/helper_*_bpfel.* bpf/reach/programs_*_bpfel.* | sha256sum)
if [ "$before" != "$after" ]; then
	echo "check-generated: the objects in bpf/ are not what the sources give; run make generate and commit the result" >&2
	exit 1
fi
echo "check-generated: the BPF objects are current"
