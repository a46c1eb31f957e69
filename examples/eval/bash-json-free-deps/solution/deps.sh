#!/usr/bin/env bash
# deps.sh [--why NAME] FILE: the packages of a lock file, or those that need NAME.
set -eu
why=
if [ "${1-}" = --why ]; then
  why=$2
  shift 2
fi
[ -f "$1" ] || { echo "deps.sh: there is no file $1" >&2; exit 1; }
awk -v why="$why" '
  # A name may begin with @, so the version range begins at the next one.
  /^[^ #].*:$/ { name = $1; at = index(substr(name, 2), "@"); name = substr(name, 1, at) }
  $1 == "version" && why == "" { print name, $2 }
  $1 == "needs" && $2 == why { print name }
' "$1" | LC_ALL=C sort -u
