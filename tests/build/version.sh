#!/bin/sh
# What the version says of the source: git's description, the commit of an archive, what a build was told, or the release alone.
set -u
script=$(cd "$(dirname "$0")/../.." && pwd)/engine/base/version.cmake
work=$(mktemp -d /tmp/quenchd-version.XXXXXX)
trap 'rm -rf "$work"' EXIT
failed=0

expect() { # VERSION FOLDER CMAKE-OPTION...
  wanted=$1
  folder=$2
  shift 2
  rm -f "$work/version.c"
  PATH="$work/bin:$PATH" cmake -DSOURCE="$folder" -DOUTPUT="$work/version.c" -DRELEASE=1.2.3 "$@" -P "$script"
  if ! grep -qF "return \"$wanted\";" "$work/version.c"; then
    echo "FAILED: wanted $wanted of $folder $*: $(cat "$work/version.c")"
    failed=1
  fi
}

# A git that knows one repository: what matters is how its answer is taken.
mkdir "$work/bin" "$work/repository" "$work/repository/.git" "$work/archive" "$work/clone" "$work/bare"
printf '#!/bin/sh\n[ "$2" = "%s" ] && echo v1.2.3-4-gabcdef012345-dirty || exit 128\n' "$work/repository" >"$work/bin/git"
chmod +x "$work/bin/git"
echo 0123456789abcdef0123456789abcdef01234567 >"$work/archive/.revision"
# shellcheck disable=SC2016
echo '$Format:%H$' >"$work/clone/.revision" # not filled in: no archive

expect 1.2.3+v1.2.3-4-gabcdef012345-dirty "$work/repository" -DREVISION=
expect 1.2.3+0123456789ab "$work/archive" -DREVISION=
expect 1.2.3 "$work/clone" -DREVISION=
expect 1.2.3 "$work/bare"
expect 1.2.3+told-me "$work/archive" "-DREVISION=told me"

# The source is not touched, and so not compiled, when nothing has changed.
expect 1.2.3 "$work/bare"
touch -d '2001-01-01' "$work/version.c"
cmake -DSOURCE="$work/bare" -DOUTPUT="$work/version.c" -DRELEASE=1.2.3 -P "$script"
[ "$(date -r "$work/version.c" +%Y)" = 2001 ] || {
  echo "FAILED: written again without need"
  failed=1
}
exit $failed
