#!/usr/bin/env bash
# emulated.sh CACHE WHEEL BUILD MACHINE - the program of a wheel for that machine, run by qemu (foreign.sh): self-test, demo, figures, and
# compares what comes out with those of BUILD, byte by byte. pip and Python are not those of that machine, so they are not tried.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
cache=$(realpath "$1") wheel=$(realpath "$2") build=$(realpath "$3") machine=$4
. "$here/roots.sh"
in=$cache/unpacked-$machine
rm -rf "$in" && mkdir "$in"
python3 -m zipfile -e "$wheel" "$in"
program=$(find "$in" -type f -path '*/scripts/needlescope' -o -type f -path '*/bin/needlescope')
chmod +x "$program"
expect "$build"
"$here/foreign.sh" "$machine" sh "$cache/goods/bare_run.sh" "$in/out" "$program" >&2
diff "$cache/expected.txt" "$in/out/said.txt" >&2 || { say "$machine: not what the source build gives"; echo "0 passed, 1 failed"; exit 1; }
say "$machine: ran, and gave the $(wc -l <"$cache/expected.txt") hashes of the source build"
echo "1 passed, 0 failed"
