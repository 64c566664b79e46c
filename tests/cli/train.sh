#!/bin/sh
# train.sh PROGRAM JSON_OK - train end to end on a tiny model: files, resumed bits after a stop and after kill -9, and every refusal.
. "$(dirname "$0")/common.sh"

model='"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "warmup": 4'
config() {
    printf '{"name": "%s", "checkpoint_every": 5, "validation_sequences": 8, "coords": {"arm": "test"}, ' "$1"
    printf '%s "train": {%s, "steps": 20 %s}}\n' "${3:-}" "$model" "${2:-}"
}
same() {
    for f in "$1"/step*/model.safetensors "$1"/step*/config.json; do
        cmp -s "$f" "$2/${f#"$1"/}" || fail "$3: $f differs from that of $2"
    done
}

config tiny >tiny.json
run train tiny.json -o whole --seed 3 --json
"$JSON_OK" needlescope.train/1 tokens_per_second <out >/dev/null || fail "train --json: $(cat out)"
for step in 000000 000005 000010 000015 000020; do
    [ -s whole/step$step/model.safetensors ] || fail "no checkpoint step$step"
done
[ "$(find whole -name 'trainer.*' | sed 's|/trainer.*||' | sort -u)" = whole/step000020 ] || fail "states: $(find whole -name 'trainer.*')"
grep -q '"tokens_per_step":[[:space:]]*128' whole/run.json && grep -q '"seed":[[:space:]]*3' whole/run.json ||
    fail "run.json: $(cat whole/run.json)"
grep -q '"arm":[[:space:]]*"test"' whole/run.json || fail "run.json lacks the config's coords"
run inspect whole/step000020
# what the run says of itself is an ordinary model: cases of the language can be scored on it
run cases lab --length 32 --count 8 -o cases.jsonl
"$NEEDLESCOPE" score whole/step000020 --cases cases.jsonl --probe retrieval_find >out 2>err
got=$?      # 1: scored, but a model of 20 steps may answer none of them
[ $got -le 1 ] && grep -q 'retrieval_find' out || fail "score: exit $got: $(cat err)"

# stopped half way and resumed: the same bits, the same metrics
run train tiny.json -o parts --seed 3 --steps 10
run train tiny.json -o parts --seed 3 --resume
same whole parts "resumed"
cmp -s whole/metrics.h5 parts/metrics.h5 || {
    run verify whole/metrics.h5 --json; a=$(grep -o '"content_sha256":[^,}]*' out)
    run verify parts/metrics.h5 --json; b=$(grep -o '"content_sha256":[^,}]*' out)
    [ -n "$a" ] && [ "$a" = "$b" ] || fail "resumed: metrics differ: $a $b"
}
# done already: nothing is trained again
find parts -newer whole/run.json -type f | sort >before
run train tiny.json -o parts --seed 3 --resume
same whole parts "resumed when done"

# killed at any moment, as often as it takes
printf '{"checkpoint_every": 7, "train": {%s, "steps": 400}}\n' "$model" >long.json
run train long.json -o calm
for pause in 0.02 0.05 0.1 0.15; do
    "$NEEDLESCOPE" train long.json -o killed --resume >out 2>err &
    pid=$!
    sleep $pause
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
done
run train long.json -o killed --resume
same calm killed "killed and resumed"
[ -z "$(find killed -name '*tmp*')" ] || fail "killed and resumed leaves $(find killed -name '*tmp*')"

# the lock of one that was killed may be held a moment longer, by a child of it that looks at a file
mkdir held
flock held sleep 0.5 &
sleep 0.1
run train tiny.json -o held

# SIGTERM: 143, and goes on
"$NEEDLESCOPE" train long.json -o termed --steps 100000000 >out 2>err &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ ! -e termed/step000007 ] || break
    sleep 0.1
done
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] && grep -q 'resume goes on from termed/step' err || fail "SIGTERM: exit $code: $(cat err)"
[ -z "$(find termed -name '*tmp*')" ] || fail "SIGTERM leaves $(find termed -name '*tmp*')"

# two at once
"$NEEDLESCOPE" train long.json -o busy --steps 100000000 >out2 2>err2 &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ ! -e busy/step000007 ] || break
    sleep 0.1
done
"$NEEDLESCOPE" train long.json -o busy --steps 100000000 --resume >out 2>err
[ $? -eq 73 ] && grep -q 'another process' err || fail "two at once: $(cat err)"
kill -TERM $pid
wait $pid

# a parent that is missing is named as such, and what train made is scanned without a word of its own keys
expect 73 'nowhere/run: the folder cannot be made: the one it shall lie in is missing' train tiny.json -o nowhere/run
run scan whole --cases cases.jsonl --probe retrieval_find -o whole_scan
! grep -q 'is not looked at' err || fail "scan of a trained run: $(cat err)"

# a folder that holds a run; another config; another seed; a file in the way
expect 73 "whole holds the run 'tiny' already.*--resume" train tiny.json -o whole --seed 3
expect 2 'seed' train tiny.json -o whole --seed 4 --resume
config tiny ', "muon_lr": 0.5' >other.json
expect 2 'muon_lr' train other.json -o whole --seed 3 --resume
config renamed >renamed.json
expect 2 "run 'tiny' of another config" train renamed.json -o whole --seed 3 --resume
same whole parts "after refusals"
expect 73 'tiny.json' train tiny.json -o tiny.json

# a given model's positions are its own: more than letters have by default, and no more than it has
long='"model_type": "qwen3", "vocab_size": 56, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1'
printf '{%s, "head_dim": 8, "num_key_value_heads": 1, "max_position_embeddings": 300}\n' "$long" >long.config.json
given() {
    printf '{"name": "long", "model": "long.config.json", "validation_sequences": 2, '
    printf '"train": {"batch": 1, "length": %s, "steps": 1}}\n' "$1"
}
given 290 >long.json && run train long.json -o long
given 301 >longer.json && expect 2 'length 301 is longer than max_positions 300' train longer.json -o longer

# bad configs
bad() {
    printf '%s\n' "$3" >bad.json
    expect "$1" "$2" train bad.json -o bad
    [ ! -e bad ] || fail "$3: leaves a folder"
}
bad 2 'window is 0' '{"train": {"window": 0}}'
bad 2 'd_model 64 does not divide into 3 heads' '{"train": {"heads": 3}}'
bad 2 "unknown key 'widnow'" '{"train": {"widnow": 4}}'
bad 2 "unknown key 'pattern'.*train" '{"pattern": "SSFS"}'
bad 2 'checkpoint_every' '{"checkpoint_every": 0}'
bad 2 'vocabulary of 40 tokens, the laboratory' '{"train": {"vocab": 40}}'
bad 2 'window changes nothing: no layer of the pattern is S' '{"train": {"pattern": "FFF", "window": 8}}'
bad 2 "did you mean 'adamw'" '{"train": {"optimizer": "adam"}}'
bad 2 'corpus names no file' '{"corpus": {"width": 4}}'
bad 65 'coords' '{"coords": [1]}'
bad 65 "bad.json: 'model' is null" '{"model": null}'
bad 65 "bad.json: 'corpus' is null" '{"corpus": null}'
bad 65 "bad.json: 'window' is null" '{"train": {"window": null}}'
bad 2 "bad.json: 'model' is empty" '{"model": ""}'
bad 2 'bad.json: model is empty' '{"train": {"model": ""}}'
bad 2 "bad.json: 'model' is longer than a path" "{\"model\": \"$(printf '%5000s' '' | tr ' ' x)\"}"
bad 66 'bad.json|xxx' "{\"model\": \"$(printf '%300s' '' | tr ' ' x)\"}"
bad 2 'rms_eps is 9.99989e-321: so near to 0' '{"train": {"rms_eps": 1e-320}}'
bad 2 'init_in is 1e-40' '{"train": {"init_in": 1e-40}}'
bad 65 'bad.json' '{"train": '
bad 66 'none.u16' '{"corpus": {"file": "none.u16"}}'
expect 66 'none.json' train none.json -o bad
expect 2 'o RUN_DIR is missing' train tiny.json
# a model that is read, and cannot be trained
run inspect whole/step000020 --arch-out twice.json
sed -i 's/mlp.down_proj/self_attn.o_proj/' twice.json
bad 65 "twice.json: tensor '.*self_attn.o_proj.weight' is two parts of the model" '{"model": "twice.json", "train": {"length": 16}}'

# one's own tokens
awk 'BEGIN { for (i = 0; i < 6000; i++) printf "%c%c", 65 + i * i % 26, 0 }' >text.u16 2>/dev/null
bytes=$(wc -c <text.u16)
if [ "$bytes" -eq 12000 ]; then
    config text ', "vocab": 128' '"corpus": {"file": "text.u16", "width": 2},' >text.json
    run train text.json -o text
    [ -s text/step000020/model.safetensors ] || fail "no model of one's own tokens"
    head -c 300 text.u16 >short.u16
    config short ', "vocab": 128' '"corpus": {"file": "short.u16"},' >short.json
    expect 2 'short.u16: .*shorter than a (batch|sequence)' train short.json -o short
    config small ', "vocab": 60' '"corpus": {"file": "text.u16"},' >small.json
    expect 65 'text.u16: id [0-9]+ .*vocabulary has 60' train small.json -o small
    head -c 4001 text.u16 >odd.u16
    config odd ', "vocab": 128' '"corpus": {"file": "odd.u16"},' >odd.json
    expect 65 'odd.u16: 4001 bytes' train odd.json -o odd
    [ -z "$(ls -d short small odd 2>/dev/null)" ] || fail "a refused corpus leaves a folder"
fi

# a loss that is not finite: step and layer are named, the last good checkpoint stays
config wild ', "muon_lr": 1e9, "weight_decay": 1e9' | sed 's/, "warmup": 4//' >wild.json
"$NEEDLESCOPE" train wild.json -o wild >out 2>err
code=$?
[ $code -eq 65 ] && grep -Eq 'step [0-9]+.*last good checkpoint is wild/step' err || fail "wild: exit $code: $(cat err)"
last=$(sed -n 's/.*last good checkpoint is \(wild[^ ]*\).*/\1/p' err)
[ -n "$last" ] && "$NEEDLESCOPE" inspect "$last" >out 2>err || fail "wild: $last cannot be read: $(cat err)"

# a full disk: 74, what was written before can be gone on from
(ulimit -f 8; "$NEEDLESCOPE" train tiny.json -o full --seed 3 >out 2>err; echo $? >code)
[ "$(cat code)" -eq 74 ] || fail "disk full: exit $(cat code): $(cat err)"
[ -z "$(find full -name '*tmp*')" ] || fail "disk full: leaves $(find full -name '*tmp*')"
run train tiny.json -o full --seed 3 --resume
same whole full "after a full disk"
finish
