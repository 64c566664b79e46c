#!/bin/sh
# referee_lab.sh LAB_BATCH SHARED - the laboratory's language against the reference generator.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
[ -f "$2/reference/lwl.py" ] || { echo "SKIP: $2/reference/lwl.py is not there"; exit 77; }
exec "$NS_PYTHON" "$(dirname "$0")/referee_lab.py" "$1" "$2/reference/lwl.py"
