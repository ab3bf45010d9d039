#!/bin/sh
# Installs what building, testing and benchmarking need, on Debian 12 or later,
# as root. Running viaduct needs none of it. Does nothing when all is there.
set -eu

# The image is built and run by podman and runc, as containerd would; systemd has
# what checks the unit. A TLS client is in Python. The page is looked at in chromium, the terminal view in
# tmux.
packages="
	ca-certificates make gcc libc6-dev
	clang-19 llvm-19 libbpf-dev linux-libc-dev
	libssl-dev openssl libgnutls28-dev libmbedtls-dev sipsak python3
	iproute2 procps
	sip-tester kamailio kamailio-outbound-modules kamailio-tls-modules
	baresip-core linphone-cli nftables
	qemu-system-x86 qemu-system-arm dpkg-dev xz-utils
	libsofia-sip-ua-dev libosip2-dev libre-dev pkg-config
	prometheus
	podman runc systemd
	chromium fonts-dejavu-core tmux
"
command -v npm >/dev/null || packages="$packages npm"

missing=""
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "setup: these packages are missing, install them as root:$missing" >&2
		exit 1
	fi
	# Packages of servers start them; the tests start their own.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	# shellcheck disable=SC2086 # a list of words
	apt-get install -q -y --no-install-recommends $missing
fi

if ! command -v go >/dev/null; then
	echo "setup: Go is missing; install Go 1.26 or later (see go.dev/doc/install)" >&2
	exit 1
fi

# axe-core checks whether the page can be used with a screen reader. Only tests
# run it; it is not shipped.
axe=4.14.1
sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
dir=$(dirname "$0")/../.cache/axe-core-$axe
if ! echo "$sum  $dir/package/axe.min.js" | sha256sum --check --status 2>/dev/null; then
	mkdir -p "$dir"
	(cd "$dir" && npm pack --silent "axe-core@$axe" >/dev/null && tar xzf "axe-core-$axe.tgz" package/axe.min.js)
	if ! echo "$sum  $dir/package/axe.min.js" | sha256sum --check --status; then
		echo "setup: what the npm registry gave for axe-core $axe is not what was expected: remove $dir and try again" >&2
		exit 1
	fi
fi
