#!/bin/sh
# live.sh GOLDEN - fresh random checkpoints of every family (another seed than the fixtures') through transformers and through us;
# docs/models.md lists these families. live.sh GOLDEN --page prints that page.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
here=$(dirname "$0")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
"$NS_PYTHON" "$here/make_fixtures.py" "$work/models" --live --seed "${NS_SEED:-20}" >/dev/null 2>"$work/log" || { cat "$work/log"; exit 1; }
"$1" "$work/models"/* >"$work/lines" || { cat "$work/lines"; exit 1; }
[ "$2" = --page ] && exec "$NS_PYTHON" "$here/page.py" "$work/models" "$work/lines"
cat "$work/lines"
"$NS_PYTHON" "$here/page.py" "$work/models" "$work/lines" "$here/../../docs/models.md"
