#!/bin/sh
# quenchd's engine against Debian's LAMMPS at its best (mpirun -np 2 lmp -sf opt, eam/fs, skin 1.0 A) on liquid Cu50Zr50 at 1000 K, nvt, 1 fs,
# neighbour lists and thermostat included. The two are run in turn, so that a ratio compares the same minute of the machine.
#
#   sh tests/bench/run.sh [PAIRS] [JSON]      5 pairs, build/bench.json
#
# Prints a table and writes JSON. Only ratios count: machines differ. BENCH_QUICK=1 keeps to the main system.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
pairs=${1:-5}
json=${2:-$root/build/bench.json}
build=${BENCH_BUILD:-$root/build/bench}

if ! command -v lmp >/dev/null || ! command -v mpirun >/dev/null; then
  apt-get install -y --no-install-recommends lammps openmpi-bin >/dev/null
fi
sh "$root/docker/install.sh" build run test
mkdir -p "$build" "$(dirname "$json")"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" bench_md >/dev/null
exec python3 "$root/tests/bench/pairs.py" --program "$build/tests/bench_md" --pairs "$pairs" --json "$json" \
  --structure "$root/tests/data/liquid-1500K-2048.xyz" --potential "$root/server/potentials/Cu-Zr_2.eam.fs" ${BENCH_QUICK:+--quick}
