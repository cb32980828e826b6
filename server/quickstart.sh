#!/bin/sh
# From a fresh Debian 12 to a diffusion coefficient: install, build, start a private PostgreSQL, serve, run the demo.
#   sh server/quickstart.sh [--once]     --once: stop after the demo instead of serving on
# DATABASE_URL      a PostgreSQL of yours; without it a private cluster is made in the data directory
# QUENCHD_DATA_DIR  trajectories, logs and that cluster; default: .quenchd/data in this tree
# QUENCHD_LISTEN    address and port; default 127.0.0.1:8080
set -eu
cd "$(dirname "$0")/.."

once=no
case ${1:-} in
'') ;;
--once) once=yes ;;
*)
  echo "usage: sh server/quickstart.sh [--once]" >&2
  exit 2
  ;;
esac

data=${QUENCHD_DATA_DIR:-$PWD/.quenchd/data}
listen=${QUENCHD_LISTEN:-127.0.0.1:8080}
api=http://$listen
server=
private=no

say() { printf '%s\n' "$*"; }
fail() {
  printf 'quickstart: %s\n' "$*" >&2
  exit 1
}

stop() {
  status=$?
  trap - EXIT INT TERM HUP
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ $private = yes ]; then
    sh server/cluster.sh stop "$data/postgres" || true
  fi
  exit $status
}

# ---- programs
if [ -n "${DATABASE_URL:-}" ]; then
  sh docker/install.sh build run demo
else
  sh docker/install.sh build run demo local
fi

mkdir -p "$data"
data=$(cd "$data" && pwd)
exec 8>"$data/quickstart.lock"
flock -n 8 || fail "another quickstart already runs in $data"

say "Building (Release) ..."
if ! { cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release -DQN_TESTS=OFF && ninja -C build/release quenchd; } \
  >"$data/build.log" 2>&1 8>&-; then
  tail -n 40 "$data/build.log" >&2
  fail "the build failed; its log is $data/build.log"
fi
quenchd=$PWD/build/release/quenchd
built=$(date +%s)

# ---- database and server
export no_proxy='*' # all requests below go to this machine
refused=0
curl -s -o /dev/null --max-time 5 "$api/livez" || refused=$?
if [ $refused -ne 7 ]; then # 7: nobody listens
  fail "something already listens on $listen; choose another: QUENCHD_LISTEN=127.0.0.1:8081 sh server/quickstart.sh"
fi
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ -z "${DATABASE_URL:-}" ]; then
  private=yes
  DATABASE_URL=$(sh server/cluster.sh start "$data/postgres" 8>&-) || fail "the private PostgreSQL does not start"
  export DATABASE_URL
  say "PostgreSQL runs in $data/postgres"
fi
export QUENCHD_DATA_DIR="$data" QUENCHD_LISTEN="$listen"
"$quenchd" migrate >"$data/quenchd.log" 2>&1 8>&- || {
  tail -n 20 "$data/quenchd.log" >&2
  fail "the database cannot be brought up to date"
}
# In a session of its own, so that Ctrl-C reaches this script alone, which then stops the server in order.
setsid "$quenchd" serve >>"$data/quenchd.log" 2>&1 </dev/null 8>&- &
server=$!

alive() { # a child that has ended but was not waited for is a zombie
  case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$server/status" 2>/dev/null) in '' | Z) false ;; esac
}
tries=0
until curl -fs -o /dev/null --max-time 5 "$api/readyz"; do
  tries=$((tries + 1))
  if ! alive || [ $tries -gt 150 ]; then
    tail -n 20 "$data/quenchd.log" >&2
    fail "the server does not become ready; its log is $data/quenchd.log"
  fi
  sleep 0.2
done
say "quenchd serves on $api (log: $data/quenchd.log)"

# ---- the demo: the same specs are the same jobs, so a second run finds them finished
get() { curl -fsS --max-time 30 "$@"; }

started=$(date +%s)
simulations=
for spec in server/demo/*.json; do
  answer=$(curl -sS --max-time 30 -H 'Content-Type: application/json' --data-binary "@$spec" "$api/v1/simulations")
  id=$(printf '%s' "$answer" | jq -r '.id // empty')
  [ -n "$id" ] || fail "$spec was refused: $answer"
  simulations="$simulations $id"
done
say "Demo: simulations$simulations of 500 atoms at 2000 K and 1500 K, with diffusion and relaxation"

# State, progress, what, why it waits, error of each job of the demo, tab-separated.
jobs() {
  for id in $simulations; do
    {
      get "$api/v1/simulations/$id"
      get "$api/v1/analyses?simulation=$id" | jq '.items[]'
    } | jq -r '.job'
  done | while read -r job; do
    get "$api/v1/jobs/$job" | jq -r '[.state, .progress, "\(.kind) \(.resource)", .waiting, .error] | map(. // "") | @tsv'
  done
}

terminal=no
if [ -t 1 ]; then terminal=yes; fi
shown=0
idle=0
while :; do
  alive || fail "the server died; its log is $data/quenchd.log"
  state=$(jobs) || fail "the server does not answer; its log is $data/quenchd.log"
  if printf '%s\n' "$state" | grep -qE '^(failed|cancelled)'; then
    printf '%s\n' "$state" | grep -E '^(failed|cancelled)' >&2
    fail "a job of the demo did not succeed"
  fi
  line=$(printf '%s\n' "$state" | awk -F'\t' -v s="$(($(date +%s) - started))" '
    { n++; done += $1 == "succeeded"; if ($3 ~ /^simulation/) { m++; sum += $1 == "succeeded" ? 1 : $2 } }
    END { printf "  %3d s: simulations %3.0f %%, %d of %d jobs done", s, m ? 100 * sum / m : 0, done, n }')
  if [ $terminal = yes ]; then
    printf '\r%s ' "$line"
  elif [ $(($(date +%s) - shown)) -ge 15 ]; then
    shown=$(date +%s)
    say "$line"
  fi
  if ! printf '%s\n' "$state" | grep -qv '^succeeded'; then break; fi
  case $state in *'no worker is alive'*) idle=$((idle + 1)) ;; *) idle=0 ;; esac
  [ $idle -lt 60 ] || fail "no worker runs; the server's log is $data/quenchd.log"
  sleep 1
done
[ $terminal = no ] || printf '\n'

for id in $simulations; do
  get "$api/v1/results?simulation=$id&species=all&limit=100"
done | jq -r '.items[] | [.temperature_k, .quantity, .value, .standard_error, .status, .atoms] | map(. // "-") | @tsv' |
  awk -F'\t' '
    function pm(value, error, format) { return value == "-" ? "-" : sprintf(format " +- " format, value, error) }
    $2 == "diffusion_coefficient" { d[$1] = $3; e[$1] = $4; status[$1] = $5; atoms = $6 }
    $2 == "relaxation_time" { tau[$1] = pm($3, $4, "%.4f") ($5 == "ok" ? "" : " (" $5 ")") }
    END {
      k = 8.617333262e-5 # eV/K
      size = (1 - atoms ^ (-1 / 3)) / (1 - 16384 ^ (-1 / 3))
      printf "\n  %-6s  %-24s  %-12s  %-7s  %-9s  %s\n", "T (K)", "D (m2/s)", "paper (m2/s)", "ratio", "expected", "tau_alpha (ps)"
      for (t = 3000; t > 0; t--) if (t in d) {
        fit = exp(-16.36 - 0.432 / (k * t))
        printf "  %-6d  %-24s  %-12.3e  %-7s  %-9.3f  %s\n", t, pm(d[t], e[t], "%.2e") (status[t] == "ok" ? "" : " (" status[t] ")"),
          fit, d[t] == "-" ? "-" : sprintf("%.3f", d[t] / fit), size, tau[t]
      }
      printf "\n  paper: its fit D = exp(-16.36) exp(-0.432 eV / kT) for 16384 atoms, 2000 to 1000 K.\n"
      printf "  expected: a small periodic box slows diffusion, by about 1 - N^(-1/3); for %d atoms\n", atoms
      printf "  the ratio should be near (1 - %d^(-1/3)) / (1 - 16384^(-1/3)) = %.3f.\n", atoms, size
    }'
say ""
say "The demo took $(($(date +%s) - started)) s; all after the build $(($(date +%s) - built)) s."

if [ $once = yes ]; then exit 0; fi
say "Serving on $api until Ctrl-C. Try: curl '$api/v1/results?quantity=diffusion_coefficient'"
status=0
wait "$server" || status=$?
server=
fail "the server ended with status $status; its log is $data/quenchd.log"
