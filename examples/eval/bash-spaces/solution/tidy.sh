#!/usr/bin/env bash
# tidy.sh FOLDER: moves its files into folders by extension.
set -eu
cd -- "$1"
for f in *; do
  [ -f "./$f" ] || continue
  case $f in *.*) ext=${f##*.} ;; *) continue ;; esac
  if [ -e "./$ext/$f" ]; then
    echo "kept $f"
    continue
  fi
  mkdir -p "./$ext"
  mv "./$f" "./$ext/"
done
