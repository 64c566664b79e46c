#!/bin/bash
# sanitizers.sh KIND SOURCE BUILD SUITE... - the tests of the suites in a sanitized build (sanitized.sh). They pass, and no process of theirs leaves a report:
# reports go to files, so that none is missed where a test expects a failure or does not look. First the planted faults of KIND must be found.
set -u
kind=$1 source=$2 build=$3
shift 3
folder=$("$(dirname "$0")/sanitized.sh" "$kind" "$source" "$build") || exit 1
reports=$folder/reports log=$folder/tests.log
options="log_path=$reports/report print_stacktrace=1 allocator_may_return_null=1"
suppressions=$(realpath "$source")/tests/deep
export ASAN_OPTIONS="$options" UBSAN_OPTIONS="$options" TSAN_OPTIONS="$options second_deadlock_stack=1 suppressions=$suppressions/tsan.supp"
export LSAN_OPTIONS="print_suppressions=0 suppressions=$suppressions/lsan.supp"

# clean TIMES WORD...: meson test with these words passes and leaves no report; shows what is wrong.
clean() {
    rm -rf "$reports"
    mkdir -p "$reports"
    meson test -C "$folder" --print-errorlogs --timeout-multiplier "$@" >"$log" 2>&1
    local status=$? found
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
clean 10 "${words[@]}" || { tail -n 100 "$log"; find "$reports" -type f | head -n 20 | while read -r report; do head -n 60 "$report"; done; exit 1; }
grep -E '^(Ok|Skipped):' "$log"
echo "planted and found: $faults; 0 reports from suites $*"
