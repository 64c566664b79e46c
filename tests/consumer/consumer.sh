#!/bin/sh
# consumer.sh BUILD PREFIX CC SOURCE VERSION PAGE - installs into a temporary folder, then is a stranger: pkg-config, one C file, shared and
# static.
set -eu
build=$1 prefix=$2 cc=$3 source=$4 version=$5 page=$6
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

# The program of docs/c-api.md is this one.
sed -n '/^```c$/,/^```$/p' "$page" | sed '/^```/d' | diff "$source" - || { echo "FAILED: docs/c-api.md shows another program"; exit 1; }

program=$root/bin/needlescope
[ -x "$program" ] || { echo "FAILED: the program was not installed"; exit 1; }
[ "$("$program" --version | grep -c "$version")" = 1 ] || { echo "FAILED: the installed program does not run"; exit 1; }
"$program" lab plant "$dest/model" -q >/dev/null
"$program" cases needle --model "$dest/model" --lengths 128 --count 2 -q -o "$dest/cases.jsonl" >/dev/null
# What the stranger must find: the head that was planted, with a score of 1, and where it looks: the answer in the needle.
head=$(tr -d ' \n\t' <"$dest/model/planted.json" | grep -oE '"layer":[0-9]+,"head":[0-9]+,"kind":"retrieval"' | head -n 1 |
    grep -oE '[0-9]+' | paste -s -d.)
place=$(head -n 1 "$dest/cases.jsonl" | tr -d ' ' | grep -oE '"needle_answer":\[\[?[0-9]+' | grep -oE '[0-9]+$')
check() {
    printf '%s\n' "$1" | head -n 1 | grep -qx "$head 1.000" || { echo "FAILED: $2: the best head is not $head with 1.000: $1"; exit 1; }
    printf '%s\n' "$1" | grep -q ": $head looks most at position $place, with" || { echo "FAILED: $2: not at $place: $1"; exit 1; }
}

$cc -Wall -Werror -std=c11 "$source" $(pkg-config --cflags --libs needlescope) -o "$dest/shared"
shared=$(LD_LIBRARY_PATH="$lib" "$dest/shared" "$dest/model" "$dest/cases.jsonl")
check "$shared" shared

# Ours static, the libraries below it shared: what pkg-config --static gives would also need their own static dependencies (gfortran of
# OpenBLAS).
rm "$lib"/libneedlescope.so*
below=$(pkg-config --libs $(pkg-config --print-requires-private needlescope))
own=$(sed -n 's/^Libs.private: *//p' "$dest/needlescope.pc")
$cc -Wall -Werror -std=c11 "$source" $(pkg-config --cflags --libs needlescope) $own $below -o "$dest/static"
static=$("$dest/static" "$dest/model" "$dest/cases.jsonl")
[ "$static" = "$shared" ] || { echo "FAILED: static: $static"; exit 1; }
nm "$dest/static" | grep -q ' T ns_probe_find' || { echo "FAILED: the static program does not hold the library"; exit 1; }
printf '%s\n(shared and static)\n' "$shared"
