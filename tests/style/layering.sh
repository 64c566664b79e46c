#!/bin/sh
# layering.sh ROOT LAYERS - reads the #include lines of every C file of the library, probes, datasets, notebooks_export and cli and holds
# them against the table. A folder or an outside header that the table does not know is a fault too.
# layering.sh --self-test LAYERS - plants one fault of each kind in a small tree and sees that each is found.
set -u

check() {
    cd "$1" || exit 2
    find lib probes datasets notebooks_export cli -name '*.[ch]' 2>/dev/null | sort | xargs awk -v table="$2" '
        function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
        function one_of(name, list,    a, n, i, p) {        # "*" in an entry: any run of characters
            n = split(list, a, " ")
            for (i = 1; i <= n; i++) {
                p = a[i]
                if (p == name) return 1
                if (p ~ /\*/) {
                    gsub(/\./, "\\.", p); gsub(/\*/, ".*", p)
                    if (name ~ "^" p "$") return 1
                }
            }
            return 0
        }
        function fault(why) { print FILENAME ":" FNR ": " why; faults++ }
        function layer_of(file,    f, best) {
            best = ""
            for (f in quoted) if ((index(file, f "/") == 1 || file == f) && length(f) > length(best)) best = f
            return best
        }
        function exists(path,    line, there) { there = (getline line < path) >= 0; close(path); return there }
        BEGIN {
            FS = "\n"
            libc = "assert.h ctype.h dirent.h errno.h fcntl.h fenv.h float.h fnmatch.h ftw.h getopt.h glob.h inttypes.h libgen.h " \
                   "limits.h locale.h math.h poll.h pthread.h sched.h setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h " \
                   "stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/*.h termios.h time.h unistd.h wchar.h"
            while ((getline line < table) > 0) {
                if (line ~ /^#/ || line !~ /\|/) continue
                split(line, c, "|")
                f = trim(c[1]); quoted[f] = trim(c[2]); public[f] = trim(c[3]); doors[f] = trim(c[4]); rows++
            }
            if (!rows) { print table ": no row"; exit 1 }
        }
        FNR == 1 { layer = layer_of(FILENAME); files++; if (layer == "") fault("no layer in the table holds this file") }
        layer != "" && /^[ \t]*#[ \t]*include/ {
            line = $0
            if (match(line, /"[^"]*"/)) {
                name = substr(line, RSTART + 1, RLENGTH - 2)
                folder = FILENAME; sub(/[^\/]*$/, "", folder)
                if (exists(folder name) && name !~ /\.\./) next        # beside the file, or below it: the same layer
                if (name ~ /^[a-z]+_list\.h$/) next                   # made of a list of the build, in this folder
                if (name !~ /\//) { fault("\"" name "\" is not beside the file"); next }
                dir = name; sub(/\/[^\/]*$/, "", dir)
                while (dir != "" && !one_of(dir, quoted[layer]) && dir ~ /\//) {
                    if (("lib/" dir) in quoted) break                    # a layer of its own: its parent cannot vouch for it
                    sub(/\/[^\/]*$/, "", dir)
                }
                if (!one_of(dir, quoted[layer])) fault(layer " may not include \"" name "\" (tests/style/layers.txt)")
            } else if (match(line, /<[^>]*>/)) {
                name = substr(line, RSTART + 1, RLENGTH - 2)
                if (name ~ /^needlescope\//) {
                    noun = name; sub(/^needlescope\//, "", noun); sub(/\.h$/, "", noun)
                    if (!one_of(noun, "api axes best error fact head kind view") && !one_of(noun, public[layer]))
                        fault(layer " may not include <" name "> (tests/style/layers.txt)")
                } else if (!one_of(name, libc) && !one_of(name, doors[layer]))
                    fault(layer " is no door to <" name "> (tests/style/layers.txt)")
            }
        }
        END {
            if (!files) { print "no file was read"; exit 1 }
            print files + 0 " files, " faults + 0 " faults"
            exit faults > 0
        }' /dev/null
}

self_test() {
    tree=$(mktemp -d) || exit 2
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree/lib/io" "$tree/lib/model/families" "$tree/lib/core" "$tree/lib/odd" "$tree/probes" "$tree/datasets" "$tree/cli"
    printf '#include "core/core.h"\n#include <stdio.h>\n#include <needlescope/view.h>\n#include "beside.h"\n' >"$tree/lib/io/good.c"
    : >"$tree/lib/io/beside.h"
    check "$tree" "$1" >"$tree/out" || { echo "FAILED: a clean tree has faults"; cat "$tree/out"; exit 1; }
    failed=0
    # file : what it includes
    while IFS=: read -r file line; do
        printf '#include %s\n' "$line" >"$tree/$file"
        if check "$tree" "$1" >"$tree/out" || ! grep -q "^$file:1: " "$tree/out"; then
            echo "FAILED: $line in $file was not noticed"
            failed=1
        fi
        rm "$tree/$file"
    done <<'END'
lib/core/a.c:"math/math.h"
lib/core/a.c:<cblas.h>
lib/io/a.c:"model/internal.h"
lib/io/a.c:<needlescope/model.h>
lib/io/a.c:<hdf5.h>
lib/io/a.c:<cjson/cJSON.h>
lib/io/a.c:"absent.h"
lib/io/a.c:"../model/internal.h"
lib/model/families/a.c:"model/internal.h"
lib/model/a.c:"model/families/family.h"
lib/model/a.c:<png.h>
lib/odd/a.c:<stdio.h>
probes/a.c:"model/internal.h"
probes/a.c:<needlescope/dataset.h>
datasets/a.c:<needlescope/probe.h>
datasets/a.c:<needlescope/record.h>
cli/a.c:"io/reader.h"
cli/a.c:<hdf5.h>
END
    [ "$failed" = 0 ] && echo "every planted fault was noticed"
    exit "$failed"
}

if [ "$1" = --self-test ]; then
    self_test "$2"
else
    check "$1" "$2"
fi
