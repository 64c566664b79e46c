#!/bin/sh
# referee.sh IO_COPY - see referee.py
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/referee.py" "$1"
