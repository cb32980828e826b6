#!/bin/sh
# Run COMMAND against a server of its own: a fresh database in the cluster of DATABASE_URL, a fresh data directory, a
# free port on loopback. Fails when COMMAND does, when the server does not stop cleanly on SIGTERM, or when a
# sanitizer had something to say.
#   sh tests/with_server.sh BUILD-FOLDER COMMAND...
# COMMAND gets QUENCHD_URL, QUENCHD_PID, QUENCHD_BIN (the program) and DATABASE_URL of the fresh database.
set -u
bin=$(cd "${1:?usage: with_server.sh BUILD-FOLDER COMMAND...}" && pwd)/quenchd
shift
: "${DATABASE_URL:?}"

work=$(mktemp -d /tmp/quenchd-server.XXXXXX)
admin=$DATABASE_URL
database=server_$$
server=
stop() {
  trap - EXIT INT TERM HUP
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null
  psql -X -q -d "$admin" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" >/dev/null 2>&1
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A child that has ended but was not waited for still takes signals, so its state is what tells.
alive() {
  case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$server/status" 2>/dev/null) in '' | Z) false ;; esac
}

psql -X -q -d "$admin" -c "CREATE DATABASE $database" || exit 1
DATABASE_URL=$(printf '%s' "$admin" | sed "s,/quenchd?,/$database?,")
export no_proxy="*" DATABASE_URL QUENCHD_DATA_DIR="$work/data" QUENCHD_BIN="$bin"
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export QUENCHD_LISTEN="127.0.0.1:$port" QUENCHD_URL="http://127.0.0.1:$port"
# The reports go to files: the worker is a child of the server, and its findings count as well.
export ASAN_OPTIONS="log_path=$work/sanitizer:detect_leaks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$work/sanitizer:print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"

"$bin" migrate >"$work/log" 2>&1 || {
  cat "$work/log"
  exit 1
}
"$bin" serve >>"$work/log" 2>&1 </dev/null &
server=$!
export QUENCHD_PID=$server

tries=0
until curl -fs -o /dev/null "$QUENCHD_URL/readyz"; do
  tries=$((tries + 1))
  if [ $tries -gt 300 ] || ! alive; then
    echo "the server does not become ready; its log ends with:"
    tail -n 40 "$work/log"
    cat "$work"/sanitizer.* 2>/dev/null
    exit 1
  fi
  sleep 0.1
done

"$@" >"$work/output" 2>&1
status=$?

if ! alive; then
  echo "the server died"
  status=1
fi
kill -TERM "$server" 2>/dev/null
tries=0
while alive; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ]; then
    echo "the server does not stop on SIGTERM within 60 s"
    kill -KILL "$server"
    status=1
  fi
  sleep 0.1
done
wait "$server"
ended=$?
server=
if [ $ended -ne 0 ]; then
  echo "the server ended with status $ended"
  status=1
fi
if ls "$work"/sanitizer.* >/dev/null 2>&1; then
  cat "$work"/sanitizer.*
  status=1
fi
if [ $status -ne 0 ]; then
  echo "the server's log, but for its requests, ends with:"
  grep -v '"message":"request"' "$work/log" | tail -n 30
fi
cat "$work/output"
exit $status
