set -eu
fail() { echo "$*"; exit 1; }
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
cat > "$t/jobs" <<'END'
sleep 0.4; echo slow; echo "two words"
# a comment

echo fast; exit 3
cat
printf 'no end'
END
code=0; out=$(bash run.sh -j 4 "$t/jobs") || code=$?
[ $code = 1 ] || fail "exit $code"
[ "$out" = '[1] slow
[1] two words
[4] fast
[6] no end' ] || fail "said: $out"
code=0; [ "$(bash run.sh "$t/jobs")" = "$out" ] || code=$?
printf 'echo $$ >> %s/begun; while [ ! -e %s/go ]; do sleep 0.05; done\n%.0s' > /dev/null
for i in 1 2 3; do echo "echo x >> $t/begun; while [ ! -e $t/go ]; do sleep 0.05; done"; done > "$t/wait"
bash run.sh -j 2 "$t/wait" & p=$!
for i in $(seq 200); do [ "$(cat "$t/begun" 2>/dev/null | wc -l)" -ge 2 ] && break; sleep 0.05; done
sleep 0.5
[ "$(wc -l < "$t/begun")" = 2 ] || fail "not two at a time: $(wc -l < "$t/begun")"
touch "$t/go"; wait $p
[ "$(wc -l < "$t/begun")" = 3 ] || fail 'not all'
