#!/bin/sh
# interventions.sh PROGRAM - ablate, patch and record: options that could change nothing are refused by name; scores of other weights are
# said, of another shape refused.
here=$(realpath "$(dirname "$0")")
. "$(dirname "$0")/common.sh"

run lab plant -o MODEL --retrieval 3.1,4.6
run lab plant -o OTHER --retrieval 2.2
run lab plant -o SMALL --layers 4 --retrieval 2.2
run cases needle --model MODEL --lengths 48 --depths 0,1 --count 1 --twins swap -o cases.jsonl
run score MODEL --cases cases.jsonl --probe retrieval_find --resamples 0 -o scores.h5

# refused PATTERN ARGUMENT...: a usage error that says it; no file is written.
refused() {
    pattern=$1
    shift
    "$NEEDLESCOPE" "$@" --cases cases.jsonl -o refused.h5 >out 2>err
    got=$?
    [ $got -eq 2 ] || fail "$*: exit $got in place of 2: $(cat err)"
    grep -q -e "$pattern" err || fail "$*: '$pattern' is not in: $(cat err)"
    [ ! -e refused.h5 ] || fail "$*: refused, and a file"
}
for command in ablate patch; do
    refused '--heads, --scores or --kind' $command MODEL --heads 3.1 --scores scores.h5
    refused '--by .*--scores' $command MODEL --heads 3.1 --by retrieval_find
    refused '--top .*--scores' $command MODEL --heads 3.1 --top 2
    refused 'layers and' $command SMALL --scores scores.h5
    refused 'retrieval_find' $command MODEL --scores scores.h5 --by find_hits
done
# a selection that nobody made names its option; one that somebody made does not
run score MODEL --cases cases.jsonl --probe needle_mass --resamples 0 -o mass.h5
refused "no score 'retrieval_find'.*; choose with --by" ablate MODEL --scores mass.h5
expect 2 "no score 'retrieval_copy'[^;]*; it has [^;]*$" ablate MODEL --scores mass.h5 --by retrieval_copy --cases cases.jsonl
run score MODEL --cases cases.jsonl --probe needle_mass --resamples 10 -o mass.h5
expect 2 '1 score; agreement is drawn of 2 to 64; choose with --score' figure agreement mass.h5 -o refused.png
run record MODEL --cases cases.jsonl --maps stats -o stats.h5
expect 2 'holds no map: .*; choose with --case' figure map stats.h5 --layer 0 --head 0 -o refused.png
run cases repeat --vocab 500 --length 32 -o repeat.jsonl
expect 2 'no case has an answer, .*choose with --probe' scan MODEL --cases repeat.jsonl -o scanned
refused '--heads L.H' ablate MODEL
refused '--by .*--scores' ablate MODEL --by retrieval_find
refused '--mode knockout .*--scope prefill' ablate MODEL --heads 3.1 --mode knockout --scope prefill
refused '--mode knockout .*--scope prefill' ablate MODEL --heads 3.1 --mode zero_z,knockout --scope prefill
refused '--loss-cases .*--mode knockout' ablate MODEL --heads 3.1 --mode knockout --loss-cases 2
refused '--no-map' patch MODEL --no-map
refused '--list .*--no-map' patch MODEL --heads 3.1 --no-map --list 3
refused '--draws .*--heads' patch MODEL --draws 3
refused '--rows is of' record MODEL --maps dense --rows last:2
refused '--rows is of' record MODEL --maps pooled --rows answer
refused '--rows is of' record MODEL --maps stats --rows answer
refused '--top-k is of' record MODEL --maps dense --top-k 8
refused '--top-k is of' record MODEL --at hook_logits --top-k 8
refused '--pool-block is of' record MODEL --pool-block 8
refused '--maps is of' record MODEL --at 'blocks.*.hook_resid_post' --maps dense
refused '--dtype is of' record MODEL --maps stats --dtype f32

# What applies is taken: rows of activations beside dense maps; modes by default in the scope that has them.
run record MODEL --cases cases.jsonl --at 'blocks.*.attn.hook_pattern,hook_logits' --maps dense --rows answer --dtype f32 -o record.h5
run ablate MODEL --cases cases.jsonl --heads 3.1 --scope prefill --draws 2 --loss-cases 0 --json -o prefill.h5
grep -q 'alike by their norms in the rows that say the answer' err || fail "prefill: whose norms the controls match is not said: $(cat err)"
grep -q 'knockout is left out' err || fail "a mode was left out without a word: $(cat err)"
no_line '"knockout"' out "knockout in a scope without its rows"

# Scores of these weights, of others, of nobody knows which: said, in the answer and in the file.
said() {   # said WORDS FILE: what the last run says
    grep -q "\"scores_are_of\":[[:space:]]*\"$1\"" out || fail "scores are not said to be of $1: $(cat out)"
    "$NEEDLESCOPE" verify --content "$2" | grep -q 'scores_are_of' || fail "$2 does not say whose scores chose its heads"
}
run inspect MODEL --arch-out arch.json
sed 's/"window":[[:space:]]*0/"window": 4000/' arch.json >narrow.json
run score MODEL --arch narrow.json --cases cases.jsonl --probe retrieval_find --resamples 0 -o narrow_scores.h5
for command in ablate patch; do
    run $command MODEL --cases cases.jsonl --scores scores.h5 --top 1 --draws 2 --json -o same_$command.h5
    said "this model's weights" same_$command.h5
    grep -q 'other weights' err && fail "the same weights are called others"
    run $command OTHER --cases cases.jsonl --scores scores.h5 --top 1 --draws 2 --json -o other_$command.h5
    said 'other weights' other_$command.h5
    grep -q 'scores of other weights' err || fail "no note of scores of other weights: $(cat err)"
    run $command MODEL --arch narrow.json --cases cases.jsonl --scores scores.h5 --top 1 --draws 2 --json -o narrow_$command.h5
    said "this model's weights under another architecture" narrow_$command.h5
    grep -q 'scores of this model.s weights under another architecture' err || fail "no note of scores by another --arch: $(cat err)"
    run $command MODEL --arch narrow.json --cases cases.jsonl --scores narrow_scores.h5 --top 1 --draws 2 --json -o narrow_$command.h5
    said "this model's weights" narrow_$command.h5
    run $command MODEL --no-hash --cases cases.jsonl --scores scores.h5 --top 1 --draws 2 --json -o unknown_$command.h5
    said 'unknown weights' unknown_$command.h5
    grep -q 'it is not known' err || fail "no note of weights that were not hashed: $(cat err)"
    run $command MODEL --cases cases.jsonl --heads 3.1 --draws 2 --json -o named_$command.h5
    no_line 'scores_are_of' out "heads that were named have scores"
done

# "Matched" is said where it is true, in the answer and in the figure.
run lab plant -o LIKE --retrieval 3.1,3.2,3.3,3.4,3.5,3.6
run ablate LIKE --cases cases.jsonl --heads 3.1 --mode zero_z --draws 3 --loss-cases 0 -o like.h5
grep -q 'Controls: matched within a factor 1.25' out || fail "heads of like norm in the layer, and the controls are not matched: $(cat out)"
run figure ablation like.h5 -o like.svg
grep -q 'beside matched heads' like.svg || fail "the figure does not say matched"
run ablate MODEL --cases cases.jsonl --heads 3.1,4.6 --mode zero_z --draws 3 --loss-cases 0 -o unlike.h5
grep -q 'no head of like norm exists' out || fail "nothing says that no head is alike: $(cat out)"
no_line 'matched' out "controls without their like are called matched"
run figure ablation unlike.h5 like.h5 -o unlike.svg
no_line 'matched' unlike.svg "the figure calls them matched"

# The needle's terms are left out of a recurrence's rows, and their weight is measured; rows that are no distribution cannot be uniform.
"$NEEDLESCOPE" ablate "$here/../golden/fixtures/qwen3_next" --cases "$here/bits/shapes.jsonl" --heads 1.1,2.0 --mode knockout --draws 2 \
    -o delta.h5 >out 2>err
[ $? -le 1 ] || fail "a knockout of a recurrence's rows: $(cat err)"
grep -q "of the needle's weight is hidden" out || fail "nothing says how much the control hid: $(cat out)"
"$NEEDLESCOPE" ablate "$here/../golden/fixtures/qwen3_next" --cases "$here/bits/shapes.jsonl" --heads 1.1 --mode uniform_attn \
    -o no.h5 >out 2>err
[ $? -eq 2 ] || fail "uniform rows of a recurrence: exit $? in place of 2"
grep -q 'uniform_attn is not defined' err || fail "nothing says that a recurrence's rows are no distribution: $(cat err)"
finish
