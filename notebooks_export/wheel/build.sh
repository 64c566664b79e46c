#!/usr/bin/env bash
# build.sh CACHE DIST [MACHINE] - the wheel: CACHE/tools is a Python environment with zig, meson-python and auditwheel (./start wheel makes
# it), CACHE/linked-MACHINE what is linked statically, made once. The compiler is zig's clang, since it has the headers of every glibc and
# compiles for other machines; what is compiled for one of them runs here by foreign.sh.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")
cache=$(realpath "$1") dist=$(mkdir -p "$2" && realpath "$2")
glibc=2.28 machine=${3:-$(uname -m)}
linked=$cache/linked-$machine bin=$cache/bin-$machine made=$cache/made-$machine
python=$cache/tools/bin/python
zig=$("$python" -c 'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))')

# A name without a space, as configure scripts want it.
mkdir -p "$bin"
tool() { printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$zig" "$2" >"$bin/$1" && chmod +x "$bin/$1"; }
tool cc "cc -target $machine-linux-gnu.$glibc"
tool c++ "c++ -target $machine-linux-gnu.$glibc"
tool ar ar
tool ranlib ranlib
export CC=$bin/cc CXX=$bin/c++ AR=$bin/ar RANLIB=$bin/ranlib

# Other recipes or another compiler: all is made anew.
stamp=$({ cat "$here/deps.sh"; "$zig" version; echo $glibc; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$linked/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$linked"
    mkdir -p "$linked"
    printf '%s\n' "$stamp" >"$linked/stamp"
fi
"$here/foreign.sh" "$machine" "$here/deps.sh" "$linked" "$machine"
cp "$linked/versions" "$linked/licences/versions.txt"
cp "$root/lib/draw/fonts/LICENSE" "$linked/licences/dejavu.txt"

cross=()
if [ "$machine" != "$(uname -m)" ]; then
    cross=("-Csetup-args=--cross-file=$cache/$machine.ini")
    cat >"$cache/$machine.ini" <<END
[host_machine]
system = 'linux'
cpu_family = '$machine'
cpu = '$machine'
endian = 'little'
[binaries]
c = '$CC'
ar = '$AR'
pkg-config = 'pkg-config'
[properties]
needs_exe_wrapper = false
pkg_config_libdir = '$linked/lib/pkgconfig'
END
fi
rm -rf "$made" && mkdir "$made"
PATH=$cache/tools/bin:$PATH PKG_CONFIG_LIBDIR=$linked/lib/pkgconfig PKG_CONFIG_PATH='' \
    CFLAGS="-fno-sanitize=undefined -I$linked/include" _PYTHON_HOST_PLATFORM=linux-$machine \
    "$here/foreign.sh" "$machine" "$python" -m pip wheel -q --no-deps --no-build-isolation --no-index -w "$made" "$root" \
    -Csetup-args="-Dc_link_args=-L$linked/lib -s" \
    -Csetup-args=-Dprefer_static=true -Csetup-args=-Dcairo=enabled -Csetup-args=-Dfontconfig=disabled \
    -Csetup-args="-Dlicences=$linked/licences" \
    "${cross[@]}" -Cbuild-dir="$cache/build-$machine" >&2

# For any Python, which meson-python cannot know of a library beside a module; named for what it needs of its system: auditwheel refuses
# one that needs more. Of another machine it takes no name, and finds one: it has to be this.
plat=manylinux_${glibc/./_}_$machine
[ "$machine" = "$(uname -m)" ] && given=$plat || given=auto
"$python" -m wheel tags --python-tag py3 --abi-tag none --remove "$made"/*.whl >&2
rm -f "$dist"/needlescope-*_"$machine".whl
PATH=$cache/tools/bin:$PATH "$cache/tools/bin/auditwheel" repair --plat $given -w "$dist" "$made"/*.whl >&2
[ -e "$dist"/needlescope-*-"$plat".whl ] || { echo "build.sh: auditwheel did not call it $plat" >&2; exit 1; }
PATH=$cache/tools/bin:$PATH "$cache/tools/bin/auditwheel" show "$dist"/needlescope-*_"$machine".whl >&2
ls -l "$dist"/needlescope-*_"$machine".whl
