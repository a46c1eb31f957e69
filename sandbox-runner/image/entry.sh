#!/bin/sh
# The start of the image: on Lambda the runner of its invocations, elsewhere the server. The environment is built anew
# from what is named here, and the secret comes by the standard input: what a process was started with can be read in
# /proc by whoever runs as the same user, which commands do where no namespace is to be had. Lambda puts credentials there.
#
#     entry.sh [node [folder of the runner]]
set -eu
node=${1:-node}
folder=${2:-/opt/stint}
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then entry=lambda; else entry=http; fi
file=$folder/$entry.mjs
[ -f "$file" ] || file=$folder/$entry.ts
set -- PATH="$PATH" HOME="${HOME:-/tmp}" LANG="${LANG:-C.UTF-8}" STINT_HOME="${STINT_HOME:-/tmp/stint}"
for name in AWS_LAMBDA_RUNTIME_API PORT HOST STINT_PART STINT_ISOLATION; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || set -- "$@" "$name=$value"
done
# It takes in what others leave behind, which Node does not.
init=$(command -v tini || :)
exec env -i "$@" SANDBOX_TOKEN=- ${init:+"$init" --} "$node" --disable-warning=ExperimentalWarning "$file" <<TOKEN
${SANDBOX_TOKEN:-}
TOKEN
