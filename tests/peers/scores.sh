#!/bin/sh
# scores.sh NEEDLESCOPE - scores.py under the referees' Python.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS
exec "$NS_PYTHON" "$(dirname "$0")/scores.py" "$@"
