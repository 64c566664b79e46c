#!/usr/bin/env bash
# bare.sh CACHE WHEEL BUILD - installs the wheel into a bare virtual environment of a bare Debian (no compiler, no library, no font, no
# network), runs bare_run.sh there and in the build of this source tree, and compares what comes out: content_sha256 and figures,
# byte by byte. As root. Releases that cannot be had are named, and none at all is a failure.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
cache=$(realpath "$1") wheel=$(realpath "$2") build=$(realpath "$3")
releases=(${NS_BARE:-bullseye bookworm trixie})
. "$here/roots.sh"
mkdir -p "$cache/wheels"

# The wheels of numpy and of what reads files, for the Python of that root.
fetch_wheels() {
    local python
    python=$(inside "$1" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ -e "$cache/wheels/$python/made" ] ||
        "$cache/tools/bin/python" -m pip download -q --only-binary :all: --python-version "$python" --platform manylinux_2_28_x86_64 \
        --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 -d "$cache/wheels/$python" numpy xarray h5netcdf >&2 || return
    touch "$cache/wheels/$python/made"
    rm -rf "$1/wheels" && cp -r "$cache/wheels/$python" "$1/wheels" && cp "$wheel" "$1/wheels"
}
try() {
    local in=$cache/roots/$1
    fetch_wheels "$in" && goods "$in/goods" && rm -rf "$in/venv" "$in/out" || return
    inside "$in" sh -c '! command -v cc && ! command -v gcc &&
        ! ls /usr/share/fonts/*/* 2>/dev/null && ! ls /usr/lib/*/libopenblas* 2>/dev/null' ||
        { say "$1 is not bare"; return 1; }
    inside "$in" sh -c 'python3 -m venv /venv && /venv/bin/pip install -q --no-index --find-links /wheels "needlescope[xarray]" &&
        PATH=/venv/bin:$PATH sh /goods/bare_run.sh /out /venv/bin/needlescope &&
        cd /out && /venv/bin/python /goods/bare_blocks.py /goods' >&2 || return
    diff "$cache/expected.txt" "$in/out/said.txt" >&2 || { say "$1: not what the source build gives"; return 1; }
}

expect "$build"
passed=0 failed=0
for release in "${releases[@]}"; do
    if ! bare_root "$release"; then
        say "$release cannot be had (see $cache/roots/$release.log)"
    elif try "$release"; then
        say "$release: installed, ran, and gave the $(wc -l <"$cache/expected.txt") hashes of the source build"
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
[ $passed != 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ $failed = 0 ]
