#!/bin/bash
# run.sh SOURCE FOLDER SECONDS [TARGET...] - builds the fuzzers (all, or those named) in FOLDER with clang, AddressSanitizer and
# UndefinedBehaviorSanitizer, runs each for SECONDS, as many side by side as there are CPUs, and prints a table. What they find stays in
# FOLDER/found/TARGET: corpus/ (inputs that reached new code), crash-*, timeout-*, leak-*, oom-* and the log. Exit 1: something was found;
# 2: nothing could be run.
# run.sh --clang - prints the clang that it would take; exit 1: there is none.
set -u

# The first clang that can link a fuzzer.
find_clang() {
    local c
    for c in ${CC:-} clang clang-{30..14}; do
        command -v "$c" >/dev/null || continue
        printf '%s' 'int LLVMFuzzerTestOneInput(const char *, unsigned long);' \
            'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' |
            "$c" -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null && echo "$c" && return
    done
    return 1
}
if [ "$1" = --clang ]; then
    find_clang
    exit
fi

source=$(realpath "$1") folder=$(realpath -m "$2") seconds=$3
shift 3
here=$source/tests/fuzz
longest=2048                            # bytes of an input: longer ones are slower and find nothing that these do not
hang=10                                 # seconds

build() {
    mkdir -p "$folder"
    if [ ! -f "$folder/build.ninja" ]; then
        CC=$(find_clang) meson setup "$folder" "$source" -Dfuzz=true -Doptimization=2 -Ddefault_library=static -Db_lundef=false \
            -Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link \
            -Dc_link_args=-fsanitize=fuzzer-no-link,address,undefined || return
    fi
    ninja -C "$folder" "${@:-fuzzers}"
}

# One target -> its log.
fuzz() {
    local found=$folder/found/$1 words=()
    mkdir -p "$found/corpus"
    [ ! -f "$here/$1.dict" ] || words=(-dict="$here/$1.dict")
    "$folder/tests/fuzz/fuzz_$1" "${words[@]}" -max_total_time="$seconds" -timeout=$hang -max_len=$longest -print_final_stats=1 \
        -artifact_prefix="$found/" "$found/corpus" $(find "$here/corpus/$1" -maxdepth 0 2>/dev/null) >"$found/log" 2>&1
    echo "exit status $?" >>"$found/log"
}

# The number behind the last match; 0 where there is none.
last() { grep -aoE "$1" "$2" | tail -n 1 | grep -oE '[0-9]+$' || echo 0; }

# One target's log -> its row. One that ended badly and left no input counts as a crash; it has no final statistics.
row() {
    local log=$folder/found/$1/log runs speed crashes hangs leaks
    runs=$(last '^stat::number_of_executed_units: *[0-9]+' "$log") speed=$(last '^stat::average_exec_per_sec: *[0-9]+' "$log")
    [ "$runs" != 0 ] || runs=$(last '^#[0-9]+' "$log")
    hangs=$(grep -ac 'Test unit written to .*/timeout-' "$log") leaks=$(grep -ac 'Test unit written to .*/leak-' "$log")
    crashes=$(($(last '^exit status [0-9]+' "$log") != 0 && hangs + leaks == 0))
    printf '%-18s %12d %10d %8d %6d %6d\n' "$1" "$runs" "$speed" $crashes "$hangs" "$leaks"
    [ $((crashes + hangs + leaks)) = 0 ]
}

log=$folder/build.log
mkdir -p "$folder"
find_clang >/dev/null || { echo "run.sh: no clang that links fuzzers (Debian: apt-get install clang libclang-rt-dev)" >&2; exit 2; }
names=("$@")
build "${names[@]/#/tests/fuzz/fuzz_}" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 2; }
built() { find "$folder/tests/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -printf '%f\n' | sed 's/^fuzz_//' | grep -vx planted | sort; }
[ ${#names[@]} != 0 ] || while read -r name; do names+=("$name"); done < <(built)
export here folder seconds longest hang
export ASAN_OPTIONS="quarantine_size_mb=4 malloc_context_size=10" UBSAN_OPTIONS="halt_on_error=1 print_stacktrace=1"
export -f fuzz
printf '%s\0' "${names[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz "$0"'
printf '%-18s %12s %10s %8s %6s %6s\n' target executions exec/s crashes hangs leaks
found=0
for name in "${names[@]}"; do row "$name" || found=$((found + 1)); done
[ $found = 0 ] && exit 0
echo "$found targets found something: $folder/found/TARGET/{log,crash-*,timeout-*,leak-*}; again: $folder/tests/fuzz/fuzz_TARGET FILE"
exit 1
