#!/bin/sh
# The honest fresh machine: a minimal Debian 12 that holds nothing but a copy of the last commit, and in it the two
# commands of the README. Needs root, debootstrap and a network; takes about half an hour on two cores.
#   sh tests/fresh-machine.sh [--sudo] [--base DIR] [COMMAND...]
#     --sudo   as a user who has sudo, not as root
#     --base   copy the Debian from DIR (made by docker/minbase.sh) instead of making it
#     COMMAND  instead of the two commands (one argument each)
# All that is mounted or started lives in namespaces of its own, and so ends with this script.
set -eu
cd "$(dirname "$0")/.."

user=root
base=
while [ $# -gt 0 ]; do
  case $1 in
  --sudo) user=researcher ;;
  --base)
    base=$2
    shift
    ;;
  --*)
    sed -n '4,8s/^# *//p' "$0" >&2
    exit 2
    ;;
  *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || set -- 'sh server/quickstart.sh --once' 'sh tests/run.sh'

machine=$(mktemp -d /var/tmp/quenchd-machine.XXXXXX)
trap 'rm -rf --one-file-system "$machine"' EXIT
trap 'exit 130' INT TERM HUP
root=$machine/root
chmod 755 "$machine"

if [ -n "$base" ]; then
  cp -a "$base" "$root"
else
  echo "== a new Debian"
  sh docker/minbase.sh "$root"
fi
if [ $user = root ]; then
  home=$root/root
else
  home=$root/home/$user
  chroot "$root" sh -c "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends sudo \
    && useradd -m -s /bin/sh $user && echo '$user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/$user" >/dev/null 2>&1
fi
mkdir "$home/quenchd"
git archive HEAD | tar -x -C "$home/quenchd"
chroot "$root" chown -R "$user:" "${home#"$root"}/quenchd"

# Runs "$2" as user $1 inside $3, in its own mount, process and IPC namespace.
inside='
  mount --bind "$3" "$3" # the root of a machine is a mount, which network namespaces ask for
  mount -t proc proc "$3/proc"
  mount -t sysfs -o ro sysfs "$3/sys"
  mount -t tmpfs -o mode=755 tmpfs "$3/dev"
  for node in null zero full random urandom tty; do
    : >"$3/dev/$node"
    mount --bind "/dev/$node" "$3/dev/$node"
  done
  mkdir "$3/dev/shm" "$3/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$3/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$3/dev/pts"
  ln -s pts/ptmx "$3/dev/ptmx"
  ln -s /proc/self/fd "$3/dev/fd"
  home=$(awk -F: -v u="$1" "\$1 == u { print \$6 }" "$3/etc/passwd")
  exec chroot "$3" setpriv --reuid="$1" --regid="$1" --init-groups env -i HOME="$home" USER="$1" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd ~/quenchd && exec $2"
'
status=0
for command in "$@"; do
  echo "== $command (as $user)"
  from=$(date +%s)
  unshare --mount --pid --ipc --fork --kill-child sh -euc "$inside" sh "$user" "$command" "$root" </dev/null || {
    status=$?
    echo "== FAILED with status $status: $command" >&2
  }
  echo "== $(($(date +%s) - from)) s: $command"
done
exit $status
