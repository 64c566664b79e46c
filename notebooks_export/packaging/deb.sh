#!/usr/bin/env bash
# deb.sh WORK DIST - Debian's packages of this source tree, source and all: DIST/*.deb, against the libraries of the system that it runs
# on. lintian's errors and warnings are failures.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
work=$(mkdir -p "$1" && realpath "$1") dist=$(mkdir -p "$2" && realpath "$2")
say() { printf '%s\n' "$*" >&2; }
version=$(dpkg-parsechangelog -l "$here/debian/changelog" -S Version)
name=needlescope-${version%-*}

rm -rf "$work" && mkdir -p "$work/$name"
cd "$work"
tar -C "$root" --exclude-vcs --exclude-vcs-ignores -c . | tar -x -C "$name"
tar -cJf "${name/-/_}.orig.tar.xz" "$name"
cp -r "$here/debian" "$name"
say "building $name (log: $work/build.log)"
(cd "$name" && dpkg-buildpackage -us -uc -j"$(nproc)") >build.log 2>&1 || { tail -n 30 build.log >&2; exit 1; }
lintian --fail-on error,warning --tag-display-limit 0 ./*.changes >&2 || { say "deb.sh: lintian objects"; exit 1; }
rm -f "$dist"/*needlescope*.deb
cp ./*.deb "$dist"
ls -l "$dist"/*.deb
