#!/usr/bin/env bash
s=0
for v in $(tail -n +2 "$1" | cut -d, -f1); do s=$((s + v)); done
echo $s
