#!/bin/sh
# Build the image without a Docker engine and run it: debootstrap and buildah make what the Dockerfile says, then the
# image's server and worker run a small simulation against a PostgreSQL on loopback. Needs root and a network.
#   sh docker/check-image.sh [--base DIR]     DIR: a Debian made by docker/minbase.sh, to save the time
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "check-image.sh: only root can" >&2; exit 1; }
for tool in debootstrap buildah; do
  command -v $tool >/dev/null || { echo "check-image.sh: $tool is missing: apt-get install $tool" >&2; exit 1; }
done
sh docker/install.sh run local demo

base=
if [ "${1:-}" = --base ]; then base=$2; fi
work=$(mktemp -d /var/tmp/quenchd-image.XXXXXX)
chmod 711 "$work"
pids=
stop() {
  trap - EXIT INT TERM HUP
  for name in serve work; do
    [ -z "$pids" ] || kill -TERM "$(cat "$work/data/$name.pid" 2>/dev/null)" 2>/dev/null || true
  done
  for pid in $pids; do wait "$pid" 2>/dev/null || true; done
  [ ! -d "$work/cluster" ] || sh server/cluster.sh stop "$work/cluster" || true
  buildah_ rm --all >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

buildah_() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }

if [ -z "$base" ]; then
  echo "== a new Debian"
  base=$work/debian
  sh docker/minbase.sh "$base"
fi
echo "== debian:bookworm-slim"
slim=$(buildah_ from scratch)
tar -C "$base" -c . | tar -C "$(buildah_ mount "$slim")" -x
buildah_ umount "$slim" >/dev/null
buildah_ commit -q --rm "$slim" docker.io/library/debian:bookworm-slim >/dev/null

echo "== the image"
from=$(date +%s)
mkdir "$work/context"
git archive HEAD | tar -x -C "$work/context"
buildah_ bud --isolation chroot --pull=never --layers=false --format docker -f "$work/context/docker/Dockerfile" \
  -t quenchd "$work/context" >"$work/log" 2>&1 || {
  tail -n 40 "$work/log" >&2
  exit 1
}
echo "built in $(($(date +%s) - from)) s"

# ---- what the image says of itself
config() { buildah_ inspect --type image --format "$1" quenchd; }
[ "$(config '{{.Docker.Config.User}}')" = quenchd ] || { echo "the image runs as root"; exit 1; }
[ "$(config '{{index .Docker.Config.Entrypoint 0}}')" = quenchd ] || { echo "the entry point is not quenchd"; exit 1; }
[ -n "$(config '{{.Docker.Config.Healthcheck}}')" ] || { echo "there is no health check"; exit 1; }

# ---- a PostgreSQL on loopback, with a password
free_port() { awk 'NR > 1 { split($2, a, ":"); used[a[2]] = 1 }
  END { srand(); do { p = 20000 + int(rand() * 10000) } while (sprintf("%04X", p) in used); print p }' /proc/net/tcp; }
port=$(free_port)
sh server/cluster.sh start "$work/cluster" >/dev/null
sh server/cluster.sh stop "$work/cluster"
# The first line that fits a connection decides, so this one goes first.
sed -i '1i host quenchd image 127.0.0.1/32 scram-sha-256' "$work/cluster/data/pg_hba.conf"
url=$(sh server/cluster.sh start "$work/cluster" listen_addresses=127.0.0.1 port="$port")
psql -X -q -d "$url" -c "CREATE ROLE image LOGIN PASSWORD 'loopback'" -c "ALTER DATABASE quenchd OWNER TO image" \
  -c "ALTER SCHEMA public OWNER TO image"

# ---- the image's commands, as its own user
echo "== run"
mkdir -m 755 "$work/data"
chown 10001:10001 "$work/data"
web=$(free_port)
api="http://127.0.0.1:$web"
export no_proxy='*'
# quenchd in a container of its own; its process id, the same outside, goes to $work/data/NAME.pid
quenchd() { # NAME LISTEN ARGUMENT...
  name=$1
  listen=$2
  shift 2
  buildah_ run --isolation chroot --volume "$work/data:/var/lib/quenchd" \
    --env DATABASE_URL="postgresql://image:loopback@127.0.0.1:$port/quenchd" --env QUENCHD_LISTEN="$listen" \
    --env QUENCHD_NO_WORKER=yes "$(cat "$work/$name.container")" -- \
    sh -c 'echo $$ >"/var/lib/quenchd/$0.pid"; exec quenchd "$@"' "$name" "$@"
}
for name in once serve work; do buildah_ from --pull=never quenchd >"$work/$name.container"; done

quenchd once "127.0.0.1:$web" migrate
if quenchd once "0.0.0.0:$web" serve >"$work/open.log" 2>&1; then
  echo "the server listens on every address although there is no token"
  exit 1
fi
grep -qi token "$work/open.log" || { cat "$work/open.log"; exit 1; }
token=$(quenchd once "127.0.0.1:$web" token create --name image-check --scope submit | grep -o 'qn_[A-Za-z0-9_-]*' | head -n 1)
[ -n "$token" ] || { echo "no token was made"; exit 1; }

quenchd serve "127.0.0.1:$web" serve >"$work/serve.log" 2>&1 </dev/null &
pids="$pids $!"
quenchd work "127.0.0.1:$web" work >"$work/work.log" 2>&1 </dev/null &
pids="$pids $!"

tries=0
until curl -fs -o /dev/null "$api/readyz"; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { tail -n 20 "$work/serve.log"; exit 1; }
  sleep 0.1
done
sed 's/"duration_ps": [0-9.]*/"duration_ps": 1/g' server/demo/bulk_2000k.json >"$work/spec.json"
ask() { curl -fsS -H "Authorization: Bearer $token" "$@"; }
[ "$(curl -s -o /dev/null -w '%{http_code}' "$api/v1/jobs")" = 401 ] || { echo "the server asks for no token"; exit 1; }
id=$(ask -H 'Content-Type: application/json' --data-binary "@$work/spec.json" "$api/v1/simulations" | jq .id)
tries=0
until [ "$(ask "$api/v1/results?simulation=$id&species=all" | jq '.items | length')" -ge 2 ]; do
  tries=$((tries + 1))
  if [ $tries -gt 600 ]; then
    ask "$api/v1/jobs" | jq -c '.items[]'
    tail -n 20 "$work/work.log"
    exit 1
  fi
  sleep 0.2
done
ask "$api/v1/results?simulation=$id&species=all" | jq -r '.items[] | "\(.quantity) = \(.value) +- \(.standard_error) \(.unit) (\(.status))"'
ask "$api/v1/results?simulation=$id&species=all&quantity=relaxation_time" |
  jq -e '.items[0] | .value > 0.1 and .value < 0.4 and .unit == "ps"' >/dev/null || { echo "tau_alpha is not near 0.2 ps"; exit 1; }
ask "$api/v1/trajectories?simulation=$id" | jq -e '.items[0].id' >/dev/null

# The health check's own command, in the image.
health=$(config '{{range .Docker.Config.Healthcheck.Test}}{{.}} {{end}}' | sed "s/^CMD //; s/8080/$web/")
case $health in curl*) ;; *) echo "the health check is not understood: $health"; exit 1 ;; esac
buildah_ run --isolation chroot "$(cat "$work/once.container")" -- sh -c "$health" || { echo "the health check fails: $health"; exit 1; }

for name in serve work; do
  kill -TERM "$(cat "$work/data/$name.pid")"
done
for pid in $pids; do
  wait "$pid" || { echo "server or worker did not stop cleanly"; tail -n 5 "$work/serve.log" "$work/work.log"; exit 1; }
done
pids=
echo "the image builds, serves and works"
