#!/bin/sh
# Make DIR a minimal Debian 12 (debootstrap, variant minbase) that installs packages from wherever this machine does.
# Needs root, debootstrap and a network.
#   sh docker/minbase.sh DIR
set -eu
dir=${1:?usage: minbase.sh DIR}
[ "$(id -u)" -eq 0 ] || { echo "minbase.sh: only root can make a Debian" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "minbase.sh: debootstrap is missing" >&2; exit 1; }

# Archives and apt's own settings come from this machine, none is named here.
sources=$(apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
  awk -F'|' '$1 == "Debian" && $3 ~ /^bookworm/ && !seen[$0]++ { print "deb", $2, $3, $4 }')
mirror=$(printf '%s\n' "$sources" | awk '$3 == "bookworm" { print $2; exit }')
[ -n "$mirror" ] || { echo "minbase.sh: apt names no Debian 12 archive; run apt-get update" >&2; exit 1; }

debootstrap --variant=minbase bookworm "$dir" "$mirror" >"$dir.log" 2>&1 || {
  tail -n 20 "$dir.log" >&2
  exit 1
}
rm -f "$dir.log"
printf '%s\n' "$sources" >"$dir/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(Check-|http|https|ForceIPv|Retries)' >"$dir/etc/apt/apt.conf.d/90host" || true
cp /etc/resolv.conf "$dir/etc/resolv.conf"
cp /etc/hosts "$dir/etc/hosts"
