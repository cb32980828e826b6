#!/bin/sh
# Real processes and a real PostgreSQL under faults that a seed chooses: killed, frozen, cut off, drained, while a mix of jobs runs.
# Afterwards every accepted job has ended once, as it should, with the bits of an undisturbed run (invariants.py says it whole), and
# the time from each fault to work going on is printed.
#   sh tests/fault/run.sh [--schedules N] [--seed S] [--long] [--drill N] [--no-drills] [--lanes N] [--network] [--keep] [--program QUENCHD]
# A schedule is named by its seed: --no-drills --seed S --schedules 1 replays one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
export no_proxy="*"
exec /usr/bin/python3 "$here/suite.py" "$@"
