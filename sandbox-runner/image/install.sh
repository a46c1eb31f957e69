#!/bin/sh
# What is in the sandbox's image beside Node and the runner, and how it gets there. The Dockerfile runs `install`; the
# rest can be run anywhere, so that what needs no container engine is checked without one.
#
#     install.sh packages    the Debian packages, one a line
#     install.sh programs    what a command must find, one a line
#     install.sh install     installs them (as root)
#     install.sh check       each program, and whether it runs; exit 1 when one is missing
set -eu

# trixie: git 2.47 and newer has what makes a hostile submodule path harmless; Go 1.24, Python 3.13.
packages='bash bubblewrap ca-certificates curl diffutils file findutils g++ gcc git golang-go jq less libc6-dev make
patch pkg-config procps python-is-python3 python3 python3-dev python3-pip python3-venv ripgrep tini unzip xz-utils zstd'

programs='bash bwrap curl diff file find g++ gcc git go jq make node npm patch pip ps python python3 rg tar unzip zstd'

each() { for one in $1; do echo "$one"; done; }

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # Nothing that is only recommended: the smaller the image, the sooner its first answer.
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $packages
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
  # No program that lends somebody else's rights.
  find / -xdev -type f -perm /6000 -exec chmod a-s {} +
}

check() {
  missing=0
  for one in $programs; do
    if ! command -v "$one" >/dev/null; then
      echo "$one: missing"
      missing=1
      continue
    fi
    case $one in
      go) version=$(go version) ;;
      unzip) version=$(unzip -v) ;;
      *) version=$("$one" --version 2>&1) || { echo "$one: does not run"; missing=1; continue; } ;;
    esac
    printf '%s: %s\n' "$one" "$(printf '%s\n' "$version" | head -n 1)"
  done
  return $missing
}

case ${1:-} in
  packages) each "$packages" ;;
  programs) each "$programs" ;;
  install) install ;;
  check) check ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
