#!/bin/sh
# live.sh GOLDEN - fresh random checkpoints of every family (another seed than the fixtures') through transformers and through us.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
"$NS_PYTHON" "$(dirname "$0")/make_fixtures.py" "$work" --live --seed "${NS_SEED:-20}" >/dev/null 2>"$work.log" ||
    { cat "$work.log"; rm -f "$work.log"; exit 1; }
rm -f "$work.log"
"$1" "$work"/*
