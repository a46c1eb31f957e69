#!/usr/bin/env bash
# deps.sh FILE
grep -A1 '^[a-z]' $1 | sed 's/@.*//' | paste - - - | awk '{print $1, $3}' | sort
