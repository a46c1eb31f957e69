set -eu
fail() { echo "$*"; exit 1; }
same() { local want=$1; shift; local got; got=$(bash greet.sh "$@") || fail "exit: $*"; [ "$got" = "$want" ] || fail "$*: $got"; }
wrong() { local code=0; bash greet.sh "$@" >/tmp/o.$$ 2>/tmp/e.$$ || code=$?; [ $code = 2 ] && [ "$(wc -l < /tmp/e.$$)" = 1 ] && [ ! -s /tmp/o.$$ ] || fail "not refused: $*"; rm -f /tmp/o.$$ /tmp/e.$$; }
same 'Hello, world!'
same 'Hello, A B!' -n 'A B'
same 'Good day, x!' --name=x Good day
same $'Hi, y!\nHi, y!' -c 2 --name y Hi
same '-n, world!' -- -n
same 'Hello, !' --name=
case $(bash greet.sh --help) in *greet.sh*) ;; *) fail help ;; esac
wrong -n
wrong -c 0
wrong -c x
wrong --count
wrong --nope
