#!/bin/sh
# scan.sh PROGRAM JSON_OK - scans: killed and resumed, in shards, by other threads: the same study. What fails is said and does not stop the
# rest.
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

    cp -r shards strangers             # and what is none of them changes nothing, and is counted
    touch strangers/shards/notes.txt strangers/shards/first/notes.txt strangers/shards/first/stepping.h5 \
        strangers/shards/first/step000005.h5.tmp.00000000.1.0000000000000000
    [ "$(study strangers)" = "$want" ] || fail "files among the shards change the study"
    grep -q 'passed over 3 files or folders among the shards' err && grep -q '"passed_over":[[:space:]]*3' out ||
        fail "files among the shards are not counted: $(cat err)"
    rm -r strangers
    run merge whole
    ! grep -q 'among the shards' err || fail "files are counted where there are none"
    expect 66 'merge: error: nothere: there is no such folder' merge nothere
    expect 66 'merge: error: /dev/null: is no folder' merge /dev/null
    mkdir unscanned && touch unscanned/file
    expect 66 'merge: error: unscanned: ' merge unscanned

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
    "$NEEDLESCOPE" merge failed >out 2>err
    [ $? -eq 1 ] || fail "a checkpoint failed and the exit code of merge is not the scan's 1"
    grep -q 'failed *1' out || fail "merge does not count the failure: $(cat out)"
    rm -r b/step7
    # the first one is damaged: it failed, and the others are what they are without it
    mkdir b/step1 && cp b/step5/config.json b/step1 && printf 'not safetensors' >b/step1/model.safetensors
    "$NEEDLESCOPE" scan b a $probes -o first >out 2>err
    [ $? -eq 1 ] && grep -q 'step 1 failed' err || fail "a damaged first checkpoint: $(cat err)"
    [ -e first/shards/*/step000001.failed ] || fail "a damaged first checkpoint leaves no reason"
    for shard in whole/shards/*/*.h5; do
        other=first${shard#whole}
        "$NEEDLESCOPE" verify --content "$shard" >one && "$NEEDLESCOPE" verify --content "$other" 2>&1 | cmp -s - one ||
            fail "$other is not $shard"
    done
    rm -r b/step1

    sed 's/"seed"/"sead"/' cases.jsonl | head -5 >fewer.jsonl
    "$NEEDLESCOPE" verify --content whole/shards/first/step000005.h5 >kept
    expect 65 'step000005.h5 was scored with other cases: nothing finished is replaced' scan a --cases fewer.jsonl --probe retrieval_find \
        -o whole
    expect 65 'step000005.h5 was scored with other probes: nothing finished is replaced' scan a --cases cases.jsonl --probe retrieval_find \
        -o whole
    "$NEEDLESCOPE" verify --content whole/shards/first/step000005.h5 | cmp -s - kept || fail "a refused scan changes a shard"
    [ "$(study whole)" = "$want" ] || fail "refused scans change the study"
    run scan a --cases fewer.jsonl --probe retrieval_find -o whole --force --json
    grep -q '"replaced":[[:space:]]*3' out || fail "what --force replaced is not counted: $(cat out)"
    grep -q '3 shards were replaced' err || fail "what --force replaced is not said: $(cat err)"
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
# 1: none is answered
"$NEEDLESCOPE" score a/step5 --cases cases.jsonl --arch window.json --probe retrieval_find,previous_token -o one.h5 >out 2>err
[ -n "$(values one.h5)" ] && [ "$(values narrow/shards/first/step000005.h5)" = "$(values one.h5)" ] ||
    fail "scan --arch and score --arch differ"
# a folder keeps one description: another is refused before anything is written, and by --force replaces all that it reaches
run merge described
expect 65 'step000005.h5 was scored with other facts of the architecture \(--arch, --names, .*--heads-of\): nothing finished is replaced' \
    scan a --cases cases.jsonl --arch window.json -o described
run scan a --cases cases.jsonl -o described --json
grep -q '"present":[[:space:]]*3' out || fail "an --arch that says what config.json says is another: $(cat out)"
run scan a --cases cases.jsonl --arch window.json -o described --force --steps 10,10 --json
grep -q '"scored":[[:space:]]*1' out || fail "--force does not score by another --arch: $(cat out)"
expect 65 'step000010.h5 is of a model of .*swa 16.*step000005.h5 of one of .*full.*not one run' merge described
run scan a --cases cases.jsonl --arch window.json -o described --force --json
grep -q '"scored":[[:space:]]*3' out || fail "shards of another --arch pass for done: $(cat out)"
run merge described
! grep -q 'facts of the architecture change' err || fail "a change of the architecture is said where there is none: $(cat err)"
# where facts change that are not of layers and heads, from which step on is said
sed 's/"theta":[[:space:]]*[0-9.]*/"theta": 77/' arch.json >theta.json
run scan a --cases cases.jsonl -o warmer
run scan a --cases cases.jsonl --arch theta.json -o warmer --force --steps 10,10
run merge warmer --json
grep -q '"arch_changes":[[:space:]]*"first step 10; first step 200"' out &&
    grep -q 'change within a run at 2 steps.*first step 10; first step 200' err || fail "a base of RoPE that changes: $(cat out err)"
run verify --facts warmer/study.h5
grep -q 'arch_changes.*first step 10; first step 200' out || fail "the study does not say where the architecture changes: $(cat out)"
echo '{"model.norm.weight": "absent.weight"}' >names.json
"$NEEDLESCOPE" scan a --cases cases.jsonl --names names.json -o named >out 2>err
[ $? -eq 1 ] && grep -q 'absent.weight' err || fail "scan --names changes nothing: $(cat err)"
run scan a --cases cases.jsonl --no-hash -o unhashed
run verify --content unhashed/shards/first/step000005.h5
no_line weights_sha256 out "scan --no-hash takes the hash"
"$NEEDLESCOPE" verify --content described/shards/first/step000005.h5 | grep -q weights_sha256 ||
    fail "a shard does not say which weights it is of"

mkdir mixed
run lab plant -o mixed/step1 --layers 4 --heads 4 --retrieval 2.3 --vocab 66
run lab plant -o mixed/step2 --layers 2 --heads 4 --retrieval 1.3 --vocab 66
"$NEEDLESCOPE" scan mixed --cases cases.jsonl -o mix >out 2>err
[ $? -eq 1 ] || fail "a checkpoint of another model is scanned into the run"
grep -q "step 2 failed: .*2 layers.*step1.*4 layers" err || fail "of which model it is, is not said: $(cat err)"

# a shard of another model beside a run's own is not merged into it
run scan mixed/step2 --cases cases.jsonl -o other
mv other/shards/step2/step000002.h5 mix/shards/mixed/step000002.h5
rm mix/shards/mixed/step000002.failed
expect 65 'step000002.h5 is of a model of 2 layers .* not one run' merge mix

# a run of the same name from elsewhere
mkdir elsewhere && cp -r a elsewhere/a
expect 2 "whole holds shards of another run 'first'" scan elsewhere/a --cases fewer.jsonl --probe retrieval_find -o whole
mv a moved && run scan moved --cases fewer.jsonl --probe retrieval_find -o whole --json
grep -q '"present":[[:space:]]*3' out || fail "a run that was moved is scanned again: $(cat out)"
mv moved a

# what a run.json says and nobody reads
cp -r b unread && echo '{"name": "unread", "window": 4, "seed": 1}' >unread/run.json
run scan unread --cases cases.jsonl --probe retrieval_find -o unreadable
grep -q 'unread/run.json: {"window":4,"seed":1} is not read: coordinates of the run belong under "coords": {"window":4,"seed":1}' err ||
    fail "coordinates beside \"coords\": $(cat err)"
run merge unreadable
expect 2 'need a `window` each .* in their run.json, "coords": \{"window": 4' laziness unreadable/study.h5
echo '{"name": "unread", "coords": {"window": 4, "seed": 1}}' >unread/run.json
run scan unread --cases cases.jsonl --probe retrieval_find -o readable
! grep -q 'is not read' err || fail "what is read is said not to be: $(cat err)"

# a folder by another name of it; a window that is none; tokens that become fewer; a name that cannot be one says where it comes from
(cd b && run scan . --cases ../cases.jsonl --probe retrieval_find -o ../dot)
[ -d dot/shards/b ] || fail "scan of . is of no run 'b': $(ls dot/shards; cat b/err)"
mv b .hidden && expect 65 "^[^:]*: error: .hidden: the run's name '.hidden' cannot name a folder .*\"name\" in .hidden/run.json" \
    scan .hidden --cases cases.jsonl --probe retrieval_find -o none
mv .hidden b
# a coordinate's name is whole, or refused; as many as a study has
long=$(printf '%060d' 0 | tr 0 k)
printf '{"name": "unread", "coords": {"%sx": 1, "%sy": 2}}\n' "${long%?}" "${long%?}" >unread/run.json
run scan unread --cases cases.jsonl --probe retrieval_find -o longest && run merge longest
run verify --content longest/study.h5
grep -q "^dataset /${long%?}x " out && grep -q "^dataset /${long%?}y " out || fail "coordinates of 60 bytes: $(cat out)"
refused() { # refused MESSAGE COORDS
    printf '{"name": "unread", "coords": {%s}}\n' "$2" >unread/run.json
    expect 65 "unread/run.json: $1" scan unread --cases cases.jsonl --probe retrieval_find -o none
}
refused "coords: the name '${long}x' has 61 bytes" "\"${long}x\": 1"
for name in a/b 'learning rate' größe .x; do refused "coords: the name '$name': .* whose name is made of letters" "\"$name\": 1"; done
# what a study gives to something else: the scan says it before it scores, not the merge after
for name in step tokens length retrieval_find find_hits case_entropy; do
    refused "coords: '$name' is the name of something else in a study" "\"$name\": 1"
done
echo '{"name": "own", "rows": "first", "keys": "needle", "stat": "mass"}' >own.json
echo '{"name": "unread", "coords": {"own": 1}}' >unread/run.json
run scan unread --cases cases.jsonl --probe-def own.json -o own_probe
expect 65 "a coordinate of the runs is called 'own'" merge own_probe
refused "coords: the name '' has 0 bytes" '"": 1'
refused "coords: 'sizes' is a list" '"sizes": [1, 2]'
refused '33 coords: a run has at most 32' "$(seq -s, 33 | sed 's/[0-9]*/"k&": 1/g')"
for part in 1 2; do
    cp -r b part$part
    printf '{"name": "part%s", "coords": {%s}}\n' $part "$(seq -s, 17 | sed "s/[0-9]*/\"p${part}k&\": 1/g")" >part$part/run.json
done
run scan part1 part2 --cases cases.jsonl --probe retrieval_find -o parts
expect 65 "more than 32 coordinates together \\('p2k[0-9]+' is one too many\\)" merge parts
echo '{"name": "unread", "coords": {"window": -4, "seed": 1}}' >unread/run.json
expect 65 'unread/run.json: coords: window is -4' scan unread --cases cases.jsonl --probe retrieval_find -o none
printf '{"path": "a/step5", "step": 5, "tokens": 500}\n{"path": "a/step10", "step": 10, "tokens": 400}\n' >fewer.manifest
expect 65 'fewer.manifest.*step 10 with 400 tokens behind step 5 with 500' scan a --manifest fewer.manifest --cases cases.jsonl \
    --probe retrieval_find -o none

# steps: 0 is a step; none at all is an error, none of some runs a note
run lab plant -o zero --series 3 --retrieval 3.1 --births 1 --every 1
run cases needle --model zero/step000000 --lengths 64 --depths 0.5 -o zero.jsonl
run scan zero --cases zero.jsonl --probe retrieval_find -o some --steps 0,0 --json
grep -q '"scored":[[:space:]]*1' out && grep -q '"left_out":[[:space:]]*2' out || fail "--steps 0,0: $(cat out)"
[ "$(cd some/shards/zero && echo *.h5)" = step000000.h5 ] || fail "--steps 0,0 scans $(ls some/shards/zero)"
run merge some
grep -q 'not there *0' out || fail "steps that were not asked for are missed: $(cat out)"
expect 2 'steps 20 to 10: the first comes after the last' scan zero --cases zero.jsonl -o x --steps 20,10
expect 2 'no checkpoint has a step from 20 to 30: the runs go from 0 to 2' scan zero --cases zero.jsonl -o x --steps 20,30
[ ! -e x ] || fail "a scan of nothing leaves a folder"
run scan a b --cases cases.jsonl --probe retrieval_find -o partly --steps 5,5
run scan zero --cases zero.jsonl --probe retrieval_find -o beyond --shard 5/7
grep -q 'shard 5/7 has no checkpoint of its own: there are only 3' err || fail "a shard beyond the checkpoints: $(cat err)"
mkdir late && cp -r b/step200 late
run scan a late --cases cases.jsonl --probe retrieval_find -o partly2 --steps 5,10
grep -q '1 of 2 runs has no checkpoint of the steps 5 to 10' err || fail "a run without the steps: $(cat err)"

"$NEEDLESCOPE" merge some >out 2>err
grep -q '^not taken *2$' out || fail "merge does not say what --steps left out: $(cat out)"
run emergence some/study.h5 --persist 1 --json
grep -q '"not_taken":[[:space:]]*2' out || fail "emergence does not say what --steps left out: $(head -c 300 out)"

# a task that never ran: what the scan found is missed, with its step
run scan zero --cases zero.jsonl --probe retrieval_find -o holes --shard 0/3
run scan zero --cases zero.jsonl --probe retrieval_find -o holes --shard 2/3
"$NEEDLESCOPE" merge holes --json >out 2>err
[ $? -eq 1 ] || fail "a checkpoint without a shard, and merge exits with another code than 1"
grep -q '"missing":[[:space:]]*1' out && grep -q '"steps":[[:space:]]*3' out &&
    grep -q '^1 checkpoint has no shard, though the scan found it' err ||
    fail "a checkpoint without a shard: $(cat out err)"
run emergence holes/study.h5 --persist 1 --json
grep -q '"missing":[[:space:]]*1' out || fail "emergence does not say what has no shard: $(head -c 300 out)"
run scan zero --cases zero.jsonl --probe retrieval_find -o holes
run merge holes
grep -q 'not there *0' out || fail "a scan that was completed: $(cat out)"

# a shard is what it says it is, not what it is called
cp -r zero nought
sed -i 's/"name":[^,]*/"name": "nought"/' nought/run.json
places="zero nought --cases zero.jsonl --probe retrieval_find -o places"
run scan $places
run merge places
want=$(study places)
cp places/shards/zero/step000000.h5 places/shards/zero/step000001.h5
expect 65 "zero/step000001.h5 holds step 0 of run 'zero', not what its name says" merge places
run scan $places
cp places/shards/zero/step000002.h5 places/shards/nought/step000002.h5
expect 65 "nought/step000002.h5 holds step 2 of run 'zero', not what its name says" merge places
run scan $places
[ "$(study places)" = "$want" ] || fail "a scan does not put right what lay in a wrong place"

# scores of a checkpoint that was replaced by one that fails are not its own
mv nought/step000001 kept.checkpoint && mkdir nought/step000001 && cp kept.checkpoint/config.json nought/step000001
printf 'not safetensors' >nought/step000001/model.safetensors
"$NEEDLESCOPE" scan $places >out 2>err
[ $? -eq 1 ] && [ -e places/shards/nought/step000001.h5 ] || fail "a checkpoint that fails now: $(cat err)"
"$NEEDLESCOPE" merge places >out 2>err
[ $? -eq 1 ] && grep -q '^checkpoints *5$' out && grep -q '^failed *1$' out ||
    fail "old scores of a checkpoint that fails are merged: $(cat out)"
rm -r nought/step000001 && mv kept.checkpoint nought/step000001
run scan $places --retry-failed
[ "$(study places)" = "$want" ] || fail "a checkpoint that is whole again gives another study"

mkdir -p empty twice/step10 twice/checkpoint-10
cp b/step5/* twice/step10 && cp b/step10/* twice/checkpoint-10
expect 66 'empty: is an empty folder, not a folder of checkpoints' scan empty --cases cases.jsonl -o x
expect 65 "'checkpoint-10' and 'step10' are both step 10" scan twice --cases cases.jsonl -o x
cp b/step5/* twice/checkpoint-10 && run scan twice --list
grep -Eq 'twice +step10 +the same weights as checkpoint-10' out || fail "a copy is no second checkpoint: $(cat out)"
expect 2 'shard 3/2: give I/N' scan a --cases cases.jsonl -o x --shard 3/2
expect 2 'no such probe or score' scan a --cases cases.jsonl -o x --probe retrieval_fnd
expect 2 'output|-o FOLDER is missing' scan a --cases cases.jsonl
expect 66 'empty: is an empty folder, not a scan folder' merge empty
printf '{"path": "step200", "step": 1}\n{"path": "step5", "step": 2, "tokens": 77, "label": "late"}\n' >b/order.jsonl
run scan b --manifest b/order.jsonl --list
grep -Eq 'b +2 +77 +late' out || fail "a manifest's order: $(cat out)"

# what is found and is no step of the run is listed with its reason, and counted
mkdir odd && cp -r b/step5 odd/checkpoint-5 && cp -r b/step10 odd/best && ln -s checkpoint-5 odd/last && mkdir odd/logs
run scan odd --list
grep -Eq 'odd +5 +-1 +checkpoint-5' out || fail "the order: $(cat out)"
grep -q 'Left out (3)' out && grep -Eq 'odd +best +no step in its name.*--manifest' out &&
    grep -Eq 'odd +last +the same weights as checkpoint-5' out ||
    fail "what was left out: $(cat out)"
run scan odd --list --json
grep -q '"n_left_out":[[:space:]]*3' out || fail "JSON does not count what was left out: $(cat out)"
run scan odd --cases cases.jsonl --probe previous_token -o oddly
grep -q 'odd: 2 left out of 3 (scan --list says why)' err || fail "a scan does not count what it leaves out: $(cat err)"
grep -q '"name":[[:space:]]*"best"' oddly/index/odd.json &&
    grep -q '"why":[[:space:]]*"the same weights as checkpoint-5"' oddly/index/odd.json ||
    fail "the index does not say what was left out: $(cat oddly/index/odd.json)"
run status oddly --json
grep -q '"left_out":[[:space:]]*2' out && grep -q '"no_checkpoint":[[:space:]]*1' out ||
    fail "status counts other names than the scan and merge: $(cat out)"
cp oddly/shards/odd/step000005.h5 whole.h5 && truncate -s 20000 oddly/shards/odd/step000005.h5
"$NEEDLESCOPE" status oddly >out 2>err
[ $? -eq 1 ] && grep -q '^waiting *1$' out && grep -q 'checkpoint-5.*its file of scores was cut' out ||
    fail "a shard that was cut is done: $(cat out)"
mv whole.h5 oddly/shards/odd/step000005.h5 && run status oddly
run merge oddly -o odd.h5
grep -q '^left out (status names them) *2$' out || fail "merge does not count what the scan left out: $(cat out)"
run merge oddly -o odd.h5 --json
cp out merged
run emergence odd.h5 --score previous_token --persist 1
grep -q '^left out (--json names them) *2$' out || fail "emergence does not count what the scan left out: $(cat out)"
run emergence odd.h5 --score previous_token --persist 1 --json
for said in merged out; do
    grep -q '"n_left_out":[[:space:]]*2' $said && grep -q '"name":[[:space:]]*"best"' $said &&
        grep -q '"why":[[:space:]]*"the same weights as checkpoint-5"' $said && ! grep -q logs $said ||
        fail "what was left out is not named: $(cat $said)"
done
rm odd.h5
# a name and a trainer_state.json that say two steps: the name's is taken, and it is said once, listed, and kept in the index
cp -r odd/checkpoint-5 odd/checkpoint-7 && echo '{"epoch": 1.0, "global_step": 4, "log_history": []}' >odd/checkpoint-7/trainer_state.json
cp odd/best/* odd/checkpoint-7
run scan odd --list
grep -Eq '^odd +checkpoint-7 +7 +4$' out || fail "a step of two is not listed: $(cat out)"
run scan odd --list --json
grep -Eq '"other_step":[[:space:]]*4' out || fail "a step of two is not in the JSON: $(cat out)"
run scan odd --cases cases.jsonl --probe previous_token -o two_steps
[ "$(grep -c 'odd: checkpoint-7 is taken as step 7, as it is called, and its trainer_state.json says 4' err)" -eq 1 ] &&
    grep -q '"trainer_state_step":[[:space:]]*4' two_steps/index/odd.json && [ -e two_steps/shards/odd/step000007.h5 ] ||
    fail "a step of two: $(cat err two_steps/index/odd.json)"
run scan odd --cases cases.jsonl --probe previous_token -o two_steps --shard 0/1
grep -q 'checkpoint-7 is taken as step 7' err || fail "a task that goes by the index does not say it: $(cat err)"
rm -r odd/checkpoint-7
run scan odd --list --json
no_line '"other_step"' out "a step of two where there is one"
run scan odd --write-manifest odd/m.jsonl
grep -q 'odd: 2 left out of 3' err || fail "writing a manifest does not count what it leaves out: $(cat err)"
[ "$(cat odd/m.jsonl)" = '{"path":"checkpoint-5","step":5,"label":"checkpoint-5"}' ] || fail "the manifest: $(cat odd/m.jsonl)"
echo '{"path":"best","step":6,"label":"best"}' >>odd/m.jsonl
run scan odd --manifest odd/m.jsonl --cases cases.jsonl --probe previous_token -o manifested --json
grep -q '"scored":[[:space:]]*2' out || fail "a manifest with one more: $(cat out)"
expect 2 'writes the checkpoints of one run, and there are 2' scan a b --write-manifest m.jsonl
expect 2 '--write-manifest writes the order' scan a --write-manifest m.jsonl --cases cases.jsonl
# what a scan would do: nothing is written, and what was done or does not open is counted
mkdir predicted && cp -r a/step5 predicted/step10 && cp -r a/step10 predicted/step20 && cp -r a/step200 predicted/step40
cp -r b/step5 predicted/step50 && cp -r b/step10 predicted/step60
printf 'not safetensors' >predicted/step60/model.safetensors
run scan predicted --list
grep -Eq 'predicted +20 +40 +1$' out || fail "a missing step is no gap: $(cat out)"
run scan a --list
no_line 'Missing between' out "gaps where there are none"
run scan predicted --cases cases.jsonl --probe retrieval_find --dry-run -o unwritten --json
[ ! -e unwritten ] || fail "--dry-run writes"
"$JSON_OK" needlescope.scan_prediction/1 hours <out >hours || fail "--dry-run --json: $(cat out)"
grep -q '"checkpoints":[[:space:]]*5' out && grep -q '"failing":[[:space:]]*1' out && grep -q '"present":[[:space:]]*0' out ||
    fail "--dry-run counts: $(cat out)"
grep -q '"why":[[:space:]]*"predicted step 60: .*safetensors' out || fail "--dry-run does not say why one would fail: $(cat out)"
awk '{exit !($1 > 0)}' hours || fail "--dry-run predicts no time: $(cat hours)"
bytes=$(grep '"bytes"' out | tr -dc 0-9)
[ "$bytes" = $((4 * ($(wc -c <a/step5/model.safetensors) - $(head -c 8 a/step5/model.safetensors | od -An -tu8) - 8))) ] ||
    fail "--dry-run: $bytes bytes of weights"
tflop=$(grep tflop out | tr -dc '0-9.e-')
run inspect a/step5 --cost --lengths 40,97 --json
awk -v all="$tflop" -v one="$(grep gflop out | tr -dc '0-9.\n' | awk '{sum += $1} END {print sum}')" -v n="$(wc -l <cases.jsonl)" \
    'BEGIN {a = all * 1000; b = one * 4 * n / 2; exit !(a > b && a < 1.2 * b)}' ||
    fail "--dry-run: $tflop TFLOP, where inspect --cost says $(cat out)"
run scan predicted --cases cases.jsonl --probe retrieval_find --dry-run --shard 1/2 --json
grep -q '"checkpoints":[[:space:]]*2' out || fail "--dry-run of a shard: $(cat out)"
# ... and what the scan then finds: a file that was touched or changed, another shape, what failed before, what is refused
counts_of() { sed -n "s/.*\"$1\":[[:space:]]*\([0-9]*\).*/\1/p" out; }
how='scan predicted --cases cases.jsonl --probe retrieval_find -o foretold --json'
for stage in new done changed shape; do
    case $stage in
    changed) touch predicted/step10/model.safetensors && cp b/step200/model.safetensors predicted/step20/model.safetensors ;;
    shape) run lab plant -o predicted/step70 --heads 4 --kv-heads 2 --retrieval 3.1 ;;
    esac
    # shellcheck disable=SC2086
    run $how --dry-run
    told="$(counts_of checkpoints) $(counts_of present) $(counts_of failing)"
    # shellcheck disable=SC2086
    "$NEEDLESCOPE" $how >out 2>err </dev/null
    found="$(counts_of checkpoints) $(counts_of present) $(counts_of failed)"
    [ "$told" = "$found" ] || fail "--dry-run, $stage: checkpoints, done and failing are $told, and of the scan $found"
done
[ "$found" = '6 4 2' ] || fail "what was foretold: $found"
expect 65 'was scored with other probes' scan predicted --cases cases.jsonl --probe previous_token -o foretold --dry-run
# files of weights in RUN/checkpoints are scored with the config beside the folder
mkdir -p filed/checkpoints && cp b/step5/config.json filed
cp b/step5/model.safetensors filed/checkpoints/step5.safetensors && cp b/step10/model.safetensors filed/checkpoints/step10.safetensors
run scan filed --cases cases.jsonl --probe previous_token -o filed.scan --json
grep -q '"scored":[[:space:]]*2' out || fail "files as checkpoints: $(cat out err)"
run scan b --cases cases.jsonl --probe previous_token -o folded.scan --steps 5,10
[ "$("$NEEDLESCOPE" verify --content filed.scan/shards/filed/step000010.h5 | grep case_previous_token)" = \
    "$("$NEEDLESCOPE" verify --content folded.scan/shards/b/step000010.h5 | grep case_previous_token)" ] ||
    fail "a file and its folder give other scores"
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
