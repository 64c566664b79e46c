#!/bin/sh
# live.sh GOLDEN [4 | 5] - fresh random checkpoints of every family (another seed than the fixtures') through transformers 4 (or 5) and
# through us; docs/models.md lists these families. live.sh GOLDEN --page prints that page, from both.
here=$(dirname "$0")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
run() {     # run PYTHON NAME: models in $work/NAME, what golden says of them in $work/NAME.lines
    "$1" -B "$here/make_fixtures.py" "$work/$2" --live --seed "${NS_SEED:-20}" >/dev/null 2>"$work/log" || { cat "$work/log"; exit 1; }
    "$golden" "$work/$2"/* >"$work/$2.lines" || { cat "$work/$2.lines"; exit 1; }
}
golden=$1
case $2 in
5) python=$NS_PYTHON5 name=NS_PYTHON5 ;;
*) python=$NS_PYTHON name=NS_PYTHON ;;
esac
[ -n "$python" ] || { echo "SKIP: $name is not set; run ./start test --referees"; exit 77; }
if [ "$2" = --page ]; then
    run "$NS_PYTHON" 4 && run "$NS_PYTHON5" 5
    exec "$NS_PYTHON" "$here/page.py" "$work/4" "$work/5"
fi
run "$python" "$2"
cat "$work/$2.lines"
"$python" "$here/page.py" "$work/$2" --check "$here/../../docs/models.md"
