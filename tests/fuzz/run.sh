#!/bin/sh
# Fuzz every reader of foreign bytes: first the stored corpus, then new inputs for some seconds each. What fails is printed as base64.
#   sh tests/fuzz/run.sh [--seconds N] [--seed N] [--only TARGET] [--build]
# 5 s a target, or 60 with QN_TEST_LONG. --build makes the targets in build/fuzz first (clang; tests/run.sh has made them already).
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${QN_TEST_LONG:+60}
seconds=${seconds:-5}
seed=1
only=
while [ $# -gt 0 ]; do
  case $1 in
  --seconds) seconds=$2 && shift ;;
  --seed) seed=$2 && shift ;;
  --only) only=$2 && shift ;;
  --build)
    cmake -S . -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g1" -DQN_FUZZ=ON \
      -DQN_SANITIZE=fuzzer-no-link,address,undefined >/dev/null && ninja -C build/fuzz fuzz >/dev/null || exit 1
    ;;
  *)
    echo "usage: run.sh [--seconds N] [--seed N] [--only TARGET] [--build]" >&2
    exit 2
    ;;
  esac
  shift
done

work=$(mktemp -d /tmp/quenchd-fuzz.XXXXXX)
child=
stop() {
  trap - EXIT INT TERM HUP
  [ -z "$child" ] || kill "$child" 2>/dev/null
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 OMP_NUM_THREADS=1

passed=0
failed=0
for source in tests/fuzz/*.c; do
  name=$(basename "$source" .c)
  [ -z "$only" ] || [ "$only" = "$name" ] || continue
  case $name in
  spec) options="-max_len=4096 -dict=tests/fuzz/json.dict" ;;
  target) options="-max_len=1024 -dict=tests/fuzz/target.dict" ;;
  checkpoint) options="-max_len=20000" ;;
  *) options="-max_len=4096 -dict=tests/fuzz/text.dict" ;;
  esac
  mkdir "$work/$name"
  build/fuzz/tests/fuzz/fuzz_"$name" $options -max_total_time="$seconds" -seed="$seed" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$work/" "$work/$name" "tests/fuzz/corpus/$name" >"$work/log" 2>&1 </dev/null &
  child=$!
  wait $child
  result=$?
  child=
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  printf '%-12s %8s inputs in %s s, %s edges seen\n' "$name" "${runs:-?}" "$seconds" "${edges:-?}"
  if [ $result -eq 0 ]; then
    passed=$((passed + 1))
    continue
  fi
  failed=$((failed + 1))
  grep -v '^#[0-9]*[[:space:]]' "$work/log" | tail -n 60
  for input in "$work"/crash-* "$work"/timeout-* "$work"/oom-* "$work"/leak-*; do
    [ -f "$input" ] || continue
    echo "the input, $(wc -c <"$input") bytes, as base64:"
    base64 "$input" | head -n 60
    cp "$input" "/tmp/quenchd-fuzz-$name-$(basename "$input" | cut -c1-20)"
    rm -f "$input"
  done
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ $failed -eq 0 ]
