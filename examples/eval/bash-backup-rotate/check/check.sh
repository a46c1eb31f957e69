set -eu
fail() { echo "$*"; exit 1; }
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
f="$t/my file"
for i in 1 2 3 4 5; do echo $i > "$f"; bash rotate.sh "$f" 3; done
[ "$(cat "$f.1" "$f.2" "$f.3" | tr -d '\n')" = 543 ] && [ ! -e "$f.4" ] || fail order
bash rotate.sh "$f" 3
[ "$(cat "$f.2")" = 4 ] || fail 'same again'
touch "$f.7"; echo 6 > "$f"; bash rotate.sh "$f" 2
[ "$(cat "$f.1" "$f.2" | tr -d '\n')" = 65 ] && [ ! -e "$f.3" ] || fail fewer
[ "$(ls "$t" | wc -l)" -le 4 ] || fail "left behind: $(ls "$t")"
for args in '' "$f" "$f 0" "$f x"; do code=0; bash rotate.sh $args 2>/dev/null || code=$?; [ $code = 2 ] || fail "exit $code"; done
code=0; bash rotate.sh "$t/none" 2 2>/dev/null || code=$?
[ $code != 0 ] || fail 'no file'
[ "$(cat "$f.1")" = 6 ] || fail moved
