#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches packages of another Debian release, with all that they depend on, and
# unpacks them into a directory in which their programs run by chroot:
#
#     scripts/releases.sh SUITE PACKAGE...      (such as: trixie libssl3t64)
#
# prints the directory, .cache/releases/SUITE-HASH/root in the repository; HASH
# is of the packages' names. What is there already is kept: remove it to fetch it
# anew. The file packages beside it lists what was unpacked, with versions.
#
# Needs no root, installs nothing and changes nothing elsewhere; see apt.sh for
# where it fetches from. No maintainer script is run, so there are no users, no
# alternatives and nothing in dev, proc and sys: mount there what a program needs.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

[ $# -ge 2 ] || die "usage: releases.sh SUITE PACKAGE..."
suite=$1
shift

cache=$(cd "$(dirname "$0")/.." && pwd)/.cache/releases
hash=$(printf '%s\n' "$@" | sort -u | sha256sum | cut -c1-12)
release=$cache/$suite-$hash
if [ -d "$release" ]; then
    echo "$release/root"
    exit
fi

echo "releases.sh: fetching $* ($suite)" >&2
mkdir -p "$cache"
work=$(mktemp -d "$cache/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/out/root
# /bin and its like are links in every release that a machine is installed from
# now, but only later ones ship them in a package.
mkdir -p "$root"/{usr/{bin,lib,lib32,lib64,libx32,sbin},dev,etc,proc,run,sys,tmp,var}
chmod 1777 "$root/tmp"
for place in bin lib lib32 lib64 libx32 sbin; do
    ln -s "usr/$place" "$root/$place"
done

apt_state "$suite" "$(dpkg --print-architecture)"
apt apt-get install --yes --download-only "$@" >&2 || die "cannot fetch $* of suite $suite"
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink ||
        die "cannot unpack ${package##*/}"
    dpkg-deb --show "$package" >>"$work/out/packages"
done
# A link to /lib/... means the root's, also for a compiler that is told of the
# root (--sysroot) and for whoever looks at it from outside.
find "$root" -type l -lname '/*' -printf '%P %l\n' | while read -r link target; do
    ln -snrf "$root$target" "$root/$link"
done
ldconfig -r "$root" 2>/dev/null || true # for libraries in places of their own

# Somebody else may have been as quick.
mv -T "$work/out" "$release" 2>/dev/null || [ -d "$release" ] || die "cannot make $release"
echo "$release/root"
