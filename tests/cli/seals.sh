#!/bin/sh
# seals.sh PROGRAM JSON_OK - what h5repack and h5py leave: a file of ours without its seal is read, and every command that reads one
# says so, once; of files with their seal nothing is said.
. "$(dirname "$0")/common.sh"

run lab plant -o model
run cases needle --model model --lengths 48 --depths .2,.8 --count 4 -o cases.jsonl
run cases needle --model model --lengths 60 --depths .2,.8 --count 2 --twins swap -o twins.jsonl
run score model --cases cases.jsonl --probe retrieval_find,retrieval_mass -o scores.h5
run record model --cases cases.jsonl --maps dense -o recording.h5
run ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 0 -o ablation.h5
mkdir run && cp -r model run/step10 && cp -r model run/step20 && cp -r model run/step30
run scan run --cases cases.jsonl --probe retrieval_find -o scan
run merge scan -o study.h5
no_line 'no seal' out 'merge of sealed shards speaks of seals'

# unsealed FILE TO: the same bytes but for the last line
unsealed() {
    tail -c 28 "$1" | tr -d '\n' | grep -Eq '^needlescope crc32 [0-9a-f]{8}$' || fail "$1 has no seal to take off"
    head -c -28 "$1" >"$2"
}
mkdir bare
for file in scores.h5 recording.h5 ablation.h5 study.h5; do unsealed $file bare/$file; done

# noted FILE ARGS...: with the file and without its seal; FILE in ARGS is the place where it stands
noted() {
    file=$1
    shift
    run "$@"
    ! grep -q 'no seal' err || fail "$*: a note of a seal that is there: $(cat err)"
    cp "$file" whole.h5
    cp "bare/$file" "$file"
    run "$@"
    [ "$(grep -c "$file has no seal" err)" -eq 1 ] || fail "$*: not one note of $file: $(cat err)"
    run "$@" --quiet
    [ ! -s err ] || fail "$*: --quiet says $(cat err)"
    mv whole.h5 "$file"
}
noted study.h5 export csv study.h5 -o rows.csv
noted study.h5 export latex study.h5 -o rows.tex
noted study.h5 export notebook study.h5 -o study.ipynb --no-births
noted study.h5 emergence study.h5 --persist 1
noted study.h5 figure curves study.h5 -o curves.svg
noted study.h5 figure strip study.h5 -o strip.svg
noted scores.h5 export csv scores.h5 -o rows.csv
noted scores.h5 figure heads scores.h5 -o heads.svg
noted scores.h5 figure rank scores.h5 -o rank.svg
noted scores.h5 figure agreement scores.h5 -o agreement.svg
noted scores.h5 figure grid scores.h5 -o grid.svg
noted scores.h5 verify scores.h5
noted scores.h5 ablate model --cases cases.jsonl --scores scores.h5 --draws 1 --loss-cases 0
noted scores.h5 patch model --cases twins.jsonl --scores scores.h5 --draws 1
noted recording.h5 figure map recording.h5 --layer 3 --head 1 -o map.svg
noted ablation.h5 figure ablation ablation.h5 -o ablation.svg
cp scores.h5 other.h5
unsealed other.h5 bare/other.h5
run verify bare/scores.h5 bare/other.h5 study.h5
grep -q '2 files have no seal, .*(bare/scores.h5, bare/other.h5)' err || fail "two without a seal: $(cat err)"

# and verify says what its hash is not of; with a seal, it is all of the file
[ "$(grep -c 'other attributes, as the range and the chance of a score, are not in content_sha256' err)" -eq 1 ] ||
    fail "verify, no seal: $(cat err)"
run verify study.h5 other.h5
! grep -q 'not in content_sha256' err || fail "verify of sealed files: $(cat err)"

# what cannot be read has its error, and no note
head -c 4000 bare/study.h5 >bare/cut.h5
expect 65 'bare/cut.h5' export csv bare/cut.h5 -o rows.csv
no_line 'no seal' err 'an error and a note of a seal'

# shards are counted, and the study says how many there were
unsealed scan/shards/run/step000020.h5 bare/shard && cp bare/shard scan/shards/run/step000020.h5
run merge scan -o mixed.h5 --json
grep -q '"unsealed":[[:space:]]*1' out && grep -q '1 of the shards and metrics has no seal' err || fail "merge of one: $(cat out err)"
run verify mixed.h5

# a number that was changed is found by the hash of the content, also where no seal tells of it: 1 becomes .5
cp -r scan changed
head -c -28 scan/shards/run/step000030.h5 >changed/shards/run/step000030.h5
ones=$(LC_ALL=C grep -obUaP '\x00\x00\x80\x3f' changed/shards/run/step000030.h5 | cut -d: -f1)
[ -n "$ones" ] || fail "no number 1 in a shard of hits"
for at in $(echo "$ones" | tail -2); do
    head -c -28 scan/shards/run/step000030.h5 >changed/shards/run/step000030.h5
    printf '\000\000\000\077' | dd of=changed/shards/run/step000030.h5 bs=1 seek="$at" conv=notrunc 2>/dev/null
    expect 65 'step000030.h5: content_sha256 says' merge changed -o no.h5
done
[ ! -e no.h5 ] || fail "a study of a changed shard"

# a scan of what is there counts them as well
unsealed scan/shards/run/step000010.h5 bare/shard && cp bare/shard scan/shards/run/step000010.h5
run scan run --cases cases.jsonl --probe retrieval_find -o scan --json
grep -q '"present":[[:space:]]*3' out && grep -q '"unsealed":[[:space:]]*2' out &&
    grep -q '2 of the shards that were there have no seal' err ||
    fail "scan of three, two of them without a seal: $(cat out err)"
run scan run --cases cases.jsonl --probe retrieval_find -o whole
run scan run --cases cases.jsonl --probe retrieval_find -o whole
grep -q 'done before *3' out && ! grep -q 'seal' out err || fail "a scan of sealed shards speaks of seals: $(cat out err)"

# metrics that a run goes on with
model='"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "warmup": 4'
printf '{"name": "tiny", "checkpoint_every": 2, "validation_sequences": 8, "train": {%s, "steps": 2}}\n' "$model" >config.json
run train config.json -o trained
unsealed trained/metrics.h5 bare/metrics.h5 && cp bare/metrics.h5 trained/metrics.h5
run train config.json -o trained --resume --steps 4
grep -q 'trained/metrics.h5 has no seal' err || fail "train --resume: $(cat err)"
run train config.json -o trained --resume --steps 6
no_line 'no seal' out 'metrics that were written again have no seal'
! grep -q 'no seal' err || fail "metrics that were written again: $(cat err)"

# metrics of another kind in a scan's folder, and in a run's
cp scores.h5 scan/shards/run/metrics.h5
expect 65 'metrics.h5: is a score file, not training metrics' merge scan -o mixed.h5
head -c 1000 scores.h5 >scan/shards/run/metrics.h5
expect 65 "metrics.h5: not a whole HDF5 file .scan copied the metrics.h5 of the run's folder: mend it there" merge scan -o cut.h5
cp scores.h5 trained/metrics.h5
expect 65 'metrics.h5: is a score file, not training metrics' train config.json -o trained --resume --steps 8
finish
