#!/bin/sh
# referee.sh [--own-threads] SCRIPT ARGUMENT... - a Python referee under the referees' Python (NS_PYTHON); --own-threads: as many as it
# takes.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
[ "$1" != --own-threads ] || { shift; unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS; }
exec "$NS_PYTHON" -B "$(dirname "$0")/referee.py" "$@"
