set -eu
fail() { echo "$*"; exit 1; }
[ "$(bash sum.sh sales.csv amount 2>/dev/null)" = 12.25 ] || fail sum
[ "$(bash sum.sh sales.csv amount region 2>/dev/null)" = 'north 10.50
south 1.75
west 0.00' ] || fail "groups: $(bash sum.sh sales.csv amount region)"
[ "$(bash sum.sh sales.csv amount 2>&1 >/dev/null)" = 'skipped 2' ] || fail skipped
[ -z "$(bash sum.sh sales.csv year 2>&1 >/dev/null)" ] || fail 'none skipped'
code=0; err=$(bash sum.sh sales.csv nope 2>&1 >/dev/null) || code=$?
[ $code = 2 ] || fail "exit $code"
case $err in *region*amount*year*) ;; *) fail "said: $err" ;; esac
printf 'a,b\r\n1,2\r\n3,4.5\r\n' > crlf.csv
[ "$(bash sum.sh crlf.csv b)" = 6.50 ] || fail crlf
rm crlf.csv
