#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches the Debian kernels that viaduct is tested on:
#
#     scripts/kernels.sh [DIR]      (default: .cache/kernels in the repository)
#
# leaves DIR/NAME/vmlinuz, DIR/NAME/release (what `uname -r` will say) and, in
# DIR/NAME/modules, the modules that the check uses, for each NAME below. What is
# there already is kept: remove DIR/NAME to fetch it anew. Needs no root, installs
# nothing and changes nothing outside DIR; see apt.sh for where it fetches from.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

dir=${1:-$(dirname "$0")/../.cache/kernels}

# NAME SUITE ARCH: the suite's own meta package chooses the version. 5.10 is
# below viaduct's floor and there for the refusal; 6.1 is the oldest that
# Debian has above it.
kernels='
v5.10        bullseye            amd64
v6.1         bookworm            amd64
v6.12        bookworm-backports  amd64
newest       trixie-backports    amd64
v6.1-arm64   bookworm            arm64
'

# depends PACKAGE PREFIX prints the first dependency whose name has the prefix.
depends() {
    apt apt-cache show --no-all-versions "$1" |
        sed -n 's/^Depends: //p' | tr ',|' '\n\n' | sed 's/^ *//; s/[ (].*//' |
        grep -m1 "^$2" || true
}

fetch() {
    local name=$1 suite=$2 arch=$3 image binary modules package
    work=$(mktemp -d "$dir/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{root,out/modules}
    apt_state "$suite" "$arch"
    image=$(depends "linux-image-cloud-$arch" linux-image-)
    [ -n "$image" ] || die "$name: suite $suite has no linux-image-cloud-$arch"
    # Later suites keep image and modules in packages of their own.
    binary=$(depends "$image" linux-binary-)
    modules=$(depends "$image" linux-modules-)
    # shellcheck disable=SC2086 # none is no package
    (cd "$work" && apt apt-get download "${binary:-$image}" $modules) || die "$name: cannot download ${binary:-$image} $modules"
    for package in "$work"/*.deb; do # not all of it is in each of them
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/root" --wildcards \
            '*/vmlinuz*' '*/net/ipv4/inet_diag.ko*' '*/net/ipv4/tcp_diag.ko*' '*/net/tls/tls.ko*' 2>/dev/null || true
    done
    find "$work/root" -type f -name 'vmlinuz*' -exec mv {} "$work/out/vmlinuz" \;
    [ -s "$work/out/vmlinuz" ] || die "$name: ${binary:-$image} holds no vmlinuz"
    find "$work/root" -name '*.ko.xz' -exec xz -d {} +
    find "$work/root" -name '*.ko' -exec mv -t "$work/out/modules" {} +
    echo "${image#linux-image-}" >"$work/out/release"
    rm -rf "${dir:?}/$name"
    mv "$work/out" "$dir/$name"
    rm -rf "$work"
    trap - EXIT
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

while read -r name suite arch; do
    [ -n "$name" ] || continue
    if [ ! -s "$dir/$name/vmlinuz" ] || [ ! -s "$dir/$name/release" ] || [ ! -d "$dir/$name/modules" ]; then
        echo "kernels.sh: fetching $name ($suite, $arch)" >&2
        fetch "$name" "$suite" "$arch"
    fi
    echo "$name $(cat "$dir/$name/release")"
done <<<"$kernels"
