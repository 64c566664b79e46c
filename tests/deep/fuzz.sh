#!/bin/bash
# fuzz.sh SOURCE BUILD - the fuzzers find what is planted, each kind in its column; every fuzzer runs for a second and finds nothing; and so
# do the lines of tests/fuzz/README.md, as they stand there.
set -u
source=$(realpath "$1") folder=$(realpath "$2")/fuzzers
readme=$source/tests/fuzz/README.md faults=0
complain() { echo "FAILED: $*"; faults=$((faults + 1)); }
run() { "$source/tests/fuzz/run.sh" "$source" "$folder" "$@"; }

# planted KIND COLUMNS STATUS: the row of the planted fault.
planted() {
    rm -rf "$folder/found/planted"
    mkdir -p "$folder/found/planted/corpus"
    printf '%s?' "$1" >"$folder/found/planted/corpus/seed"
    NS_PLANTED=$1 run 5 planted >"$folder/table"
    local status=$?
    [ $status = 2 ] && { echo "SKIP: no clang that links fuzzers"; exit 77; }
    [ $status = "$3" ] && grep -qE "^planted +[0-9]+ +[0-9]+ $2\$" "$folder/table" ||
        { complain "planted $1: status $status, wanted $3 and '$2'"; cat "$folder/table"; }
}
planted n ' +0 +0 +0' 0
planted o ' +1 +0 +0' 1
planted u ' +1 +0 +0' 1
planted h ' +0 +1 +0' 1
planted l ' +0 +0 +1' 1

run 1 || complain "a fuzzer found something, or could not run"

# The fenced lines of the recipe, in the source, for a second each and with this folder for theirs.
mapfile -t lines < <(sed -n '/^## With libFuzzer/,/^## A new/{/^```/,/^```/{/^```/d;p}}' "$readme" |
    sed "s,build-fuzz,$folder,g; s/ 60 / 1 /; s/-max_total_time=[0-9]*/-max_total_time=1/")
[ ${#lines[@]} -ge 3 ] || complain "no recipe in $readme"
(cd "$source" && printf '%s\n' "${lines[@]}" | bash -eu) >"$folder/recipe.log" 2>&1 ||
    { complain "the recipe of $readme"; tail -n 30 "$folder/recipe.log"; }
[ $faults = 0 ] && echo "faults of four kinds were found where they were planted; no fuzzer found another; the recipe works"
