#!/bin/sh
# The physics of the paper on a small sample, through the service: 2048 atoms of Cu50Zr50 are melted and quenched, each temperature is run in the
# bulk and with two free surfaces, and what comes out is set beside METHOD's figures for 16384 atoms and a hundred thousand times slower quenches.
#
#   sh tests/physics/run.sh [JSON]      build/physics.json; under 20 minutes on two cores
#
# Prints a table and the verdicts; fails when one of these does not hold: D of the bulk liquid on the paper's line after the size correction,
# D at the surface above that of the bulk below 1000 K.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
json=${1:-$root/build/physics.json}
build=$root/build/physics

sh "$root/docker/install.sh" build run local test
mkdir -p "$build" "$(dirname "$json")"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQN_TESTS=OFF >/dev/null
ninja -C "$build" quenchd >/dev/null
work=$(mktemp -d /tmp/quenchd-physics.XXXXXX)
chmod 711 "$work"
stop() {
  trap - EXIT INT TERM HUP
  sh "$root/server/cluster.sh" stop "$work/cluster" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
DATABASE_URL=$(sh "$root/server/cluster.sh" start "$work/cluster" fsync=off)
export DATABASE_URL PYTHONDONTWRITEBYTECODE=1
cd "$root"
sh tests/with_server.sh "$build" /usr/bin/python3 tests/physics/paper.py "$json"
