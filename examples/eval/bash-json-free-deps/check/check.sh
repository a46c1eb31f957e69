set -eu
fail() { echo "$*"; exit 1; }
want='@scope/gamma 0.1.5
Zeta 3.0.0
alpha 1.2.0
beta 1.9.0
beta 2.1.3'
[ "$(bash deps.sh sample.lock)" = "$want" ] || fail "list: $(bash deps.sh sample.lock)"
[ "$(bash deps.sh --why beta sample.lock)" = '@scope/gamma
Zeta
alpha' ] || fail why
[ "$(bash deps.sh --why @scope/gamma sample.lock)" = alpha ] || fail scoped
[ -z "$(bash deps.sh --why none sample.lock)" ] || fail none
if bash deps.sh nowhere.lock 2>/dev/null; then fail nowhere; fi
