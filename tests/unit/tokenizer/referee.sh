#!/bin/sh
# referee.sh TOK_DUMP - the same texts through `tokenizers` and through us, by forty tokenizers.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/referee.py" "$1"
