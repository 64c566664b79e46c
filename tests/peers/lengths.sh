#!/bin/sh
# lengths.sh GREEDY - greedy tokens of longrope and dynamic models over their boundary, beside transformers' generate().
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/lengths.py" "$1"
