#!/bin/sh
# cases.sh PROGRAM JSON_OK - kinds of repeats, null twins and chats on a planted model; and cases that are wrong, each with its reason.
seeds=$(realpath "$(dirname "$0")/../fuzz/corpus/gguf")
. "$(dirname "$0")/common.sh"

best() {   # best SCORE LAYER HEAD VALUE: the first line of a score in `out`
    grep -Eq "^$1 +1 +($2) +($3) +full +$4" out || fail "the best head by $1 is not $2.$3 with $4: $(grep "^$1 " out | head -1)"
}

run lab plant -o MODEL --retrieval 3.1,4.6

# kinds of repeats: attention at a fixed distance tells a repeat from its shuffled control, attention by token does not
run cases repeat --model MODEL --kind repeat,shuffled,previous,duplicate --length 101,201 --count 2 --bos 0 --first-id 3 -o all.jsonl
[ "$(wc -l <all.jsonl)" -eq 16 ] || fail "4 kinds x 2 lengths x 2 are not 16 cases"
echo '{"name": "diagonal", "rows": "span:second", "keys": "offset:-99", "stat": "mass"}' >diagonal.json
for kind in repeat shuffled previous duplicate; do
    run cases repeat --model MODEL --kind $kind --length 201 --count 3 --bos 0 --first-id 3 -o $kind.jsonl
    run score MODEL --cases $kind.jsonl
    best previous_token 0 0 1
    [ $kind = previous ] || best induction '3|4' '1|6' 1
done
run score MODEL --cases previous.jsonl
no_line '^induction' out "induction where no token repeats"
run score MODEL --cases repeat.jsonl --probe induction --probe-def diagonal.json
best diagonal '3|4' '1|6' '0\.[89]'
run score MODEL --cases shuffled.jsonl --probe induction --probe-def diagonal.json
best diagonal '[0-9]' '[0-9]' '0\.0'
expect 2 "there is no 'shufled' \(did you mean shuffled" cases repeat --vocab 99 --kind shufled -o no.jsonl
expect 2 'too short for kind duplicate' cases repeat --vocab 99 --kind duplicate --length 12 -o no.jsonl
expect 2 '300 distinct tokens' cases repeat --vocab 99 --kind previous --length 300 -o no.jsonl
[ ! -e no.jsonl ] || fail "a file of no cases"

# an id is there once in all the files of a call; a file is given once
cp repeat.jsonl copy.jsonl
head -n 1 repeat.jsonl >one.jsonl
run score MODEL --cases repeat.jsonl,shuffled.jsonl --probe induction
expect 65 'copy.jsonl: the id .repeat[^ ]*. is in repeat.jsonl too' score MODEL --cases repeat.jsonl,copy.jsonl --probe induction
expect 65 'one.jsonl: the id .* is in repeat.jsonl too' cases check repeat.jsonl shuffled.jsonl one.jsonl
expect 2 'repeat.jsonl is given twice' record MODEL --cases repeat.jsonl --cases repeat.jsonl -o twice.h5
expect 2 '- is given twice' score MODEL --cases - --cases - --probe induction
expect 2 'repeat.jsonl is given twice' cases check repeat.jsonl repeat.jsonl
expect 2 'repeat.jsonl and ./repeat.jsonl are the same' cases check repeat.jsonl ./repeat.jsonl
[ ! -e twice.h5 ] || fail "a recording of cases given twice"

# ids that the model does not have; cases that say which tokenizer made them, beside a model that has none
run cases needle --vocab 600 --lengths 64 --depths 0 --count 2 -o beyond.jsonl
run cases check beyond.jsonl
expect 65 "token [0-9]+ is beyond the model's vocabulary of 512, as are ids of [12] of 2 cases" cases check beyond.jsonl --model MODEL
sed "s/\"meta\": {/\"meta\": {\"tokenizer_sha256\": \"$(printf '%064d' 0)\", /" repeat.jsonl >told.jsonl
run cases check told.jsonl --model MODEL
grep -q 'cannot be checked: MODEL has no tokenizer' err || fail "no tokenizer to check with, and not a word: $(cat err)"
run cases check repeat.jsonl --model MODEL
grep -q 'cannot be checked' err && fail "cases that say nothing of a tokenizer: $(cat err)"

# null twins: the rows QUERY KEY ANS look at the needle in two of three; without twins, no qr
run cases needle --model MODEL --lengths 96 --count 4 --twins null -o null.jsonl
run score MODEL --cases null.jsonl --probe qr
best qr '3|4' '1|6' 0.66
run cases needle --model MODEL --lengths 64,96 --count 4 -o cases.jsonl
expect 2 'no null twin' score MODEL --cases cases.jsonl --probe qr

# spans, heads and definitions that are not there
for span in '[0, 9]' '[-1, 1]' '[0.5, 1]' '[1, 1]' '[2, 1]' '"all"'; do
    printf '{"id": "a", "tokens": [1, 2], "spans": {"needle": %s}}\n' "$span" >bad.jsonl
    expect 65 "bad.jsonl: line 1: .*span 'needle'" cases check bad.jsonl
    expect 65 "bad.jsonl: line 1: .*span 'needle'" score MODEL --cases bad.jsonl -o s.h5
done
definition() {   # definition CODE PATTERN JSON
    echo "$3" >own.json
    expect "$1" "$2" score MODEL --cases cases.jsonl --probe induction --probe-def own.json -o s.h5
}
definition 65 'own.json: "stat" cannot be .msas. \(did you mean mass' '{"name": "x", "rows": "first", "keys": "needle", "stat": "msas"}'
definition 65 'own.json: "rows" cannot be .frist. \(did you mean first' '{"name": "x", "rows": "frist", "keys": "needle", "stat": "mass"}'
definition 65 'own.json: unknown key "kyes" \(did you mean keys' '{"name": "x", "rows": "first", "kyes": "needle", "stat": "mass"}'
definition 65 'own.json: "keys": .3. is not a number' '{"name": "x", "rows": "first", "keys": "offset:3", "stat": "mass"}'
definition 2 'no nedle span \(did you mean needle' '{"name": "x", "rows": "first", "keys": "nedle", "stat": "mass"}'
definition 2 'no qestion span \(did you mean question' '{"name": "x", "rows": "span:qestion", "keys": "needle", "stat": "mass"}'
definition 2 'none of the listed rows' '{"name": "x", "rows": [5000, -5000], "keys": "needle", "stat": "mass"}'
definition 2 'none of the listed keys' '{"name": "x", "rows": "first", "keys": [5000], "stat": "mass"}'
definition 2 'x: no row of any case sees such "keys"' '{"name": "x", "rows": "first", "keys": "offset:-500", "stat": "mass"}'
definition 2 'x: no row of any case sees such "keys"' '{"name": "x", "rows": [5], "keys": [10], "stat": "mass"}'
definition 65 '"keys" names position 1 twice' '{"name": "x", "rows": "first", "keys": [1, 1], "stat": "mass"}'
expect 2 'olmo3-rope is of olmo3 models, and MODEL is of the family smollm3' score MODEL --cases cases.jsonl --olmo3-rope all-layers -o s.h5
run inspect MODEL --arch-out arch.json
expect 2 'olmo3-rope is of config.json, and arch.json is read' inspect MODEL --arch arch.json --olmo3-rope all-layers
expect 2 'head 9.0: the model has layers 0 to 5' ablate MODEL --cases cases.jsonl --heads 9.0 -o s.h5
expect 2 'head 2.8: layer 2 has heads 0 to 7' ablate MODEL --cases cases.jsonl --heads 2.8 -o s.h5
expect 2 "'2.-1': a head is LAYER.HEAD" ablate MODEL --cases cases.jsonl --heads 3.1,2.-1 -o s.h5
[ ! -e s.h5 ] || fail "a result of something that is not there"

# what of a definition some cases lack is counted, once for all the checkpoints of a scan
lacks() {   # lacks LINE JSON
    echo "$2" >own.json
    run score MODEL --cases cases.jsonl --probe induction --probe-def own.json
    grep -Fxq "$1" err || fail "$2: no line '$1' in: $(cat err)"
    [ "$(grep -c '^x: ' err)" -eq 1 ] || fail "$2: other lines: $(cat err)"
}
n=$(wc -l <cases.jsonl)
half=$(grep -c '"length": 64' cases.jsonl)
[ "$half" -gt 0 ] && [ "$half" -lt "$n" ] || fail "the cases have one length"
lacks "x: $half of $n cases lack a row of \"rows\": those that are there are judged" \
    '{"name": "x", "rows": [3, 80], "keys": [0], "stat": "mass"}'
lacks "x: $half of $n cases lack a row of \"rows\": those that are there are judged" \
    '{"name": "x", "rows": "last:80", "keys": [0], "stat": "mass"}'
lacks "x: $half of $n cases lack a key of \"keys\": those that are there count" \
    '{"name": "x", "rows": "answer", "keys": [0, 80], "stat": "mass"}'
lacks "x: $half of $n cases lack a row that sees such \"keys\"" '{"name": "x", "rows": "first", "keys": "offset:-80", "stat": "mass"}'
lacks "x: $n of $n cases lack a position of \"exclude\"" \
    '{"name": "x", "rows": "first", "keys": "needle", "stat": "mass", "exclude": [500]}'
lacks "x: $n of $n cases lack special tokens to \"exclude\": none are known without a tokenizer" \
    '{"name": "x", "rows": "first", "keys": "needle", "stat": "mass", "exclude": ["special"]}'
lacks 'x: no row of any case has such keys, so no head has a score' '{"name": "x", "rows": [1], "keys": "same_token", "stat": "mass"}'
run score MODEL --cases cases.jsonl --probe induction --probe-def own.json -q
[ ! -s err ] || fail "-q says: $(cat err)"
run lab plant -o RUN --series 3 --retrieval 3.1 --births 1 --every 1
echo '{"name": "x", "rows": [3, 80], "keys": [0], "stat": "mass"}' >own.json
run scan RUN --cases cases.jsonl --probe-def own.json -o scanned
[ "$(grep -c "cases lack a row" err)" -eq 1 ] || fail "a scan of three checkpoints says: $(cat err)"

# rows that no case has are an error, rows that some lack a note with their number
for rows in span:neelde 5000 -5000 5000,6000; do
    expect 2 'rows: no case has' record MODEL --cases cases.jsonl --at hook_embed --rows "$rows" -o rows.h5
    expect 2 'rows: no case has' record MODEL --cases cases.jsonl --at hook_embed --rows "$rows" --estimate
done
expect 2 "no case has a span 'neelde' .did you mean 'needle'" record MODEL --cases cases.jsonl --at hook_embed --rows span:neelde -o rows.h5
[ ! -e rows.h5 ] || fail "a recording without a row"
sed '1s/"needle":/"nadel":/' cases.jsonl >one_lacks.jsonl
run record MODEL --cases one_lacks.jsonl --at hook_embed --rows span:needle -o rows.h5
grep -q "^.*1 of $(wc -l <cases.jsonl) cases lack a row of --rows span:needle" err ||
    fail "a case without the span is not counted: $(cat err)"
run record MODEL --cases cases.jsonl --at hook_embed --rows 0,70 -o rows.h5
grep -q "cases lack a row of --rows 0,70" err || fail "positions that short cases lack: $(cat err)"

# cases that the named model cannot run are counted when they are made
run cases needle --model MODEL --lengths 64,5000 --depths .5 --count 2 -o far.jsonl
grep -q "^2 of 4 cases are longer, with the answer, than the model's 4096 positions$" err || fail "cases beyond the positions: $(cat err)"
run cases needle --model MODEL --vocab 600 --lengths 64 --depths 0 --count 2 -o far.jsonl
grep -q "beyond the model's vocabulary of 512, as are ids of [12] of 2 cases" err || fail "cases beyond the vocabulary: $(cat err)"
run cases needle --model MODEL --lengths 64 --depths .5 -o near.jsonl
[ "$(cat err)" = 'MODEL has no tokenizer: the cases are made of synthetic tokens' ] || fail "cases that fit: $(cat err)"
for how in '--model MODEL' '--vocab 512'; do
    expect 2 '--no-special is of prompts of text' cases needle $how --no-special --lengths 64 -o far.jsonl
done

# needles that do not fit, cases that the model cannot hold: dropped with the reason, the rest stays
run cases needle --model MODEL --lengths 12,64 --json -o some.jsonl
grep -q '"n_dropped":.*5' out && grep -q 'length 12 is shorter than the needle text' out ||
    fail "no reason for what was dropped: $(cat out)"
[ "$(wc -l <some.jsonl)" -eq 5 ] || fail "the cases that fit are not there"
# a haystack without a place of its own for each depth: what is dropped is counted by reason, each once
for json in '' --json; do
    run cases needle --vocab 512 --lengths 20,21,64 --count 3 $json -o room.jsonl
    [ "$(wc -l <room.jsonl)" -eq 21 ] || fail "2 depths of 21 and 5 of 64 tokens, thrice, are not $(wc -l <room.jsonl) cases"
    [ "$(cat out err | grep -c 'length 20 has no room for a haystack')" -eq 1 ] || fail "a reason is not said once: $(cat out err)"
    [ "$(cat out err | grep -c 'length 21 has no room for every depth (for 0.25: .*depth 0.s;')" -eq 1 ] ||
        fail "a depth without room: $(cat out err)"
    grep -q '24 cases were dropped, for 2 reasons' err || fail "no note of what was dropped: $(cat err)"
done
"$JSON_OK" needlescope.cases/1 dropped <out >/dev/null || fail "not JSON"
grep -q '"n_dropped":[[:space:]]*24' out && grep -q '"n":[[:space:]]*9' out && grep -q '"first_id":[[:space:]]*"needle-s0-21-0.25-0"' out ||
    fail "JSON of the dropped: $(cat out)"
run cases needle --vocab 512 --lengths 20,21,64 --count 3 -o room.jsonl
grep -Eq '^ +15  needle: length 20 .* needle-s0-20-0-0$' out || fail "the count of a reason: $(cat out)"
run cases needle --vocab 512 --lengths 64,6000 --depths 0 -o long.jsonl
run score MODEL --cases long.jsonl --probe retrieval_find
grep -Eq '1 +.*(positions|longer).*needle-s0-6000' out || fail "the case beyond the model's positions: $(cat out)"

# no case answered: the result says so, is written, and the exit code is 1
sed 's/"meta": {[^}]*}, //; s/"answer": \[[0-9]*, [0-9]*, [0-9]*\]/"answer": [3, 4, 5]/; s/"needle_answer": \[[0-9]*, [0-9]*\], //' \
    cases.jsonl >wrong.jsonl
"$NEEDLESCOPE" score MODEL --cases wrong.jsonl --probe needle_mass -o wrong.h5 >out 2>err
code=$?
[ $code -eq 1 ] && [ -s wrong.h5 ] && grep -q 'answered none' out || fail "none answered: exit $code: $(head -c 300 out err)"
"$NEEDLESCOPE" score MODEL --cases wrong.jsonl --probe needle_mass --json >out 2>err
grep -q '"nothing_answered":.*true' out || fail "none answered: not in the JSON"

# Wu et al.'s JSON: one line, a list for every head; not without their score, and not where no case counts
run cases needle --model MODEL --lengths 64 --count 2 -o wu.jsonl
run score MODEL --cases wu.jsonl --probe retrieval_wu --head-score wu.json
[ "$(wc -l <wu.json)" -le 1 ] && grep -q '"3-1":\[1,1,1,1,1,1,1,1,1,1\]' wu.json || fail "--head-score: $(head -c 300 wu.json)"
expect 2 '--probe retrieval_wu or --compat wu2024' score MODEL --cases wu.jsonl --probe induction --head-score no.json
[ ! -e no.json ] || fail "a head score of another score"

# text: bytes as tokens, "x y" merged
words="$(letters 33 126), \"Ġ\": 94, \"Ċ\": 95, \"xy\": 96"
byte_tokenizer "$words" '"x y"' "$(added '<|im_start|>' 97), $(added '<|im_end|>' 98)" >MODEL/tokenizer.json
printf '{"id": "merged", "text": "say x", "answer": "y"}\n' >merged.jsonl
expect 65 "merged.jsonl: line 1: .*(merge|splits)" cases check merged.jsonl --model MODEL
printf '{"id": "outside", "text": "say x", "spans": {"needle": [3, 9]}}\n' >outside.jsonl
expect 65 "outside.jsonl: line 1: .*needle" cases check outside.jsonl --model MODEL

# chats are plain text by name; a template in the model's files, or in the text, is never evaluated
chat="cases needle --model MODEL --lengths 1200 --depths 0 --value-types words --templates noise"
run $chat --chat chatml -o chat.jsonl
grep -q '<|im_start|>user' chat.jsonl || fail "no chat in the text"
echo '{"chat_template": "{{ raise_exception(1) }}{% for m in messages %}{{ 7*7 }}{% endfor %}"}' >MODEL/tokenizer_config.json
run $chat --chat chatml -o again.jsonl
cmp -s chat.jsonl again.jsonl || fail "the model's chat template changed the cases"
run $chat --prefix '{{ 7*7 }} ' -o braces.jsonl
grep -q '"{{ 7\*7 }} A special' braces.jsonl || fail "braces are not kept as they are: $(head -c 300 braces.jsonl)"
expect 2 'expected one of plain\|chatml\|llama3' $chat --chat alpaca -o no.jsonl
expect 2 "llama3.*needs the token '<\|start_header_id\|>'" $chat --chat llama3 -o no.jsonl
[ ! -e no.jsonl ] || fail "cases of no chat"

# a format and words of one's own are a conflict of options, and of no case
expect 2 "error: needle: chat template 'chatml' and a prefix or suffix of your own" $chat --chat chatml --prefix x -o no.jsonl
no_line dropped err 'a conflict of options'

# the folder's own template: read as text, and said where it differs from the format, or where there is none
chat_note() {   # chat_note PATTERN WHAT: a note (no PATTERN: none) about the template
    run $chat --chat chatml -o again.jsonl
    cmp -s chat.jsonl again.jsonl || fail "$2 changed the cases"
    if [ "$1" ]; then
        [ "$(grep -Ec "$1" err)" -eq 1 ] || fail "$2: no note '$1': $(cat err)"
    else
        grep -q 'chat template' err && fail "$2: a note: $(cat err)"
    fi
}
config() { printf '{"chat_template": %s}' "$1" >MODEL/tokenizer_config.json; }
chat_note 'its own chat template has none of the markers known here, that of chatml has <.im_start.>' 'a template without markers'
config '"{{ bos_token }}[INST] {{ messages[0].content }} [/INST]"'
chat_note 'its own chat template has \[INST\], that of chatml' 'a template of another format'
config '"<|im_start|>user or <start_of_turn>user"'
chat_note 'has <.im_start.>, <start_of_turn>, that of chatml' 'a template of two formats'
same="<|im_start|>{{ role + '\\\\n' }}{{ text }}<|im_end|>{{ '\\\\n<|im_start|>assistant\\\\n' }}"
config "[{\"name\": \"tools\", \"template\": \"[INST]\"}, {\"name\": \"default\", \"template\": \"$same\"}]"
chat_note '' 'a default template of the same format'
config "\"$same\""
chat_note '' 'a template of the same format'
jinja() { printf '%s' "$1" >MODEL/chat_template.jinja; }
turns="{% for m in messages %}{{'<|im_start|>' + m['role'] + '
' + m['content'] + '<|im_end|>' + '
'}}{% endfor %}"
ask="{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"
jinja "$turns$ask"
chat_note '' 'the same format in a file'
jinja "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are an owl<|im_end|>
' }}{% endif %}$turns$ask"
chat_note "own chat template has a system turn of its own \('You are an owl'\), that of chatml has none \(read" 'a default system turn'
jinja "{{- '<|im_start|>system\nYou are an owl.<|im_end|>\n' }}$turns$ask"
chat_note "has a system turn of its own \('You are an owl.'\)" 'one with escapes'
jinja "{%- set system_message = \"You are an owl's child\" %}{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}$turns$ask"
chat_note "has a system turn of its own \('You are an owl's child'\)" 'one from a variable'
jinja "{# <|im_start|>system
You are #}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}$turns$ask"
chat_note '' 'a system turn that is asked for'
jinja "$turns"
chat_note "does not have the generation prompt of chatml \('<.im_start.>assistant' and line feeds: 1\)" 'no generation prompt'
jinja "$turns{{ '<|im_start|>assistant\n<think>\n' }}"
chat_note "goes on behind the generation prompt with '<think>'" 'a longer generation prompt'
jinja "<|im_start|>system
Hoot<|end|>$ask"
chat_note "own \('Hoot'\), that of chatml has none; does not end turns with <.im_end.> \(read" 'two differences'
jinja '<|im_start|>{{ "{% set'
chat_note "does not have the generation prompt" 'a template cut short'
rm MODEL/chat_template.jinja
run $chat -o again.jsonl
grep -q 'chat template' err && fail "a note without --chat: $(cat err)"
echo '{{ raise_exception(1) }}<|user|>' >MODEL/chat_template.jinja
chat_note 'has <.user.>, that of chatml' 'chat_template.jinja before the configuration'
rm MODEL/chat_template.jinja MODEL/tokenizer_config.json
chat_note 'no chat template beside it' 'no template'
expect 2 'own chat template has none of the markers known here' cases needle --tokenizer "$seeds/template" --chat chatml --lengths 128 \
    -o no.jsonl

# one BOS, where the format begins with the token that the tokenizer puts in front too, and where it does not
for pair in chatml:im_start llama3:begin_of_text llama3:start_header_id chatml:begin_of_text; do
    bos="<|${pair#*:}|>" list='' id=97
    for token in im_start im_end begin_of_text start_header_id end_header_id eot_id; do
        list="$list${list:+, }$(added "<|$token|>" $id)"
        [ "$token" != "${pair#*:}" ] || first=$id
        id=$((id + 1))
    done
    mkdir -p BOS
    byte_tokenizer "$words" '"x y"' "$list" "$(bos_first "$bos" "$first")" >BOS/tokenizer.json
    run cases needle --tokenizer BOS --lengths 1200 --depths 0 --value-types words --templates noise --twins swap --chat "${pair%:*}" \
        -o bos.jsonl
    [ "$(grep -Ec "\"tokens\": ?\[$first, ?" bos.jsonl)" -eq 2 ] || fail "$pair: no BOS: $(head -c 200 bos.jsonl)"
    no_line "\"tokens\": ?\[$first, ?$first," bos.jsonl "$pair: two BOS"
    run cases needle --tokenizer BOS --lengths 1200 --depths 0 --value-types words --templates noise --prefix "${bos}x" -o bos.jsonl
    no_line "\"tokens\": ?\[$first, ?$first," bos.jsonl "$pair: two BOS with --prefix"
done
finish
