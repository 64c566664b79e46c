#!/bin/bash
# threads.sh PROGRAM TWO_MODELS - what runs with several threads, at small sizes: score, record, scan, train and ablate with four, two
# models in one process. Run in the ordinary build it compares bits; in one with ThreadSanitizer it is what the sanitizer looks at.
set -eu
ns=$(realpath "$1") two_models=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
quietly() { "$ns" "$@" -q >said 2>&1 || { echo "FAILED: $*: $(cat said)"; exit 1; }; }
# same NAME WORD...: what is written to NAME with four threads has the content of what is written with one
same() {
    local name=$1
    shift
    quietly "$@" -t 1 -o "one-$name"
    quietly "$@" -t 4 -o "four-$name"
    [ "$("$ns" verify --content "one-$name" | grep -c '^dataset ')" -gt 3 ] || { echo "FAILED: $*: writes nothing"; exit 1; }
    cmp -s <("$ns" verify --content "one-$name" | grep '^dataset ') <("$ns" verify --content "four-$name" | grep '^dataset ') ||
        { echo "FAILED: $*: four threads make another file than one"; exit 1; }
}
quietly lab plant -o model --window 24
quietly lab plant -o run --series 3 --retrieval 3.1 --births 10 --every 10
quietly cases needle --model model --lengths 40,90 --depths 0,.6 --twins swap -o cases.jsonl
same scores.h5 score model --cases cases.jsonl --resamples 20
same maps.h5 record model --cases cases.jsonl --at 'blocks.*.attn.hook_pattern,blocks.*.hook_resid_post' --maps dense
same ablation.h5 ablate model --cases cases.jsonl --heads 3.1 --draws 1 --loss-cases 0
quietly scan run --cases cases.jsonl -t 4 -o scan
quietly merge scan -o study.h5
quietly emergence study.h5
printf '%s' '{"name": "small", "checkpoint_every": 2, "validation_sequences": 2, ' \
    '"train": {"pattern": "SGF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 24, "steps": 4}}' >train.json
quietly train train.json -o trained
mkdir two
"$two_models" two
echo "four threads make the files of one"
