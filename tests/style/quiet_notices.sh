#!/bin/sh
# quiet_notices.sh QUIET - quiet.sh finds what it forbids: one planted line at a time in a tree that is quiet without it.
set -u
quiet=$(realpath "$1")
tree=$(mktemp -d) || exit 99
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/lib/core" "$tree/probes" "$tree/datasets" "$tree/notebooks_export" "$tree/cli" "$tree/tests" "$tree/.ci"
: >"$tree/start" && : >"$tree/.ci/run"
faults=0
# expect STATUS LINE: of quiet.sh with that line in lib/core/a.c
expect() {
    printf '%s\n' '/* a.c - printf("in a comment") */' "$2" >"$tree/lib/core/a.c"
    "$quiet" "$tree" >"$tree/out" 2>&1
    got=$?
    [ $got = "$1" ] || { echo "FAILED: status $got, not $1, of: $2: $(cat "$tree/out")"; faults=$((faults + 1)); }
}
expect 0 'static const char text[] = "exit(1)";'
expect 1 '    printf("%d", 1);'
expect 1 '    fprintf(stderr, "x");'
expect 1 '    const char *const home = getenv("HOME");'
expect 1 '    if (fork() == 0)'
expect 1 '    FILE *f = fopen(path, "r");'
expect 1 "static const char path[] = \"/ho""me/somebody\";"
[ $faults = 0 ] && echo "what is forbidden is found"
