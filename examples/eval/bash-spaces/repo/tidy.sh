#!/usr/bin/env bash
# tidy.sh FOLDER
cd $1
for f in `ls`; do
  ext=${f##*.}
  mkdir -p $ext
  mv $f $ext/
done
