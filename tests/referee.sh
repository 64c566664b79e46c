#!/bin/sh
# referee.sh [--five] [--own-threads] SCRIPT ARGUMENT... - a Python referee under the referees' Python (NS_PYTHON); --five: under the one
# with transformers 5 (NS_PYTHON5); --own-threads: as many as it takes.
name=NS_PYTHON python=$NS_PYTHON
[ "$1" != --five ] || { shift; name=NS_PYTHON5 python=$NS_PYTHON5; }
[ -n "$python" ] || { echo "SKIP: $name is not set; run ./start test --referees"; exit 77; }
[ "$1" != --own-threads ] || { shift; unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS; }
exec "$python" -B "$(dirname "$0")/referee.py" "$@"
