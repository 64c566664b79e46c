#!/bin/sh
# referee.sh [--five | --fla] [--own-threads] SCRIPT ARGUMENT... - a Python referee under the referees' Python (NS_PYTHON); --five: under
# the one with transformers 5 (NS_PYTHON5); --fla: with flash-linear-attention; --own-threads: as many as it takes.
here=$(dirname "$0") which=4
# shellcheck source=tests/python_of.sh
. "$here/python_of.sh"
case $1 in
--five) which=5; shift ;;
--fla) which=fla; shift ;;
esac
python_of $which
[ "$1" != --own-threads ] || { shift; unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS; }
exec "$python" -B "$here/referee.py" "$@"
