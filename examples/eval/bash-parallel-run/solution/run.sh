#!/usr/bin/env bash
# run.sh [-j N] FILE: runs each line as a command, at most N at a time, and tells what they said in order.
set -u
jobs=1
if [ "${1-}" = -j ]; then
  jobs=$2
  shift 2
fi
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

number=0 running=0
while IFS= read -r line || [ -n "$line" ]; do
  number=$((number + 1))
  case $line in '' | '#'*) continue ;; esac
  if [ "$running" -ge "$jobs" ]; then
    wait -n
    running=$((running - 1))
  fi
  (
    # A name that sorts by number. Nothing reads the list that we read.
    file=$said/$(printf '%09d' "$number")
    bash -c "$line" > "$file" < /dev/null
    echo $? > "$file.code"
  ) &
  running=$((running + 1))
done < "$1"
wait

failed=0
for code in "$said"/*.code; do
  [ -e "$code" ] || break
  file=${code%.code}
  number=$((10#${file##*/}))
  while IFS= read -r line || [ -n "$line" ]; do printf '[%d] %s\n' "$number" "$line"; done < "$file"
  [ "$(cat "$code")" = 0 ] || failed=$((failed + 1))
done
exit $((failed > 100 ? 100 : failed))
