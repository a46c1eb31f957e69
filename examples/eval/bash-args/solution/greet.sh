#!/usr/bin/env bash
set -eu
usage='usage: greet.sh [-n NAME] [-c N] [--] [GREETING...]'
wrong() {
  echo "greet.sh: $1; $usage" >&2
  exit 2
}

name=world count=1
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    --name=*) name=${1#*=} ;;
    --count=*) count=${1#*=} ;;
    -n | --name | -c | --count)
      [ $# -gt 1 ] || wrong "$1 needs a value"
      case $1 in -n | --name) name=$2 ;; *) count=$2 ;; esac
      shift
      ;;
    --) shift; break ;;
    -?*) wrong "unknown option $1" ;;
    *) break ;;
  esac
  shift
done
case $count in '' | 0* | *[!0-9]*) wrong "$count is no count" ;; esac
greeting=${*:-Hello}
for ((i = 0; i < count; i++)); do echo "$greeting, $name!"; done
