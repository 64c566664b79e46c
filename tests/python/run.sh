#!/bin/sh
# run.sh SCRIPT ARGUMENT... - a script of this folder under the referees' Python, on the library of this build (NEEDLESCOPE_LIB).
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS
exec "$NS_PYTHON" -B "$@"
