#!/bin/sh
# Installs the SIP programs that `make interop` plays, on Debian 12, as root:
# what scripts/setup.sh installs, and the softphones, which bring many libraries.
set -eu

"$(dirname "$0")/setup.sh"

packages="baresip-core linphone-cli openssl"

missing=""
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "setup-interop: these packages are missing, install them as root:$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing
