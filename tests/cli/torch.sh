#!/bin/sh
# torch.sh PROGRAM JSON_OK CORPUS - a model out of what torch.save writes (tests/fuzz/make_torch.py makes it): zip and legacy give the same
# numbers, a warning says what was taken, and nothing that a pickle names is done.
. "$(dirname "$0")/common.sh"
corpus=$3
printf '{"id": "a", "tokens": [1, 5, 9, 3, 7, 2, 11, 6, 5], "spans": {"needle": [1, 4], "needle_answer": [2, 4]}, "answer": [9, 3]}\n' \
    >cases.jsonl
for form in zip legacy; do
    cp "$corpus/whole-$form" $form.pt
    "$NEEDLESCOPE" record $form.pt --cases cases.jsonl --at 'hook_logits,blocks.*.hook_resid_post' --dtype f32 -o $form.h5 >out 2>err ||
        fail "record $form.pt: $(head -c 300 err)"
    for said in "$form.pt: its model_args say what model it is" "the weights are its 'model'; left out: 'optimizer', 'iter_num'" \
        'is taken out of the names of 10 tensors'; do
        grep -q "warning: .*$said" err || fail "record $form.pt does not say: $said"
    done
    "$NEEDLESCOPE" verify --content $form.h5 | grep -E 'logits|resid' >$form.hashes
done
[ "$(wc -l <zip.hashes)" -ge 2 ] || fail "nothing was recorded: $(cat zip.hashes)"
cmp zip.hashes legacy.hashes || fail 'zip and legacy give other numbers'
cp "$corpus/run-system" run.pt
"$NEEDLESCOPE" inspect run.pt >out 2>err
[ $? -eq 65 ] && grep -q "run.pt: holds posix.system and no state dict; nothing that a pickle names is executed" err || fail "$(cat err)"
finish
