# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# apt on a state directory of its own, so that packages of another release or
# architecture can be fetched without root and without a change to the machine.
# Other scripts source it. The archive is the one that the machine's own apt
# sources name; a machine whose sources are not Debian's can say
# DEBIAN_ARCHIVE=URL and DEBIAN_KEYRING=FILE.

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The archive that this machine takes Debian itself from: a third party may
# use the same suite name, so go by the signed origin and label.
archive() {
    local found
    found=$(apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)' 'Created-By: Packages' |
        awk -F'|' '$2 == "Debian" && $3 == "Debian" && $4 == "main" { print $1; exit }')
    [ -n "$found" ] || die "apt knows no Debian archive; run apt-get update first, or set DEBIAN_ARCHIVE"
    echo "$found"
}

# apt TOOL ARGS... on the state directory $work. -c is read last, so it also
# clears the hooks that the machine's configuration would run on the host.
apt() {
    local tool=$1
    shift
    "$tool" -c "$work/apt.conf" -qq "$@"
}

# apt_state SUITE ARCH makes the state directory in $work, an empty machine's,
# and fetches the suite's package index.
apt_state() {
    local suite=$1 arch=$2 keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
    DEBIAN_ARCHIVE=${DEBIAN_ARCHIVE:-$(archive)}
    [ -e "$keyring" ] || keyring='' # then apt's own trusted keys decide
    mkdir -p "$work"/{state/lists/partial,cache/archives/partial,none}
    echo "deb [arch=$arch${keyring:+ signed-by=$keyring}] $DEBIAN_ARCHIVE $suite main" >"$work/sources.list"
    : >"$work/status"
    cat >"$work/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear APT::Architectures;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
APT::Architectures { "$arch"; };
APT::Architecture "$arch";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "$work/none";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$work/none";
CONF
    apt apt-get update || die "no package index of suite $suite ($arch)"
}

for tool in apt-get apt-cache dpkg-deb tar xz; do
    command -v "$tool" >/dev/null || die "$tool is missing; this script needs a Debian or Ubuntu host"
done
