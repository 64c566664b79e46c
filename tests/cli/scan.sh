#!/bin/sh
# scan.sh PROGRAM JSON_OK - scans: killed and resumed, in shards, by other threads: the same study. What fails is said and does not stop the rest.
. "$(dirname "$0")/common.sh"

study() {   # study FOLDER: content_sha256 of its study
    "$NEEDLESCOPE" merge "$1" --json >out 2>err || { fail "merge $1: $(cat err)"; return; }
    "$JSON_OK" needlescope.merge/1 content_sha256 <out
}
probes='--cases cases.jsonl --probe retrieval_find,previous_token,qk_distance'

mkdir a b
for run in a b; do
    for step in 5 10 200; do
        run lab plant -o "$run/step$step" --seed "$step" --layers 4 --heads 4 --kv-heads 2 --previous-token 0.1 --retrieval 2.3 --vocab 66
    done
done
echo '{"schema": 1, "name": "first", "tokens_per_step": 100, "coords": {"window": 4, "pattern": "SF"}}' >a/run.json
run cases needle --model a/step5 --lengths 40,97 --depths 0,.6 --count 3 -o cases.jsonl

# shellcheck disable=SC2086  # a list of options
{
    run scan a b $probes -o whole
    want=$(study whole)
    [ ${#want} -eq 64 ] || fail "no content_sha256: '$want'"
    run scan a b $probes -o whole --json
    grep -q '"scored":[[:space:]]*0' out || fail "a second scan does it again: $(cat out)"
    [ "$(study whole)" = "$want" ] || fail "a second scan and merge change the study"

    run scan a b $probes -o shards --shard 1/2 --threads 1
    run scan b a $probes -o shards --shard 0/2
    run scan a b $probes -o shards
    [ "$(study shards)" = "$want" ] || fail "shards give another study"

    for after in .05 .1 .2 .3; do      # killed at any moment: at most the checkpoint in hand is lost
        "$NEEDLESCOPE" scan a b $probes -o killed >/dev/null 2>&1 &
        sleep $after
        kill -9 $! 2>/dev/null
        wait $! 2>/dev/null
    done
    for shard in killed/shards/*/*.h5; do
        [ ! -e "$shard" ] || "$NEEDLESCOPE" verify "$shard" >/dev/null 2>&1 || fail "$shard is there and broken"
    done
    run scan a b $probes -o killed
    [ "$(study killed)" = "$want" ] || fail "a killed and resumed scan gives another study"

    mkdir b/step7 && cp b/step5/config.json b/step7
    printf 'not safetensors' >b/step7/model.safetensors
    "$NEEDLESCOPE" scan a b $probes -o failed >out 2>err
    [ $? -eq 1 ] || fail "a checkpoint failed and the exit code is not 1"
    grep -q 'step 7 failed' err || fail "which one failed is not said: $(cat err)"
    run merge failed
    grep -q 'failed *1' out || fail "merge does not count the failure: $(cat out)"
    rm -r b/step7

    sed 's/"seed"/"sead"/' cases.jsonl | head -5 >fewer.jsonl
    run scan a --cases fewer.jsonl --probe retrieval_find -o whole
    expect 65 'scored with other (cases|probes).*scan again' merge whole
}
mkdir -p empty twice/step10 twice/checkpoint-10
cp b/step5/* twice/step10 && cp b/step5/* twice/checkpoint-10
expect 66 'empty: no checkpoints' scan empty --cases cases.jsonl -o x
expect 65 "'checkpoint-10' and 'step10' are both step 10" scan twice --cases cases.jsonl -o x
expect 2 'shard 3/2: give I/N' scan a --cases cases.jsonl -o x --shard 3/2
expect 2 'no such probe or score' scan a --cases cases.jsonl -o x --probe retrieval_fnd
expect 2 'output|-o FOLDER is missing' scan a --cases cases.jsonl
expect 66 'no finished shard|cannot be opened' merge empty
printf '{"path": "step200", "step": 1}\n{"path": "step5", "step": 2, "tokens": 77, "label": "late"}\n' >b/order.jsonl
run scan b --manifest b/order.jsonl --list
grep -Eq 'b +2 +77 +late' out || fail "a manifest's order: $(cat out)"
finish
