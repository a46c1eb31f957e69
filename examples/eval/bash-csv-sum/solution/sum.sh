#!/usr/bin/env bash
# sum.sh FILE COLUMN [GROUP_COLUMN]: adds up a column, found by its heading.
set -eu
LC_ALL=C awk -F, -v column="$2" -v group="${3-}" '
  { sub(/\r$/, "") }
  NR == 1 {
    for (i = 1; i <= NF; i++) place[$i] = i
    if (!(column in place) || (group != "" && !(group in place))) {
      print "sum.sh: no such column; there are: " $0 > "/dev/stderr"
      wrong = 1
      exit 2
    }
    next
  }
  {
    key = group == "" ? "" : $place[group]
    if (!(key in sum)) { order[++n] = key; sum[key] = 0 }
    value = $place[column]
    if (value ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)$/) sum[key] += value
    else skipped++
  }
  END {
    if (wrong) exit 2
    if (group == "") printf "%.2f\n", sum[""]
    else for (i = 1; i <= n; i++) printf "%s %.2f\n", order[i], sum[order[i]]
    if (skipped) print "skipped " skipped > "/dev/stderr"
  }
' "$1"
