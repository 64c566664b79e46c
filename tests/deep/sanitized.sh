#!/bin/bash
# sanitized.sh KIND SOURCE BUILD [TARGET...] - sets up BUILD/sanitized-KIND, builds the targets (cli/needlescope), prints the path.
# KIND is address (with undefined behaviour and leaks) or thread. Run the program with sanitizer options of your own, or see sanitizers.sh.
set -eu
kind=$1 source=$(realpath "$2") folder=$(realpath "$3")/sanitized-$1
shift 3
# gcc's shared libraries of the two would print undefined behaviour to stderr whatever log_path says
case $kind in
address) sanitizers=address,undefined link='-static-libasan -static-libubsan' ;;
thread) sanitizers=thread link= ;;
*) echo "sanitized.sh: no kind '$kind'" >&2; exit 99 ;;
esac
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9                                 # two tests may want the same folder
log=$folder/build.log
[ -f "$folder/build.ninja" ] || meson setup "$folder" "$source" -Db_sanitize=$sanitizers -Db_lundef=false -Ddefault_library=static \
    -Doptimization=1 -Ddebug=false -Dc_args='-g1 -fno-omit-frame-pointer' -Dc_link_args="$link" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
[ $# = 0 ] || ninja -C "$folder" "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }
echo "$folder"
