#!/bin/bash
# fail_alloc.sh PROGRAM PRELOAD [-s OURS] [-l LIBRARIES] [-j JOBS] [-k FOLDER] COMMAND... - each OURS-th allocation of each command is refused once, and each
# LIBRARIES-th of those that libraries ask for (fail_alloc.c). Then the command says so with exit 75 and leaves nothing but what an undisturbed run writes, or gives the very answer of an undisturbed run; it never crashes,
# hangs or leaks. COMMAND is a name from the table below. Prints one line a command, and the first faults. -k keeps FOLDER to look at.
set -u
ns=$(realpath "$1") preload=$(realpath "$2") ours=1 libraries=1 jobs=2 keep=
shift 2
while getopts s:l:j:k: option; do
    case $option in s) ours=$OPTARG ;; l) libraries=$OPTARG ;; j) jobs=$OPTARG ;; k) keep=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
if [ -n "$keep" ]; then
    mkdir -p "$keep" && dir=$(realpath "$keep") || exit 99
else
    dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT || exit 99
fi
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export FAIL_ALLOC_DIES=libhdf5:libglib:libgobject:libpango:libfontconfig
in=$dir/in
mkdir -p "$in" && cd "$in" || exit 99
[ -f ready ] || {
    "$ns" lab plant -o model && "$ns" cases needle --model model --lengths 48,64 --depths 0,.5 --twins swap -o cases.jsonl &&
    "$ns" lab plant -o run --series 3 --retrieval 3.1 --births 10 --every 10 && "$ns" scan run --cases cases.jsonl -o scan && "$ns" merge scan -o study.h5 &&
    "$ns" score model --cases cases.jsonl -o scores.h5 && "$ns" record model --cases cases.jsonl --at 'blocks.*.attn.hook_pattern' --maps dense -o maps.h5 &&
    "$ns" ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 2 -o ablation.h5 && touch ready
} >"$dir/setup" 2>&1 || { cat "$dir/setup"; exit 99; }
model=$in/model cases=$in/cases.jsonl
declare -A lines=(
    [inspect]="inspect $model" [cases]='cases needle --vocab 512 --lengths 48 --depths 0,.5 -o out' [tokenize]="tokenize $model hello --ids"
    [score]="score $model --cases $cases --resamples 20 -o out"
    [record]="record $model --cases $cases --at blocks.*.attn.hook_pattern -o out" [scan]="scan $in/run --cases $cases -o out" [merge]="merge $in/scan -o out"
    [emergence]="emergence $in/study.h5" [laziness]="laziness $in/study.h5" [figure]="figure heads $in/scores.h5 -o out.png" [csv]="export csv $in/scores.h5 -o out"
    [latex]="export latex $in/scores.h5 -o out" [notebook]="export notebook $in/scores.h5 -o out.ipynb"
    [ablate]="ablate $model --cases $cases --heads 3.1 --draws 2 --loss-cases 2 -o out" [patch]="patch $model --cases $cases -o out"
    [verify]="verify $in/scores.h5"
)
bad=0 all=0
for command in "$@"; do
    read -ra words <<<"${lines[$command]}"
    at=$dir/$command
    rm -rf "$at"
    mkdir -p "$at/0/work" "$at/want/work"
    set -f
    run() { (cd "$1/work" && FAIL_ALLOC=$2 FAIL_ALLOC_OURS=$ours FAIL_ALLOC_LIBRARIES=$libraries FAIL_ALLOC_JOBS=$jobs FAIL_ALLOC_DIR=$at LD_PRELOAD=$preload "$ns" "${words[@]}" -t 1 </dev/null >"$1/said" 2>"$1/err"); }
    run "$at/want" count
    echo $? >"$at/want/code"
    mv "$at/0/live" "$at/want/live"
    run "$at/0" all
    set +f
    tail -1 "$at/log" | sed "s/^/$command: /"
    diff -r "$at/0/work" "$at/want/work" >/dev/null && diff "$at/0/said" "$at/want/said" || { echo "the run itself was disturbed"; bad=$((bad + 1)); }
    grep -v ^asked "$at/log" | head -${SHOW:-5}
    read -r _ _ _ refused _ _ _ _ _ _ _ _ _ faults <<<"$(tail -1 "$at/log")"
    all=$((all + ${refused:-0})) bad=$((bad + ${faults:-1}))
done
echo "$all allocations refused, $bad faults"
[ $bad = 0 ]
