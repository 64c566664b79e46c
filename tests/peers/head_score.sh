#!/bin/sh
# head_score.sh NEEDLESCOPE - head_score.py under the referees' Python.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/head_score.py" "$@"
