#!/bin/sh
# inputs.sh PROGRAM JSON_OK - verify --inputs: what a file was made from is the same, changed, gone or cannot be read, and each is said by
# its name; a copy of the same bytes, and a touch, are the same.
. "$(dirname "$0")/common.sh"

run lab plant -o model
run cases needle --model model --lengths 48 --count 2 -o cases.jsonl
byte_tokenizer "$(letters 33 126), \"Ġ\": 94, \"Ċ\": 95" >model/tokenizer.json
run score model --cases cases.jsonl --probe retrieval_find -o scores.h5
run record model --cases cases.jsonl --maps stats -o recording.h5
run ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 0 -o ablation.h5
mkdir run && cp -r model run/step10 && cp -r model run/step20
run scan run --cases cases.jsonl --probe retrieval_find,entropy_norm,distance -o scan
run merge scan -o study.h5
run trace study.h5 -o trace.h5

# state FILE WHAT: what verify says of that input; the exit code is in $code
state() {
    "$NEEDLESCOPE" verify --inputs "$1" >out 2>err </dev/null
    code=$?
    awk -v what="$2" '$1 == what {print $2}' out
}
# is FILE WHAT STATE CODE
is() {
    got=$(state "$1" "$2")
    "$NEEDLESCOPE" verify --inputs "$1" >out 2>err </dev/null
    code=$?
    [ "$got" = "$3" ] || fail "$1: its $2 are '$got', not $3: $(cat out err)"
    [ "$code" = "$4" ] || fail "$1: exit $code, not $4: $(cat err)"
}

# ---- the same ----
for file in scores.h5 recording.h5 ablation.h5; do
    for what in weights config tokenizer cases; do is $file $what same 0; done
done
is study.h5 shards same 0
is trace.h5 file same 0
touch model/model.safetensors cases.jsonl
cp model/config.json copy && mv copy model/config.json
is scores.h5 weights same 0
is scores.h5 config same 0
run verify --inputs scores.h5 --json
"$JSON_OK" needlescope.inputs/1 inputs <out >found || fail "verify --inputs prints no JSON"

# ---- a byte of the weights ----
cp model/model.safetensors whole
size=$(wc -c <whole)
{ head -c $((size - 1)) whole; printf '\001'; } >model/model.safetensors
is scores.h5 weights changed 65
is scores.h5 config same 65
grep -q 'of its inputs 1 changed, 0 cannot be read, 0 are gone, 3 are the same' err || fail "what changed is not counted: $(cat err)"
head -c 1000 whole >model/model.safetensors
is scores.h5 weights unread 74
cp whole model/model.safetensors
is scores.h5 weights same 0

# ---- one thing at a time ----
mv cases.jsonl away
is scores.h5 cases gone 66
head -n 1 away >cases.jsonl
is ablation.h5 cases changed 65
mv away cases.jsonl
sed 's/"rms_norm_eps"/ "rms_norm_eps"/' model/config.json >other && mv model/config.json kept && mv other model/config.json
is scores.h5 config changed 65
mv kept model/config.json
mv model/tokenizer.json away
is recording.h5 tokenizer gone 66
mv away model/tokenizer.json
is recording.h5 tokenizer same 0

# ---- shards and files ----
shard=$(find scan/shards -name '*20.h5')
mv "$shard" away
is study.h5 shards changed 65
grep -q "shard *gone .*20.h5" out && [ "$(grep -c '^shard ' out)" = 1 ] || fail "which shard is gone is not said: $(cat out)"
cp scan/shards/*/*10.h5 "$shard"
"$NEEDLESCOPE" verify --inputs study.h5 >out 2>err
grep -Eq 'shard +(changed|unread) .*20.h5' out || fail "which shard is another is not said: $(cat out err)"
mv away "$shard"
cp -r scan before && cp -r model run/step30
run scan run --cases cases.jsonl --probe retrieval_find,entropy_norm,distance -o scan
"$NEEDLESCOPE" verify --inputs study.h5 >out 2>err
grep -q 'shard *new .*step000030.h5' out || fail "a shard that came is not said: $(cat out err)"
rm -r scan run/step30 && mv before scan
is study.h5 shards same 0
mv scan away
is study.h5 shards gone 66
mv away scan
cp study.h5 kept
cp scores.h5 study.h5
is trace.h5 file changed 65
mv kept study.h5

# ---- what names none ----
run figure heads scores.h5 -o heads.svg
expect 2 'names no inputs' verify --inputs heads.svg
expect 2 'one of them' verify --inputs --facts scores.h5
expect 2 'inputs is of one file' verify --inputs scores.h5 study.h5
finish
