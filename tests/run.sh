#!/bin/sh
# Install, build with warnings as errors, start a PostgreSQL of its own, run every test, print a summary.
#   sh tests/run.sh [--long] [--only WORD]
#     --long   every test at full length: statistics, 200 schedules of faults, a minute of fuzzing each (sets QN_TEST_LONG=1); and
#              the tests of api and server in three builds (plain, address and undefined behaviour, threads) instead of one
#     --only   ctest tests and suites whose name contains WORD
# Every test process gets DATABASE_URL (a superuser of a cluster that lives as long as this run; a test that
# writes makes a database of its own there) and QN_TEST_BIN (the folder that holds quenchd).
# The last line is "N passed, N failed"; a test is a ctest test or a case of a suite.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)
started=$(date +%s)

only=
while [ $# -gt 0 ]; do
  case $1 in
  --long) export QN_TEST_LONG=1 ;;
  --only)
    only=${2:?--only needs a word}
    shift
    ;;
  *)
    echo "usage: run.sh [--long] [--only WORD]" >&2
    exit 2
    ;;
  esac
  shift
done

passed=0
failed=0
failures=
most=${QN_TEST_LONG:+7200} # seconds of one suite
most=${most:-600}
cores=$(nproc)
work=$(mktemp -d /tmp/quenchd-tests.XXXXXX)
chmod 711 "$work" # PostgreSQL, another user when this is root, has its folder inside
running=

stop() {
  trap - EXIT INT TERM HUP
  if [ -n "$running" ]; then
    kill "$running" 2>/dev/null
    wait "$running" 2>/dev/null
  fi
  [ ! -d "$work/cluster" ] || sh server/cluster.sh stop "$work/cluster" >/dev/null 2>&1
  rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM HUP

say() { printf '\n== %s\n' "$*"; }

# In the background and waited for, so that a signal is acted on at once and the child is stopped with us.
run() {
  "$@" &
  running=$!
  wait "$running"
  result=$?
  running=
  return $result
}

fatal() {
  echo "$*" >&2
  printf '\n%d passed, %d failed\n' "$passed" $((failed + 1))
  exit 1
}

wanted() { case $1 in *"$only"*) true ;; *) false ;; esac }

# A suite prints its own "N passed, N failed" as its last line, or counts as one test by its exit status.
suite() {
  name=$1
  shift
  wanted "$name" || return 0
  from=$(date +%s)
  # timeout passes a signal on to the whole group, so all that a suite started hears of it.
  run timeout -k 60 $most "$@" >"$work/log" 2>&1 </dev/null
  result=$?
  [ $result -ne 124 ] || echo "over after $most s" >>"$work/log"
  sed -n "s/^SKIPPED/$name/p" "$work/log" >>"$work/skipped" # what was not looked at is told in the summary
  good=$(tail -n 1 "$work/log" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
  bad=$(tail -n 1 "$work/log" | sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p')
  if [ $result -eq 0 ]; then
    : "${good:=1}" "${bad:=0}"
  else
    : "${good:=0}"
    [ "${bad:-0}" -gt 0 ] || bad=1
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  printf '%-44s %4d passed %3d failed  %4d s\n' "$name" "$good" "$bad" $(($(date +%s) - from))
  if [ "$bad" -gt 0 ]; then
    failures="$failures $name"
    tail -n 200 "$work/log"
  fi
}

build() { # FOLDER "TARGET..." CMAKE-OPTION...
  folder=$1
  targets=$2
  shift 2
  cmake -S . -B "$folder" -G Ninja "$@" >"$work/log" 2>&1 &&
    run ninja -C "$folder" $targets >"$work/log" 2>&1 || {
    tail -n 60 "$work/log"
    fatal "$folder does not build"
  }
}

# ctest of a build folder, `jobs` at once; each test counts, under PREFIX/NAME.
ctests() { # PREFIX FOLDER CTEST-OPTION...
  prefix=$1
  folder=$2
  shift 2
  rm -f "$folder/Testing/Temporary/LastTest.log"
  run env QN_TEST_BIN="$root/$folder" ctest --test-dir "$folder" --output-on-failure -j "$jobs" \
    --no-tests=error --output-junit "$work/junit.xml" "$@" >"$work/log" 2>&1
  result=$?
  grep -E 'Test +#' "$work/log" | sed 's/^ *//'
  total=$(sed -n 's/^[[:space:]]*tests="\([0-9]*\)".*/\1/p' "$work/junit.xml" | head -n 1)
  bad=$(sed -n 's/^[[:space:]]*failures="\([0-9]*\)".*/\1/p' "$work/junit.xml" | head -n 1)
  skipped=$(sed -n 's/^[[:space:]]*skipped="\([0-9]*\)".*/\1/p' "$work/junit.xml" | head -n 1)
  : "${total:=0}" "${bad:=0}" "${skipped:=0}"
  if [ $result -ne 0 ]; then
    [ "$bad" -gt 0 ] || bad=1
    failures="$failures $prefix"
    grep -vE '^ *[0-9]+/[0-9]+ Test.*Passed|^ *Start ' "$work/log" | tail -n 400
  fi
  [ "$skipped" -eq 0 ] || echo "$prefix: $skipped tests" >>"$work/skipped"
  # A test of which a part was skipped has passed for ctest; its output tells.
  sed -n "s,^\[  SKIPPED \] \([A-Za-z0-9_]*\)\$,$prefix: \1,p" "$folder/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u >>"$work/skipped"
  passed=$((passed + total - skipped - (total > 0 ? bad : 0)))
  failed=$((failed + bad))
}

say "packages"
sh docker/install.sh build run local demo test || fatal "packages are missing"

# Tests of api and server run in the build with sanitizers, those of the engine, whose kernels are to be those of a user, without.
long=${QN_TEST_LONG:-}
plain='^(build|engine)/'
[ -z "$long" ] || plain='^(build|engine|api|server)/'

say "build"
build build/test "quenchd tests_engine ${long:+tests_api tests_server}" -DQN_WERROR=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo

say "PostgreSQL"
# Without fsync the tests' many small databases are made ten times faster; the machine does not lose power.
DATABASE_URL=$(sh server/cluster.sh start "$work/cluster" fsync=off) || fatal "no PostgreSQL"
export DATABASE_URL
export PYTHONDONTWRITEBYTECODE=1
export OMP_WAIT_POLICY=passive # idle threads must not spin beside another test

say "tests"
jobs=$cores
if [ -n "$only" ]; then
  ctests ctest build/test -R "$plain.*$only" --no-tests=ignore
else
  ctests ctest build/test -R "$plain"
fi

say "suites"
suite layering sh tests/layering.sh
suite contract-document /usr/bin/python3 tests/contract/document.py build/test/quenchd
suite contract-responses sh tests/with_server.sh build/test /usr/bin/python3 tests/contract/responses.py
suite quickstart sh tests/quickstart.sh

say "faults"
if [ -n "$long" ]; then suite fault sh tests/fault/run.sh --network; else suite fault sh tests/fault/run.sh --network --schedules 10; fi
suite crowd sh tests/with_server.sh build/test /usr/bin/python3 tests/fault/crowd.py

# ctest of the API and the server under sanitizers, which --only narrows further. They compute half of the time, and wait for leases, outages and
# deadlines the other half.
sanitized() { # PREFIX FOLDER CTEST-OPTION...
  jobs=$((cores + 1))
  prefix=$1
  folder=$2
  shift 2
  if [ -n "$only" ]; then
    ctests "$prefix" "$folder" -R "^(api|server)/.*$only" --no-tests=ignore "$@"
  else
    ctests "$prefix" "$folder" -R '^(api|server)/' "$@"
  fi
}

say "AddressSanitizer and UndefinedBehaviorSanitizer"
build build/sanitize "quenchd tests_api tests_server" -DQN_WERROR=ON -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
  -DQN_SANITIZE=address,undefined
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
sanitized sanitized build/sanitize
[ -z "$long" ] || suite fault-sanitized sh tests/fault/run.sh --program build/sanitize/quenchd --no-drills --schedules 4
suite hostile-bodies sh tests/with_server.sh build/sanitize /usr/bin/python3 tests/hostile/bodies.py
# What a vanished client has held is given back after the idle timeout: the suite waits for that.
suite hostile-clients env QUENCHD_IDLE_TIMEOUT_S=5 sh tests/with_server.sh build/sanitize /usr/bin/python3 tests/hostile/clients.py

if [ -n "$long" ]; then
  say "ThreadSanitizer"
  build build/thread "quenchd tests_api tests_server" -DQN_WERROR=ON -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
    -DQN_SANITIZE=thread
  # OpenMP's own library is not instrumented: what its threads agree on would be called a race. So the threads of the server are looked at,
  # and the tests left out that compare teams of several sizes, or that compute for minutes on one thread.
  export OMP_NUM_THREADS=1 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0
  sanitized thread build/thread -E '^(api/test_spec_fuzz|server/cli/test_(analyse|evaluate|simulate)|server/job/test_(analyse|simulate))$'
  unset OMP_NUM_THREADS TSAN_OPTIONS
fi

say "fuzzing"
build build/fuzz fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g1" -DQN_FUZZ=ON \
  -DQN_SANITIZE=fuzzer-no-link,address,undefined
suite fuzz sh tests/fuzz/run.sh

say "summary"
echo "$(($(date +%s) - started)) s on $cores cores"
[ -z "$failures" ] || echo "failed:$failures"
[ ! -s "$work/skipped" ] || echo "$(wc -l <"$work/skipped") skipped: $(paste -sd ';' "$work/skipped" | sed 's/;/; /g')"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
