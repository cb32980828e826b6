#!/bin/sh
# The README's first command, end to end through HTTP: the demo's diffusion coefficients lie within 15 % of the paper's
# fit times the finite-size factor; a second run finds the work done; nothing stays behind.
set -u
cd "$(dirname "$0")/.." || exit 1
unset DATABASE_URL

work=$(mktemp -d /tmp/quenchd-quickstart.XXXXXX)
chmod 711 "$work"
child=
stop() {
  trap - EXIT INT TERM HUP
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null
    wait "$child" 2>/dev/null
  fi
  [ ! -d "$work/data/postgres" ] || sh server/cluster.sh stop "$work/data/postgres" >/dev/null 2>&1
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

passed=0
failed=0
check() { # STATUS NAME
  if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $2"
  fi
}
run() {
  "$@" >"$work/out" 2>&1 </dev/null &
  child=$!
  wait "$child"
  result=$?
  child=
  cat "$work/out"
  return $result
}

port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export QUENCHD_LISTEN="127.0.0.1:$port" QUENCHD_DATA_DIR="$work/data"

run sh server/quickstart.sh --once
check $? "the quickstart succeeds"
seconds=$(sed -n 's/^The demo took .* all after the build \([0-9]*\) s\.$/\1/p' "$work/out")
[ "${seconds:-999}" -lt 180 ]
check $? "it takes less than three minutes after the build: $seconds s"
table() { awk '$1 ~ /^[0-9]+$/ && $3 == "+-" { print $1, $2, $4, $6, $7, $10 }' "$work/out"; } # T D error ratio expected error(tau)
table >"$work/first"
for t in 2000 1500; do
  awk -v t=$t '$1 == t && $2 > 0 && $3 > 0 && $4 / $5 > 0.85 && $4 / $5 < 1.15 && $6 > 0 { found = 1 } END { exit !found }' "$work/first"
  check $? "D at $t K lies within 15 % of the paper's fit times the finite-size factor, and has an error; so has tau_alpha"
done

run sh server/quickstart.sh --once
check $? "a second run succeeds"
seconds=$(sed -n 's/^The demo took \([0-9]*\) s;.*/\1/p' "$work/out")
[ "${seconds:-999}" -le 5 ]
check $? "a second run finds the work done: $seconds s"
table >"$work/second"
[ -s "$work/second" ] && cmp -s "$work/first" "$work/second"
check $? "and prints the same numbers"

/usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(8)
print("bound", flush=True); time.sleep(60)' "$port" >"$work/bound" &
squatter=$!
tries=0
until [ -s "$work/bound" ] || [ $tries -ge 300 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
run sh server/quickstart.sh --once
[ $? -ne 0 ] && grep -q "$QUENCHD_LISTEN" "$work/out" && grep -q QUENCHD_LISTEN= "$work/out"
check $? "a port in use is said, with the way out"
kill $squatter
wait $squatter 2>/dev/null

# Nothing of it runs on: no process has the data directory in its arguments or environment.
left=$(grep -lsF "$work/data" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | sort -u | while read -r pid; do
  case $pid in "$$" | self) ;; *) tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -E 'quenchd (serve|work)|postgres' ;; esac
done)
[ -z "$left" ]
check $? "no process stays: $left"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
