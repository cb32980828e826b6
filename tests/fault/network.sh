#!/bin/sh
# A server and two workers in network namespaces of their own, around one database, over real TCP with real time-outs: one of them is cut off
# for a minute, and the invariants of the other schedules hold. Everything lives inside namespaces that this script makes and removes.
#   sh tests/fault/network.sh [--program QUENCHD] [--long] [--keep]
# Without root or `ip` and `iptables` it is skipped, which it says and which is no pass.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1

skip() {
  echo "SKIPPED: the cut-off in network namespaces: $*"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}
[ "$(id -u)" -eq 0 ] || skip "needs root"
for tool in ip iptables; do
  command -v $tool >/dev/null || skip "needs $tool"
done

hub=qn$$-hub
hosts="server one two"
remove() {
  trap - EXIT INT TERM HUP
  [ -z "${child:-}" ] || { kill "$child" 2>/dev/null; wait "$child"; }
  for name in $hosts hub; do ip netns del qn$$-$name 2>/dev/null; done
}
trap remove EXIT
trap 'remove; exit 130' INT
trap 'remove; exit 143' TERM HUP

ip netns add $hub 2>/dev/null || skip "no namespace can be made here"
ip -n $hub link set lo up &&
  ip -n $hub link add bridge type bridge &&
  ip -n $hub address add 198.18.0.1/24 dev bridge &&
  ip -n $hub link set bridge up || exit 1
number=2
for name in $hosts; do
  ip netns add qn$$-$name &&
    ip -n qn$$-$name link set lo up &&
    ip link add eth0 netns qn$$-$name type veth peer name $name netns $hub &&
    ip -n $hub link set $name master bridge up &&
    ip -n qn$$-$name address add 198.18.0.$number/24 dev eth0 &&
    ip -n qn$$-$name link set eth0 up || exit 1
  number=$((number + 1))
done

ip netns exec $hub /usr/bin/python3 "$here/network.py" --names qn$$ "$@" &
child=$!
wait $child
result=$?
child=
exit $result
