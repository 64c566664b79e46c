#!/bin/bash
# fail_alloc.sh PROGRAM PRELOAD STRIDE [COMMAND...] - every STRIDE-th allocation of each command refused once. Then the command must say 75 (or 74, 1 where
# it goes on and counts a failure), or give the very answer that it gives otherwise; never crash, hang, or print another answer. Prints what it found.
# STRIDE 1 is all of them. Without COMMANDs: all below.
set -u
ns=$(realpath "$1") preload=$(realpath "$2") stride=$3
shift 3
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
export OPENBLAS_NUM_THREADS=1
{
    "$ns" lab plant -o model && "$ns" cases needle --model model --lengths 48,64 --depths 0,.5 --twins swap -o cases.jsonl &&
    "$ns" lab plant -o run --series 3 --retrieval 3.1 --births 10 --every 10 && "$ns" scan run --cases cases.jsonl -o scan && "$ns" merge scan -o study.h5 &&
    "$ns" score model --cases cases.jsonl -o scores.h5 && "$ns" record model --cases cases.jsonl --at 'blocks.*.attn.hook_pattern' --maps dense -o maps.h5
} >setup 2>&1 || { cat setup; exit 99; }
declare -A lines=(
    [inspect]='inspect model' [cases]='cases needle --vocab 512 --lengths 48 --depths 0,.5 -o out' [score]='score model --cases cases.jsonl --resamples 20 -o out'
    [record]='record model --cases cases.jsonl --at blocks.*.attn.hook_pattern -o out' [scan]='scan run --cases cases.jsonl -o out' [merge]='merge scan -o out'
    [emergence]='emergence study.h5' [laziness]='laziness study.h5' [figure]='figure heads scores.h5 -o out.png' [csv]='export csv scores.h5 -o out'
    [latex]='export latex scores.h5 -o out' [ablate]='ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 2 -o out' [patch]='patch model --cases cases.jsonl -o out'
    [verify]='verify scores.h5' [tokenize]='tokenize model --ids')
[ $# -gt 0 ] || set -- inspect cases score record scan merge emergence laziness figure csv latex ablate patch verify
bad=0 all=0
answer() {    # what the command says and writes, in a form that does not depend on time
    cat said
    for f in out out.png; do
        [ ! -f $f ] || "$ns" verify --content $f 2>/dev/null || { [ $f = out.png ] || cat $f; }
    done
    [ ! -d out ] || find out -name '*.h5' | sort | while read -r f; do "$ns" verify --content "$f"; done
}
for command in "$@"; do
    read -ra words <<<"${lines[$command]}"
    rm -rf out out.png
    FAIL_ALLOC_COUNT=count LD_PRELOAD=$preload "$ns" "${words[@]}" -t 1 >said 2>err
    usual=$?
    answer >want
    n=$(cat count) failed=0
    for ((i = 1; i <= n; i += stride)); do
        rm -rf out out.png
        FAIL_ALLOC=$i LD_PRELOAD=$preload timeout 60 "$ns" "${words[@]}" -t 1 >said 2>err
        code=$?
        why=
        case $code in
        74 | 75) [ -s err ] || why='says nothing' ;;
        "$usual") answer >got; cmp -s want got || why='another answer' ;;
        1) [ $command = scan ] || why='exit 1' ;;
        *) why="exit $code: $(tail -c 200 err)" ;;
        esac
        [ -z "$(find . -name '*.tmp.*' -print -quit)" ] || why="leaves a temporary"
        [ -z "$why" ] || { failed=$((failed + 1)); [ $failed -gt 5 ] || echo "  $command, allocation $i of $n: $why"; find . -name '*.tmp.*' -delete; }
        all=$((all + 1))
    done
    echo "$command: $n allocations, $failed bad"
    bad=$((bad + failed))
done
echo "$all runs, $bad bad"
[ $bad = 0 ]
