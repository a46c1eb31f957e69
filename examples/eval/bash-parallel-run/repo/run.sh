#!/usr/bin/env bash
# run.sh FILE
while read -r line; do
  bash -c "$line"
done < "$1"
