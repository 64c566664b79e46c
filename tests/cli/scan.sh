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
# A scan opens checkpoints as score does: by --arch, --names, --no-hash too.
values() {  # values FILE: the hashes of its datasets of scores
    "$NEEDLESCOPE" verify --content "$1" | grep -E '^dataset /(find_hits|find_margin|retrieval_find|case_previous_token) '
}
run inspect a/step5 --arch-out arch.json
sed 's/"window":[[:space:]]*0/"window": 16/' arch.json >window.json
cmp -s arch.json window.json && fail "the arch has no window to edit: $(head -c 300 arch.json)"
run scan a --cases cases.jsonl --arch arch.json -o described
run scan a --cases cases.jsonl --arch window.json -o narrow
[ "$(values described/shards/first/step000005.h5)" != "$(values narrow/shards/first/step000005.h5)" ] || fail "scan --arch changes nothing"
"$NEEDLESCOPE" score a/step5 --cases cases.jsonl --arch window.json --probe retrieval_find,previous_token -o one.h5 >out 2>err     # 1: none is answered
[ -n "$(values one.h5)" ] && [ "$(values narrow/shards/first/step000005.h5)" = "$(values one.h5)" ] || fail "scan --arch and score --arch differ"
run scan a --cases cases.jsonl --arch window.json -o described --json
grep -q '"scored":[[:space:]]*3' out || fail "shards of another --arch pass for done: $(cat out)"
echo '{"model.norm.weight": "absent.weight"}' >names.json
"$NEEDLESCOPE" scan a --cases cases.jsonl --names names.json -o named >out 2>err
[ $? -eq 1 ] && grep -q 'absent.weight' err || fail "scan --names changes nothing: $(cat err)"
run scan a --cases cases.jsonl --no-hash -o unhashed
"$NEEDLESCOPE" verify --content unhashed/shards/first/step000005.h5 | grep -q weights_sha256 && fail "scan --no-hash takes the hash"
"$NEEDLESCOPE" verify --content described/shards/first/step000005.h5 | grep -q weights_sha256 || fail "a shard does not say which weights it is of"

mkdir mixed
run lab plant -o mixed/step1 --layers 4 --heads 4 --retrieval 2.3 --vocab 66
run lab plant -o mixed/step2 --layers 2 --heads 4 --retrieval 1.3 --vocab 66
"$NEEDLESCOPE" scan mixed --cases cases.jsonl -o mix >out 2>err
[ $? -eq 1 ] || fail "a checkpoint of another model is scanned into the run"
grep -q "step 2 failed: .*2 layers.*step1.*4 layers" err || fail "of which model it is, is not said: $(cat err)"

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

# what is found and is no step of the run is listed with its reason, and counted
mkdir odd && cp -r b/step5 odd/checkpoint-5 && cp -r b/step10 odd/best && ln -s checkpoint-5 odd/last && mkdir odd/logs
run scan odd --list
grep -Eq 'odd +5 +-1 +checkpoint-5' out || fail "the order: $(cat out)"
grep -q 'Left out (3)' out && grep -Eq 'odd +best +no step in its name.*--manifest' out && grep -Eq 'odd +last +the same weights as checkpoint-5' out ||
    fail "what was left out: $(cat out)"
run scan odd --list --json
grep -q '"n_left_out":[[:space:]]*3' out || fail "JSON does not count what was left out: $(cat out)"
run scan odd --cases cases.jsonl --probe previous_token -o oddly
grep -q 'odd: 2 left out of 3 (scan --list says why)' err || fail "a scan does not count what it leaves out: $(cat err)"
cache=models--org--name
mkdir -p $cache/refs $cache/blobs
for step in 5 10; do
    mkdir -p $cache/snapshots/commit$step && cp b/step$step/* $cache/snapshots/commit$step && printf commit$step >$cache/refs/step$step
done
run scan $cache --cases cases.jsonl --probe previous_token -o cached --json     # without refs/main
grep -q '"scored":[[:space:]]*2' out || fail "revisions without main: $(cat out)"
expect 66 'no refs/main.*its 2 revisions with --revision: step10, step5' inspect $cache
expect 66 'did you mean step10' inspect $cache --revision step1O
finish
