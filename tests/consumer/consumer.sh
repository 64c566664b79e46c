#!/bin/sh
# consumer.sh BUILD PREFIX CC SOURCE VERSION - installs into a temporary folder, then is a stranger: pkg-config, one C file, shared and static.
set -eu
build=$1 prefix=$2 cc=$3 source=$4 version=$5
command -v pkg-config >/dev/null || { echo "SKIP: no pkg-config"; exit 77; }
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$dest/root" >"$dest/log" 2>&1 || { cat "$dest/log"; exit 1; }
root=$dest/root$prefix
pc=$(find "$root" -name needlescope.pc)
[ -n "$pc" ] || { echo "FAILED: no needlescope.pc was installed"; exit 1; }
sed "s|^prefix=.*|prefix=$root|" "$pc" >"$dest/needlescope.pc"
export PKG_CONFIG_PATH="$dest${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
[ "$(pkg-config --modversion needlescope)" = "$version" ] || { echo "FAILED: pkg-config gives another version than $version"; exit 1; }
lib=$(pkg-config --variable=libdir needlescope)
says="needlescope $version: 1 2 3 4"

$cc -Wall -Werror -std=c11 "$source" $(pkg-config --cflags --libs needlescope) -o "$dest/shared"
got=$(LD_LIBRARY_PATH="$lib" "$dest/shared" "$dest/s.safetensors")
[ "$got" = "$says" ] || { echo "FAILED: shared: $got"; exit 1; }

# Ours static, the libraries below it shared: what pkg-config --static gives would also need their own static dependencies (gfortran of OpenBLAS).
rm "$lib"/libneedlescope.so*
below=$(pkg-config --libs $(pkg-config --print-requires-private needlescope))
own=$(sed -n 's/^Libs.private: *//p' "$dest/needlescope.pc")
$cc -Wall -Werror -std=c11 "$source" $(pkg-config --cflags --libs needlescope) $own $below -o "$dest/static"
got=$("$dest/static" "$dest/s.safetensors")
[ "$got" = "$says" ] || { echo "FAILED: static: $got"; exit 1; }
nm "$dest/static" | grep -q ' T ns_probe_find' || { echo "FAILED: the static program does not hold the library"; exit 1; }
[ -x "$root/bin/needlescope" ] || { echo "FAILED: the program was not installed"; exit 1; }
[ "$("$root/bin/needlescope" --version | grep -c "$version")" = 1 ] || { echo "FAILED: the installed program does not run"; exit 1; }
echo "$says (shared and static)"
