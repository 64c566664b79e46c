#!/usr/bin/env bash
# build.sh CACHE DIST - the wheel: CACHE/tools is a Python environment with zig, meson-python and auditwheel (./start wheel makes it),
# CACHE/linked what is linked statically, made once. The compiler is zig's clang, since it has the headers of every glibc.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")
cache=$(realpath "$1") dist=$(mkdir -p "$2" && realpath "$2")
glibc=2.28 machine=$(uname -m)
python=$cache/tools/bin/python
zig=$("$python" -c 'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))')

# A name without a space, as configure scripts want it.
mkdir -p "$cache/bin"
tool() { printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$zig" "$2" >"$cache/bin/$1" && chmod +x "$cache/bin/$1"; }
tool cc "cc -target $machine-linux-gnu.$glibc"
tool c++ "c++ -target $machine-linux-gnu.$glibc"
tool ar ar
tool ranlib ranlib
export CC=$cache/bin/cc CXX=$cache/bin/c++ AR=$cache/bin/ar RANLIB=$cache/bin/ranlib

# Other recipes or another compiler: all is made anew.
stamp=$({ cat "$here/deps.sh"; "$zig" version; echo $glibc; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$cache/linked/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$cache/linked"
    mkdir -p "$cache/linked"
    printf '%s\n' "$stamp" >"$cache/linked/stamp"
fi
"$here/deps.sh" "$cache/linked"
cp "$cache/linked/versions" "$cache/linked/licences/versions.txt"
cp "$root/lib/draw/fonts/LICENSE" "$cache/linked/licences/dejavu.txt"

rm -rf "$cache/made" && mkdir "$cache/made"
PATH=$cache/tools/bin:$PATH PKG_CONFIG_LIBDIR=$cache/linked/lib/pkgconfig PKG_CONFIG_PATH='' \
    CFLAGS="-fno-sanitize=undefined -I$cache/linked/include" \
    "$python" -m pip wheel -q --no-deps --no-build-isolation --no-index -w "$cache/made" "$root" \
    -Csetup-args="-Dc_link_args=-L$cache/linked/lib -s" \
    -Csetup-args=-Dprefer_static=true -Csetup-args=-Dcairo=enabled -Csetup-args=-Dfontconfig=disabled \
    -Csetup-args="-Dlicences=$cache/linked/licences" \
    -Cbuild-dir="$cache/build" >&2

# For any Python, which meson-python cannot know of a library beside a module; named for what it needs of its system: auditwheel refuses
# one that needs more.
"$python" -m wheel tags --python-tag py3 --abi-tag none --remove "$cache"/made/*.whl >&2
rm -f "$dist"/needlescope-*.whl
PATH=$cache/tools/bin:$PATH "$cache/tools/bin/auditwheel" repair --plat "manylinux_${glibc/./_}_$machine" -w "$dist" "$cache"/made/*.whl >&2
PATH=$cache/tools/bin:$PATH "$cache/tools/bin/auditwheel" show "$dist"/needlescope-*.whl >&2
ls -l "$dist"/needlescope-*.whl
