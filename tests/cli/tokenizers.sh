#!/bin/sh
# tokenizers.sh PROGRAM JSON_OK - cases that another tokenizer made are measured by no command.
. "$(dirname "$0")/common.sh"

tokenizer() {   # tokenizer FIRST: a letter each, with ids from FIRST on
    byte_tokenizer "$(letters 33 126 "$1"), \"Ġ\": $(($1 + 94)), \"Ċ\": $(($1 + 95))"
}
mkdir runs
for run in a b; do
    mkdir runs/$run
    for step in 1 2; do
        run lab plant -o runs/$run/step$step --retrieval 3.1 --vocab 200
    done
done
for step in 1 2; do
    tokenizer 0 >runs/a/step$step/tokenizer.json
    tokenizer 50 >runs/b/step$step/tokenizer.json
done
A=runs/a/step1 B=runs/b/step1
run cases needle --model $A --lengths 600 --depths 0.5 --value-types numbers --templates noise --twins swap -o told.jsonl
grep -q tokenizer_sha256 told.jsonl || fail "a case does not say which tokenizer made it"
sed 's/, "tokenizer_sha256": "[0-9a-f]*"//' told.jsonl >byhand.jsonl         # text and ids
no_line tokenizer_sha256 byhand.jsonl "the hash is still there"
sed 's/, "text": "[^"]*", "tokens"/, "tokens"/' told.jsonl >hash.jsonl           # hash and ids
no_line '"text"' hash.jsonl "the text is still there"

for cases in told byhand hash; do
    refusal="$cases.jsonl: case 'needle-[^']*': its ids are of another tokenizer.*--tokenizer"
    run cases check $cases.jsonl --model $A
    run record $A --cases $cases.jsonl --at hook_embed -o ok.h5
    expect 65 "$refusal" cases check $cases.jsonl --model $B
    expect 65 "$refusal" score $B --cases $cases.jsonl --probe needle_mass -o no.h5
    expect 65 "$refusal" record $B --cases $cases.jsonl --at hook_embed -o no.h5
    expect 65 "$refusal" ablate $B --cases $cases.jsonl --heads 3.1 -o no.h5
    expect 65 "$refusal" patch $B --cases $cases.jsonl --heads 3.1 -o no.h5
    expect 65 "$refusal" scan runs/b --cases $cases.jsonl -o no
    expect 65 "run 'b': case .*its ids are of another tokenizer" scan runs/a runs/b --cases $cases.jsonl -o no
    run record $B --cases $cases.jsonl --at hook_embed -o ok.h5 --tokenizer $A/tokenizer.json
done
[ ! -e no.h5 ] && [ ! -e no ] || fail "a result of cases of another tokenizer"

# two runs with a tokenizer each: text is read by each run's own, whichever is named first, special tokens too
echo '{"id": "t", "text": "one two one two one two one"}' >text.jsonl
numbers() {
    "$NEEDLESCOPE" verify --content "$1" | grep -E '^dataset /(case_previous_token|previous_token|previous_token_nosink|n_tokens) '
}
how='--cases text.jsonl --probe previous_token'
# shellcheck disable=SC2086  # a list of options
for order in 'runs/a runs/b' 'runs/b runs/a'; do
    rm -rf both
    run scan $order $how -o both
    grep -q "run '${order##*/}' has a tokenizer of its own, and the cases are read with it" err || fail "whose tokenizer: $(cat err)"
    for of in a b; do
        run score runs/$of/step2 $how --resamples 0 -o one.h5
        [ "$(numbers one.h5 | wc -l)" -ge 2 ] && [ "$(numbers one.h5)" = "$(numbers both/shards/$of/step000002.h5)" ] ||
            fail "$order: run $of is not read with its own tokenizer"
    done
    [ "$(numbers both/shards/a/step000002.h5)" != "$(numbers both/shards/b/step000002.h5)" ] || fail "the two read the same"
    run scan $order $how -o both --json
    grep -q '"present":[[:space:]]*4' out || fail "two tokenizers, again: $(cat out)"
    expect 65 "run 'b' has another tokenizer than 'a'.*a study is of one" merge both
done
# shellcheck disable=SC2086
cat text.jsonl | "$NEEDLESCOPE" scan runs/a runs/b --cases - --probe previous_token -o piped >out 2>err
[ $? -eq 65 ] && grep -q "run 'b': case 't': its ids are of another tokenizer" err || fail "a pipe cannot be read twice: $(cat err)"

# within a run the first checkpoint's reads the cases: one that makes other tokens of them fails, one that makes the same does not
mkdir runs/c
for step in 1 2 3 4; do cp -r runs/a/step1 runs/c/step$step; done
cp runs/b/step1/tokenizer.json runs/c/step2/tokenizer.json
sed 's/"version"/ &/' runs/a/step1/tokenizer.json >runs/c/step3/tokenizer.json
rm runs/c/step4/tokenizer.json
for cases in text told byhand hash; do
    "$NEEDLESCOPE" scan runs/c --cases $cases.jsonl --probe previous_token -o within.$cases >out 2>err </dev/null
    [ $? -eq 1 ] || fail "$cases, two tokenizers in a run: $(cat out err)"
    grep -q "c step 2 failed: its tokenizer is another than that of the run's 'step1': case .*--tokenizer" err || fail "whose: $(cat err)"
    scored=$(cd within.$cases/shards/c && echo *.h5)
    case $cases in
    hash) wanted='step000001.h5 step000004.h5' ;;                    # without its text a case knows the file alone
    *) wanted='step000001.h5 step000003.h5 step000004.h5' ;;
    esac
    [ "$scored" = "$wanted" ] || fail "$cases, two tokenizers in a run: $scored"
done
run scan runs/c --cases told.jsonl --probe previous_token --tokenizer $A -o within.one
[ "$(ls within.one/shards/c/*.h5 | wc -l)" -eq 4 ] || fail "one tokenizer is named for all: $(cat err)"
# one that cannot be read is said, whichever checkpoint has it: no failure, counted, and the shard knows
mkdir runs/d
for step in 1 2 3; do cp -r runs/a/step1 runs/d/step$step; done
strange() { sed 's/"type": "BPE"/"type": "Strange"/' runs/a/step1/tokenizer.json; }
strange >runs/d/step2/tokenizer.json
for how in '' '--jobs 2'; do
    rm -rf unread
    # shellcheck disable=SC2086  # options
    run scan runs/d --cases told.jsonl --probe previous_token $how -o unread --json
    grep -q '"unread":[[:space:]]*1' out && grep -q '"scored":[[:space:]]*3' out || fail "an unread tokenizer is not counted: $(cat out)"
    grep -q 'd step 2: whether the cases are of its tokenizer cannot be checked: .*step2/tokenizer.json.*Strange' err &&
        grep -q '1 of those scored now has a tokenizer that cannot be read' err || fail "an unread tokenizer is not said: $(cat err)"
done
run verify --facts unread/shards/d/step000002.h5
grep -q 'tokenizer_unread.*Strange' out || fail "the shard does not say that its tokenizer was not read: $(cat out)"
run verify --facts unread/shards/d/step000003.h5
no_line tokenizer_unread out "a tokenizer that was read is said not to be"
for how in first --again; do
    run status unread --json
    grep -q '"tokenizer_unread":[[:space:]]*1' out && grep -q 'cases are of its tokenizer cannot be checked: .*Strange' out ||
        fail "status does not count what was not read ($how): $(cat out)"
    rm unread/shards/d/*.seen                              # memories alone: the next scan finds it in the shard
    run scan runs/d --cases told.jsonl --probe previous_token -o unread
done
run merge unread --json
grep -q '"tokenizer_unread":[[:space:]]*1' out && grep -q '1 of the checkpoints had a tokenizer that could not be read' err ||
    fail "the merge does not count what was not read: $(cat out err)"
run scan runs/d --cases text.jsonl --probe previous_token --tokenizer $A -o unread.one --json
grep -q '"unread":[[:space:]]*0' out || fail "--tokenizer, and another counts: $(cat out)"
strange >runs/d/step1/tokenizer.json
run scan runs/d --cases told.jsonl --probe previous_token -o unread.first
grep -q 'whether the cases are of this model.s tokenizer cannot be checked: .*Strange' err || fail "the first is not said: $(cat err)"

# with a tokenizer there are no synthetic tokens; ids that it does not have are no text
for option in --vocab --first-id --answer-tokens; do
    expect 2 "$option is of synthetic tokens" cases needle --model $A $option 5 --lengths 600 --depths 0.5 -o no.jsonl
done
expect 2 '--tokenizer has no effect on --synthetic' cases needle --model $A --synthetic --tokenizer $B --lengths 64 -o no.jsonl
expect 2 '--decode 999999: the tokenizer has no such token' tokenize $A --decode 1,999999
expect 2 '--ids prints the ids of a text' tokenize $A --decode 1 --ids
expect 2 '--ids prints the ids alone; --json has them' tokenize $A a --ids --json
run tokenize $A --decode 1

# a tokenizer whose ids the model does not have is another model's
run lab plant -o small --retrieval 3.1 --vocab 120
tokenizer 0 >small/tokenizer.json
run cases needle --model small --lengths 600 --depths 0.5 --value-types numbers -o small.jsonl
no_line 'token ids up to' err "a tokenizer that fits: $(cat err)"
run cases needle --model small --tokenizer $B --lengths 600 --depths 0.5 --value-types numbers -o small.jsonl
grep -q 'has token ids up to 145, the model a vocabulary of 120' err || fail "a tokenizer beyond the vocabulary: $(cat err)"

# the file may differ while the ids do not; and cases of ids alone cannot say
tokenizer 0 | sed 's/"version"/ &/' >$A/tokenizer.json
run record $A --cases told.jsonl --at hook_embed -o ok.h5
cat >bos.jsonl <<'END'
{"id": "twice", "tokens": [0, 0, 5, 6, 7], "answer": [6], "spans": {"needle": [2, 4]}}
{"id": "once", "tokens": [0, 5, 6, 7, 5], "answer": [6], "spans": {"needle": [1, 3]}}
END
echo '{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "!"}' >$A/tokenizer_config.json
run score $A --cases bos.jsonl --probe needle_mass --tokenizer $A/tokenizer.json
grep -q '1 of 2 cases begin with two BOS (token 0)' err || fail "two BOS at the start, and not a word: $(cat err)"
rm $A/tokenizer_config.json
run cases needle --model $B --synthetic --lengths 64 --depths 0.5 -o ids.jsonl
run score $A --cases ids.jsonl --probe needle_mass
run scan runs/a runs/b --cases ids.jsonl --probe needle_mass -o ids
run merge ids --json
grep -q 'the checkpoints have [23] tokenizers, and the cases are the same token ids for all' err ||
    fail "two tokenizers, and not a word: $(cat err)"
grep -q '"tokenizers":[[:space:]]*[23]' out || fail "how many tokenizers: $(cat out)"
run scan runs/b --cases ids.jsonl --probe needle_mass -o one
run merge one
! grep -q 'tokenizers' err || fail "one tokenizer is told of: $(cat err)"
finish
