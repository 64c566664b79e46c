#!/bin/bash
# skips.sh PROGRAM - a skipped test passes .ci/run only with its own reason: logs with planted lines.
set -u
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
faults=0
printf '# a comment\nmay skip\tno such (CPU|disk)\n' >"$work/list"
line() {
    printf '{"name": "needlescope:unit / %s", "stdout": "%s", "result": "%s", "duration": 1, "env": {"A": "SKIP: no such CPU"}}\n' "$@"
}
# expect STATUS WHAT, of the log on stdin
expect() {
    cat >"$work/log"
    "$program" "$work/log" "$work/list" >"$work/out"
    local status=$?
    [ $status = "$1" ] && return
    echo "FAILED: $2: status $status, wanted $1: $(cat "$work/out")"
    faults=$((faults + 1))
}
program=$1
line 'a test' 'fine' OK | expect 0 'nothing is skipped'
line 'may skip' 'SKIP: no such CPU here\n' SKIP | expect 0 'skipped with leave'
line 'may skip' 'SKIP: NS_PYTHON is not set' SKIP | expect 1 'another reason'
line 'may skip' 'nothing said' SKIP | expect 1 'no reason'
{ line 'a test' 'SKIP: no such CPU' SKIP; line 'may skip too' 'SKIP: no such disk' SKIP; line other 'fine' OK; } | expect 2 'other names'
: | expect 99 'an empty log'
[ $faults = 0 ] && echo 'skips are seen'
