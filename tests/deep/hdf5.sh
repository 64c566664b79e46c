#!/bin/bash
# hdf5.sh SOURCE BUILD PROGRAM MUTANTS - hdf5.py, under the referees' Python (NS_PYTHON), over all commands in the sanitized build, with so
# many mutants a command; before, every planted fault must be found.
set -u
here=$(dirname "$(realpath "$0")") source=$1 build=$2 program=$3 mutants=$4 python=${NS_PYTHON:-}
[ -n "$python" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
folder=$("$here/sanitized.sh" address "$source" "$build" tests/deep/hdf5_server) || exit 1
good=$(mktemp -d) || exit 99
trap 'rm -rf "$good"' EXIT
"$here/hdf5_good.sh" "$program" "$good" || { tail -n 5 "$good/made"; exit 1; }
mutate() { "$python" -B "$here/hdf5.py" "$folder/tests/deep/hdf5_server" "$program" --good "$good" "$@"; }
for fault in crash hang report number; do
    ! mutate --plant $fault --mutants 20 --only 'export csv' >"$good/log" 2>&1 ||
        { echo "FAILED: the planted fault was not found: $fault"; exit 1; }
    grep -q '^WRONG' "$good/log" || { echo "FAILED: $fault was not planted"; tail -n 5 "$good/log"; exit 1; }
done
mutate --mutants 3 --leaks --seed leaks || exit 1
mutate --mutants "$mutants"
