#!/bin/sh
# referee.sh TOK_DUMP SCRIPT - the same texts through `tokenizers` or AutoTokenizer and through us.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/$2" "$1"
