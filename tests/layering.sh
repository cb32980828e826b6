#!/bin/sh
# Proves that includes run server -> api -> engine only, that the folders of the engine see only those below
# them, and that no analysis includes another. Then plants violations in a copy, each of which must be found.
#   sh tests/layering.sh          check the tree, then the check itself
#   sh tests/layering.sh ROOT     check the tree at ROOT only
set -eu
self=$(cd "$(dirname "$0")" && pwd)/layering.sh

check() { # ROOT: prints each violation; fails when there is one
  (cd "$1" && find server api engine -name '*.[ch]' | LC_ALL=C sort | xargs awk '
    BEGIN {
      layers["server"] = "server api engine"; layers["api"] = "api engine"; layers["engine"] = "engine"
      # base <- model <- {neighbor <- potential, trajectory} <- {dynamics, relax, analysis}; fit on base
      below["base"] = "base"
      below["model"] = "base model"
      below["fit"] = "base fit"
      below["neighbor"] = "base model neighbor"
      below["potential"] = "base model neighbor potential"
      below["trajectory"] = "base model trajectory"
      under = "base model neighbor potential trajectory fit "
      below["dynamics"] = under "dynamics"; below["relax"] = under "relax"; below["analysis"] = under "analysis"
      banned["engine"] = "jansson|libpq|postgres|microhttpd|curl/|openssl/|sys/socket|netinet/|arpa/|netdb"
      banned["api"] = "libpq|postgres|microhttpd|curl/|sys/socket|netinet/|arpa/|netdb"
      banned["server"] = "^$"
    }
    function has(list, word) { return index(" " list " ", " " word " ") > 0 }
    function stem(path) { sub(/\.[ch]$/, "", path); return path }
    function report(reason) { printf "%s:%d: %s: %s\n", FILENAME, FNR, reason, $0; bad++ }
    # An analysis is a file that defines a type of analysis, with its header; the list of all types is none.
    /^(static )?const qn_analysis_type [a-z_]+ =/ && FILENAME ~ /^engine\/analysis\// {
      analysis[stem(FILENAME)] = 1
    }
    /^[ \t]*#[ \t]*include/ {
      split(FILENAME, here, "/")
      target = $0
      sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
      kind = substr(target, 1, 1)
      target = substr(target, 2)
      sub(/[>"].*/, "", target)
      if (target ~ banned[here[1]]) report(here[1] " does not know this library")
      if (kind == "<") { if (target ~ /^(server|api|engine)\//) report("own headers stand in quotes"); next }
      if (kind != "\"") { report("an include that cannot be read"); next }
      split(target, there, "/")
      if (!(there[1] in layers)) { report("an include is written from the root"); next }
      if (!has(layers[here[1]], there[1])) { report(here[1] " must not see " there[1]); next }
      if (here[1] == "engine") {
        if (!(here[2] in below)) { report("an unknown folder of the engine"); next }
        if (!has(below[here[2]], there[2])) { report("engine/" here[2] " must not see engine/" there[2]); next }
        if (here[2] == "analysis" && there[2] == "analysis") { uses[++n] = FILENAME ":" FNR; from[n] = stem(FILENAME); to[n] = stem(target) }
      }
    }
    END {
      for (i = 1; i <= n; i++)
        if ((to[i] in analysis) && to[i] != from[i]) {
          printf "%s: an analysis must not be included by another: %s\n", uses[i], to[i]; bad++
        }
      if (NR == 0) { print "no sources found"; bad++ }
      exit bad > 0
    }')
}

if [ $# -eq 1 ]; then
  check "$1"
  exit
fi

root=$(dirname "$self")/..
passed=0
failed=0
tell() { # EXPECTED-STATUS STATUS NAME
  if [ "$1" -eq "$2" ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $3"
  fi
}

status=0
check "$root" || status=1
tell 0 $status "the tree"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
fresh() {
  for layer in server api engine; do
    rm -rf "${copy:?}/$layer"
    cp -R "$root/$layer" "$copy/$layer"
  done
}
add() { # FILE LINE...
  file=$1
  shift
  mkdir -p "$copy/$(dirname "$file")"
  printf '%s\n' "$@" >>"$copy/$file"
}
expect() { # EXPECTED-STATUS NAME
  status=0
  check "$copy" >/dev/null 2>&1 || status=1
  tell "$1" $status "$2"
}
plant() { # NAME FILE LINE...: a violation
  name=$1
  shift
  fresh
  add "$@"
  expect 1 "$name"
}

fresh
add engine/base/planted.c '#include <stdlib.h>' '#include "engine/base/status.h"'
expect 0 "a copy is as clean as the tree"
add engine/analysis/planted.c 'const qn_analysis_type qn_planted = {' '#include "engine/analysis/planted.h"' \
  '#include "engine/analysis/analysis.h"'
expect 0 "an analysis sees its own header and the contract"
add engine/analysis/planted_other.c 'const qn_analysis_type qn_planted_other = {'
add engine/analysis/planted_other.h '#include "engine/analysis/analysis.h"'
add engine/analysis/planted.c '#include "engine/analysis/planted_other.h"'
expect 1 "an analysis includes another"
plant "engine sees api" engine/model/planted.c '#include "api/json.h"'
plant "engine sees server" engine/model/planted.h '  #  include "server/log.h"'
plant "api sees server" api/planted.c '#include "server/log.h"'
plant "engine sees jansson" engine/base/planted.c '#include <jansson.h>'
plant "api sees libpq" api/planted.c '#include <libpq-fe.h>'
plant "api sees sockets" api/planted.c '#include <sys/socket.h>'
plant "own header in angle brackets" api/planted.c '#include <server/log.h>'
plant "an include by relative path" server/planted.c '#include "../api/json.h"'
plant "an include without its folder" server/planted.c '#include "log.h"'
plant "base sees model" engine/base/planted.c '#include "engine/model/box.h"'
plant "fit sees model" engine/fit/planted.c '#include "engine/model/box.h"'
plant "neighbor sees potential" engine/neighbor/planted.c '#include "engine/potential/eam.h"'
plant "trajectory sees dynamics" engine/trajectory/planted.c '#include "engine/dynamics/run.h"'
plant "analysis sees dynamics" engine/analysis/planted.c '#include "engine/dynamics/run.h"'
plant "relax sees analysis" engine/relax/planted.c '#include "engine/analysis/analysis.h"'
plant "a folder that the design does not have" engine/misc/planted.c '#include "engine/base/status.h"'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
