#!/usr/bin/env bash
# bare.sh CACHE WHEEL BUILD - installs the wheel into a bare virtual environment of a bare Debian (no compiler, no library, no font, no
# network), runs bare_run.sh there and in the build of this source tree, and compares what comes out: content_sha256 and figures,
# byte by byte. As root. Releases that cannot be had are named, and none at all is a failure.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
cache=$(realpath "$1") wheel=$(realpath "$2") build=$(realpath "$3")
releases=(${NS_BARE:-bullseye bookworm trixie})
say() { printf '%s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "bare.sh: chroot needs root"; exit 2; }
mkdir -p "$cache/roots" "$cache/wheels"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | sed -n 's/ Debian Debian$//p' | head -n 1)

# What the run needs, and no more.
goods() {
    local to=$1
    rm -rf "$to" && mkdir -p "$to/tests" "$to/docs"
    cp "$here"/bare_run.sh "$here"/bare_blocks.py "$here"/bare_hash.py "$root/start" "$to"
    cp "$root/docs/python.md" "$to/docs"
}
# bare_root RELEASE: made once; python3 and venv are all that is added.
bare_root() {
    [ ! -e "$cache/roots/$1.made" ] || return 0
    say "making a bare $1"
    rm -rf "$cache/roots/$1"
    debootstrap --variant=minbase --include=python3,python3-venv "$1" "$cache/roots/$1" ${mirror:+"$mirror"} \
        >"$cache/roots/$1.log" 2>&1 || return
    touch "$cache/roots/$1.made"
}
# inside ROOT COMMAND...: with its own mounts and no network.
inside() {
    local in=$1
    shift
    unshare -m -n sh -c 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$@"' "$in" "$in" \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}
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

goods "$cache/goods"
rm -rf "$cache/out"
sh "$cache/goods/bare_run.sh" "$cache/out" "$build/cli/needlescope" >&2
cp "$cache/out/said.txt" "$cache/expected.txt"
[ "$(wc -l <"$cache/expected.txt")" -gt 10 ] || { say "bare.sh: nothing to compare with"; exit 1; }
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
