#!/bin/bash
# valgrind.sh PROGRAM PLANTED SUPPRESSIONS - the main commands on small models under valgrind: no error, no block lost. First it must find
# planted faults.
set -u
command -v valgrind >/dev/null || { echo "SKIP: valgrind is not installed"; exit 77; }
ns=$(realpath "$1") planted=$(realpath "$2") suppressions=$(realpath "$3")
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
export OPENBLAS_NUM_THREADS=1
under() {
    valgrind -q --error-exitcode=86 --leak-check=full --errors-for-leak-kinds=definite,indirect --suppressions="$suppressions" \
        "$@" >said 2>&1
}
under "$planted" nothing || { echo "FAILED: a program without a fault: $(cat said)"; exit 1; }
for fault in overflow leak uninitialised; do
    under "$planted" $fault
    [ $? = 86 ] || { echo "FAILED: the planted fault was not found: $fault"; exit 1; }
done
failed=0 n=0
# clean CODE WORD...: the command ends with CODE, and valgrind has nothing to say
clean() {
    local code=$1
    shift
    local threads=()
    case $1 in score | record | scan | ablate | patch) threads=(-t 2) ;; esac
    under "$ns" "$@" -q "${threads[@]}"
    local status=$?
    n=$((n + 1))
    [ $status = "$code" ] && ! grep -q '^==[0-9]*==' said && return
    echo "FAILED: $*: status $status: $(head -n 40 said)"
    failed=$((failed + 1))
}
small='--layers 4 --heads 4 --kv-heads 2 --vocab 66 --previous-token 0.1 --retrieval 2.1'
# shellcheck disable=SC2086  # options
{
    clean 0 lab plant -o model $small --window 24
    clean 0 lab plant -o run $small --series 3 --births 10 --every 10
}
clean 0 inspect model
clean 0 cases needle --model model --lengths 40 --depths 0,1 --twins swap -o cases.jsonl
clean 0 score model --cases cases.jsonl --resamples 10 -o scores.h5
clean 0 record model --cases cases.jsonl --at 'blocks.*.attn.hook_pattern' --maps dense -o maps.h5
clean 0 scan run --cases cases.jsonl --probe retrieval_find,previous_token -o scan
clean 0 merge scan -o study.h5
clean 0 emergence study.h5
clean 0 figure heads scores.h5 -o heads.png
clean 0 figure curves study.h5 -o curves.svg
clean 0 export csv scores.h5 -o scores.csv
clean 0 export latex scores.h5 -o scores.tex
clean 0 export notebook scores.h5 -o scores.ipynb
clean 0 ablate model --cases cases.jsonl --heads 2.1 --draws 1 --loss-cases 0 -o ablation.h5
clean 0 patch model --cases cases.jsonl --heads 2.1 --draws 1 -o patch.h5
clean 0 verify scores.h5
printf '%s' '{"name": "small", "checkpoint_every": 1, "validation_sequences": 2, ' \
    '"train": {"pattern": "SGF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 24, "steps": 2}}' >train.json
clean 0 train train.json -o trained
head -c 300 scores.h5 >cut.h5
clean 65 export csv cut.h5 -o cut.csv
echo "planted and found: overflow leak uninitialised; $n commands, $failed with errors"
[ $failed = 0 ]
