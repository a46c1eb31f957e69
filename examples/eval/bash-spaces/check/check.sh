set -eu
fail() { echo "$*"; exit 1; }
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
touch "$t/a b.txt" "$t/-n.txt" "$t/plain" "$t/.hidden" "$t/c.tar.gz"
mkdir "$t/gz"; echo old > "$t/gz/c.tar.gz"
out=$(bash tidy.sh "$t")
[ -f "$t/txt/a b.txt" ] && [ -f "$t/txt/-n.txt" ] || fail names
[ -f "$t/plain" ] && [ -f "$t/.hidden" ] || fail stays
[ "$(cat "$t/gz/c.tar.gz")" = old ] && [ -f "$t/c.tar.gz" ] || fail overwritten
[ "$out" = "kept c.tar.gz" ] || fail "said: $out"
[ -d "$t/gz" ] && [ ! -e "$t/gz/gz" ] || fail folder
mkdir "$t/empty"; bash tidy.sh "$t/empty"
[ -z "$(ls -A "$t/empty")" ] || fail empty
if bash tidy.sh "$t/nowhere" 2>/dev/null; then fail nowhere; fi
