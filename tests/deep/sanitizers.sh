#!/bin/bash
# sanitizers.sh KIND SOURCE BUILD SUITE... - the tests of the suites in a sanitized build (sanitized.sh). They pass, and no process of
# theirs leaves a report: reports go to files, so that none is missed where a test expects a failure or does not look. First the planted
# faults of KIND must be found.
set -u
kind=$1 source=$2 build=$3
shift 3
folder=$("$(dirname "$0")/sanitized.sh" "$kind" "$source" "$build") || exit 1
reports=$folder/reports log=$folder/tests.log
options="log_path=$reports/report print_stacktrace=1 allocator_may_return_null=1"
suppressions=$(realpath "$source")/tests/deep
export ASAN_OPTIONS="$options" UBSAN_OPTIONS="$options"
export TSAN_OPTIONS="$options second_deadlock_stack=1 die_after_fork=0 suppressions=$suppressions/tsan.supp"
export NS_SANITIZED=1                   # to shell tests that limit the address space
export LSAN_OPTIONS="print_suppressions=0 suppressions=$suppressions/lsan.supp"

# HDF5 files of others are read first in a child that may die of them (lib/core/child.c): faults there inside HDF5 are what it is for.
in_vetted=0
leave_out_vetted() {
    local report
    while read -r report; do
        awk '/#[0-9]+ /{seen = 1; print} /^$/ && seen {exit}' "$report" >"$folder/stack"
        grep -q ' in child .*/core/child\.c' "$folder/stack" || continue
        grep -m 1 -E 'libhdf5|/lib/[a-z]+/' "$folder/stack" | grep -q libhdf5 || continue
        rm "$report"
        in_vetted=$((in_vetted + 1))
    done < <(find "$reports" -type f)
}

# clean TIMES WORD...: meson test with these words passes and leaves no report; shows what is wrong.
clean() {
    rm -rf "$reports"
    mkdir -p "$reports"
    meson test -C "$folder" --setup planted --print-errorlogs --timeout-multiplier "$@" >"$log" 2>&1
    local status=$? found
    leave_out_vetted
    found=$(find "$reports" -type f | wc -l)
    [ $status = 0 ] && [ "$found" = 0 ] && return
    echo "status $status, $found reports"
    return 1
}

case $kind in
address) faults='overflow leak undefined' ;;
thread) faults='race' ;;
esac
clean 1 'planted nothing' >/dev/null || { echo "FAILED: a program without a fault is not clean"; cat "$log"; exit 1; }
for fault in $faults; do
    ! clean 1 "planted $fault" >/dev/null || { echo "FAILED: the planted fault was not found: $fault"; exit 1; }
done
words=()
for suite in "$@"; do words+=(--suite "$suite"); done
show_reports() { find "$reports" -type f | head -n 20 | while read -r report; do head -n 60 "$report"; done; }
clean 10 "${words[@]}" || { tail -n 100 "$log"; show_reports; exit 1; }
grep -E '^(Ok|Skipped):' "$log"
"$source/tests/skips.sh" "$folder/meson-logs/testlog-planted.json" "$source/tests/skips.txt" || exit 1
echo "planted and found: $faults; 0 reports from suites $*, but for $in_vetted inside HDF5 in the child that vets files"
