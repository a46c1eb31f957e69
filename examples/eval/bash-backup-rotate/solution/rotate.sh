#!/usr/bin/env bash
# rotate.sh FILE N: keeps the last N versions of FILE beside it.
set -eu
[ $# = 2 ] || { echo 'usage: rotate.sh FILE N' >&2; exit 2; }
file=$1 keep=$2
case $keep in '' | 0* | *[!0-9]*) echo "rotate.sh: $keep is no number of copies" >&2; exit 2 ;; esac
[ -f "$file" ] || { echo "rotate.sh: there is no file $file" >&2; exit 1; }
if [ -e "$file.1" ] && cmp -s -- "$file" "$file.1"; then exit 0; fi

# The copy is whole before anything moves.
new=$file.new.$$
trap 'rm -f -- "$new"' EXIT
cp -- "$file" "$new"
i=$keep
while [ -e "$file.$i" ]; do rm -f -- "$file.$i"; i=$((i + 1)); done
for ((i = keep - 1; i >= 1; i--)); do
  if [ -e "$file.$i" ]; then mv -- "$file.$i" "$file.$((i + 1))"; fi
done
mv -- "$new" "$file.1"
