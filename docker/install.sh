#!/bin/sh
# Install the packages of the given roles of packages.txt that are missing. Silent, and needs neither root nor
# a network, when nothing is missing.
#   sh docker/install.sh ROLE...          install
#   sh docker/install.sh --list ROLE...   print the names only
set -eu
here=$(cd "$(dirname "$0")" && pwd)

list=no
if [ "${1:-}" = --list ]; then
  list=yes
  shift
fi
if [ $# -eq 0 ]; then
  echo "usage: install.sh [--list] build|run|local|demo|test|bench ..." >&2
  exit 2
fi

packages=
for role in "$@"; do
  names=$(awk -v role="$role" '!/^#/ && $1 == role { print $2 }' "$here/packages.txt")
  if [ -z "$names" ]; then
    echo "install.sh: packages.txt has no role '$role'" >&2
    exit 2
  fi
  packages="$packages $names"
done
if [ $list = yes ]; then
  printf '%s\n' $packages
  exit 0
fi

if ! command -v dpkg-query >/dev/null; then
  echo "This is no Debian system; install the equivalents of: $packages" >&2
  exit 1
fi
missing=
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  sudo=
elif command -v sudo >/dev/null; then
  sudo=sudo
else
  echo "Missing packages, and neither root nor sudo to install them. As root, run:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lock may be held for a while by the machine's own unattended upgrades.
apt() {
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null
}
if ! apt update; then
  # Old package lists may still do.
  echo "apt-get update failed; trying with the lists that are here." >&2
fi
if ! apt install --no-install-recommends $missing; then
  tail -n 20 "$log" >&2
  echo "The packages could not be installed; is the network there? By hand:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
  exit 1
fi
