#!/bin/sh
# A private PostgreSQL cluster: made, started and stopped here, reached by a Unix socket alone, never run as
# root, and marked, so that no cluster which this script did not make is ever touched.
#   sh server/cluster.sh start  DIR [SETTING=VALUE...]   make it when it is not there; prints its DATABASE_URL
#   sh server/cluster.sh stop   DIR
#   sh server/cluster.sh status DIR                      exit 0 when it runs; prints its DATABASE_URL
# As root the server runs as Debian's user `postgres`; where that user cannot reach DIR (a checkout in /root),
# the cluster lives in /var/lib/quenchd instead and DIR/location says where.
set -eu
umask 022

fail() {
  echo "cluster: $*" >&2
  exit 1
}

[ $# -ge 2 ] || fail "usage: cluster.sh start|stop|status DIR [SETTING=VALUE...]"
verb=$1
asked=$2
shift 2

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -V | tail -n 1)
[ -n "$bin" ] && [ -x "$bin/initdb" ] || fail "no PostgreSQL server is installed (Debian package postgresql)"

if [ "$(id -u)" -eq 0 ]; then
  owner=postgres
  id "$owner" >/dev/null 2>&1 || fail "running as root, and there is no user '$owner' to run PostgreSQL as"
  group=$(id -g "$owner")
  # `env -C /`: the caller's working directory may be closed to that user.
  as_owner() { setpriv --reuid="$owner" --regid="$group" --clear-groups env -C / HOME=/ "$@"; }
else
  owner=$(id -un)
  as_owner() { "$@"; }
fi

mkdir -p "$asked"
asked=$(cd "$asked" && pwd -P)
if [ -f "$asked/location" ]; then
  dir=$(cat "$asked/location")
elif as_owner test -x "$asked"; then
  dir=$asked
else
  dir=/var/lib/quenchd/$(printf '%s' "$asked" | cksum | cut -d' ' -f1)
  mkdir -p "$dir"
  printf '%s\n' "$dir" >"$asked/location"
  echo "cluster: user $owner cannot reach $asked; the database lives in $dir" >&2
fi
marker=$dir/made-by-quenchd
data=$dir/data
log=$dir/postgresql.log

running() { as_owner "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; }

# The socket's path is short by necessity (107 bytes), so a deep DIR has its socket elsewhere; the marker tells.
socket_dir() { sed -n 's/^socket=//p' "$marker"; }

port() { sed -n 4p "$data/postmaster.pid"; }

url() {
  printf 'postgresql://quenchd@/quenchd?host=%s&port=%s\n' \
    "$(socket_dir | sed 's/%/%25/g; s/ /%20/g; s/&/%26/g; s/#/%23/g; s/?/%3F/g; s/+/%2B/g; s,/,%2F,g')" "$(port)"
}

make() {
  [ ! -e "$data" ] || fail "$data was not made here; move it away"
  rm -rf "$dir/data.new" # of a start that was interrupted
  socket=$dir/socket
  if [ ${#socket} -gt 85 ]; then
    socket=$(mktemp -d /tmp/quenchd-socket.XXXXXX)
  fi
  mkdir -p "$socket" "$dir/data.new"
  : >"$log"
  chmod 700 "$socket"
  [ "$(id -u)" -ne 0 ] || chown "$owner:$group" "$socket" "$dir/data.new" "$log"
  # Whoever can open the socket is let in: only its directory's owner and root can.
  if ! as_owner "$bin/initdb" -D "$dir/data.new" -U quenchd --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=reject >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -rf "$dir/data.new"
    fail "initdb failed"
  fi
  as_owner sh -c 'cat >>"$1"' sh "$dir/data.new/postgresql.conf" <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$(printf '%s' "$socket" | sed "s/'/''/g")'
SETTINGS
  printf 'socket=%s\n' "$socket" >"$marker"
  mv "$dir/data.new" "$data"
}

start() {
  options=
  for setting in "$@"; do options="$options -c $setting"; done
  socket=$(socket_dir)
  if [ ! -d "$socket" ]; then # /tmp may have been cleaned
    mkdir -m 700 "$socket"
    [ "$(id -u)" -ne 0 ] || chown "$owner:$group" "$socket"
  fi
  if ! as_owner "$bin/pg_ctl" -D "$data" -l "$log" -w -t 60 -o "$options" start >/dev/null 2>&1 </dev/null 9>&-; then
    tail -n 20 "$log" >&2
    fail "PostgreSQL does not start; its log is $log"
  fi
}

create_database() {
  psql() { as_owner "$bin/psql" -X -q -At -h "$(socket_dir)" -p "$(port)" -U quenchd -d postgres "$@"; }
  if [ "$(psql -c "SELECT 1 FROM pg_database WHERE datname = 'quenchd'")" != 1 ]; then
    psql -c 'CREATE DATABASE quenchd'
  fi
}

# Two starts at once must not both run initdb.
exec 9>"$dir/lock"
flock 9
case $verb in
start)
  if [ ! -f "$marker" ] || [ ! -d "$data" ]; then make; fi
  running || start "$@"
  create_database
  url
  ;;
stop)
  [ -f "$marker" ] || fail "$dir holds no cluster made here"
  if running; then
    as_owner "$bin/pg_ctl" -D "$data" -m fast -w -t 60 stop >/dev/null || fail "PostgreSQL does not stop; its log is $log"
  fi
  case $(socket_dir) in /tmp/quenchd-socket.*) rm -rf "$(socket_dir)" ;; esac
  ;;
status)
  [ -f "$marker" ] || fail "$dir holds no cluster made here"
  running || fail "not running"
  url
  ;;
*)
  fail "unknown verb '$verb'"
  ;;
esac
