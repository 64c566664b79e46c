#!/bin/sh
# referee_verdict.sh VERDICT_P - p-values of verdicts against exact enumeration, and scipy where it is installed.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/referee_verdict.py" "$1"
