#!/bin/bash
# kill.sh PROGRAM ROUNDS - kill -9 at random moments, ROUNDS times over scan, merge, train and record: what is finished is whole and right,
# and the next call leaves nothing lying about. `kill.sh build/cli/needlescope 200` by hand; the seed of a failure is said.
set -u
program=$(realpath "$1") rounds=$2 seed=${3:-$$}
export OPENBLAS_NUM_THREADS=1
dir=$(mktemp -d) && cd "$dir" || exit 99
trap 'rm -rf "$dir"' EXIT
RANDOM=$seed
failures=0 killed=0
fail() { echo "FAILED (seed $seed): $*"; failures=$((failures + 1)); }
"$program" lab plant -o run --series 6 --retrieval 3.1 --births 20 --every 10 >/dev/null || exit 99
"$program" cases needle --model run/step000000 --lengths 64 --depths 0:1:3 -o cases.jsonl >/dev/null 2>&1 || exit 99
cat >train.json <<'END'
{"checkpoint_every": 2, "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 32,
                                  "steps": 8, "warmup": 2, "max_positions": 64}}
END
scan='scan run --cases cases.jsonl --probe retrieval_find,previous_token -o scan'
merge='merge whole -o study.h5'
train='train train.json -o trained'
resume='train train.json -o trained --resume'
record='record run/step000030 --cases cases.jsonl --at blocks.3.attn.hook_pattern --maps dense -o maps.h5'
content() { "$program" verify --content "$1" 2>/dev/null | grep '^dataset' | sha256sum; }
# the results that each must come to, and how long it takes
declare -A want long
sum() {     # sum COMMAND: of all that it makes
    case $1 in
    scan) for f in scan/shards/run/*.h5; do content "$f"; done ;;
    merge) content study.h5 ;;
    train) find trained -name '*.safetensors' | sort | xargs sha256sum ;;
    record) content maps.h5 ;;
    esac
}
left_by() { # left_by COMMAND: what the next call of the same command should have cleared away
    case $1 in
    scan) find scan -name '*.tmp.*' -o -name '*.claim' ;;
    merge) find . -maxdepth 1 -name 'study.h5.tmp.*' ;;
    train) find trained -name '*.tmp.*' ;;
    record) find . -maxdepth 1 -name 'maps.h5.tmp.*' ;;
    esac
}
again() {   # again COMMAND WHEN: the next call ends well, with what it should
    local words=${!1} left
    [ "$1" != train ] || [ ! -e trained/run.json ] || words=$resume
    # shellcheck disable=SC2086
    "$program" $words >/dev/null 2>err || fail "$1 $2: exit $?: $(cat err)"
    [ "$(sum "$1")" = "${want[$1]}" ] || fail "$1 $2 gives something else"
    left=$(left_by "$1")
    [ -z "$left" ] || fail "$1 $2 leaves $left"
}
clear_out() { case $1 in scan) rm -rf scan ;; merge) rm -f study.h5 ;; train) rm -rf trained ;; record) rm -f maps.h5 ;; esac; }
for command in scan merge train record; do
    begin=$(date +%s%N)
    # shellcheck disable=SC2086  # words
    "$program" ${!command} >/dev/null 2>err || { cat err; exit 99; }
    long[$command]=$((($(date +%s%N) - begin) / 1000000))
    want[$command]=$(sum $command)
    [ $command != scan ] || cp -r scan whole
done
good() {    # good HOW FILE: what has its final name opens, and is whole
    [ ! -e "$2" ] || "$program" "$1" "$2" >/dev/null 2>err || fail "$2: $(cat err)"
}
whole() {   # whole COMMAND
    local file
    case $1 in
    scan) for file in scan/shards/run/*.h5; do good verify "$file"; done ;;
    merge) good verify study.h5 ;;
    record) good verify maps.h5 ;;
    train) for file in trained/step*; do good inspect "$file"; done ;;
    esac
}
for ((round = 0; round < rounds; round++)); do
    list=(scan merge train record)
    command=${list[round % 4]}
    [ $((RANDOM % 3)) -ne 0 ] || clear_out $command
    [ $command != record ] && [ $command != merge ] || clear_out $command
    words=${!command}
    [ $command != train ] || [ ! -e trained/run.json ] || words=$resume
    # shellcheck disable=SC2086
    setsid "$program" $words >/dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((RANDOM * long[$command] / 32768 / 1000)) $((RANDOM * long[$command] / 32768 % 1000)))"
    kill -9 $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    whole $command
    [ $((RANDOM % 2)) -eq 0 ] || again $command 'behind a kill'
done
for command in scan merge train record; do
    again $command 'in the end'
done
echo "killed $killed times in $rounds rounds, seed $seed: $failures failures"
[ "$killed" -ge $((rounds / 4)) ] || fail "only $killed of $rounds were killed: they end before"
exit "$failures"
