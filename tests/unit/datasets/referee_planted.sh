#!/bin/sh
# referee_planted.sh PLANTED_ROWS - planted checkpoints through transformers and through us.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/referee_planted.py" "$1"
