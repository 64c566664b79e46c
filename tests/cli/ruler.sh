#!/bin/sh
# ruler.sh PROGRAM JSON_OK - cases of RULER's tasks, and free generation behind them.
. "$(dirname "$0")/common.sh"

run lab plant -o m --layers 4 --heads 4 --kv-heads 2 --retrieval 2.3 --vocab 99 --seed 5
byte_tokenizer "$(letters 33 126), \"Ġ\": 94, \"Ċ\": 95" '' "$(added '<s>' 96)" >m/tokenizer.json
run cases ruler --model m --lengths 3000 --count 2 -o r.jsonl --json
"$JSON_OK" needlescope.cases/1 n_cases <out >/dev/null || fail "cases ruler --json: $(cat out)"
[ "$(grep -c . r.jsonl)" -ge 16 ] || fail "$(grep -c . r.jsonl) cases"
run cases ruler --model m --lengths 3000 --count 2 -o again.jsonl --task niah_multikey_2,vt
for task in niah_multikey_2 vt; do
    [ "$(grep "\"task\": *\"$task\"" r.jsonl)" = "$(grep "\"task\": *\"$task\"" again.jsonl)" ] || fail "$task depends on the other tasks"
done
run cases ruler --model m --lengths 3000 --seed 1 -o other.jsonl --task vt
[ "$(grep -c . other.jsonl)" = 1 ] && ! grep -qxF "$(cat other.jsonl)" again.jsonl || fail "--seed changes nothing"
run cases check r.jsonl --model m
# input and answer_prefix are one prompt, with what must be said beside it
grep '"task": *"niah_single_1"' r.jsonl | head -n 1 >one.jsonl
grep -q 'A special magic number is hidden' one.jsonl && grep -q 'mentioned in the provided text is"' one.jsonl &&
    grep -q '"max_new_tokens": *128' one.jsonl ||
    fail "niah_single_1: $(head -c 400 one.jsonl)"
# what is too short is dropped and counted; of all it is an error
run cases ruler --model m --lengths 400,3000 --task niah_single_1 -o r.jsonl
grep -q 'length 400 is too short for niah_single_1' out && [ "$(grep -c . r.jsonl)" = 1 ] || fail "a length that is too short: $(cat out)"
expect 2 'length 40 is too short for vt' cases ruler --model m --lengths 40 --task vt -o no.jsonl
expect 2 "there is no task 'niah_multikey' .did you mean niah_multikey_1" cases ruler --model m --task niah_multikey -o no.jsonl
# questions of a file of the user's; phone books and copies
cat >squad.json <<'END'
{"version": "v2.0", "data": [{"title": "A", "paragraphs": [
  {"context": "The mill stands by the river.", "qas": [{"question": "Where is the mill?", "id": "1", "is_impossible": false,
     "answers": [{"text": "by the river", "answer_start": 16}, {"text": "the river", "answer_start": 19}]},
     {"question": "Why?", "id": "2", "is_impossible": true, "answers": []}]},
  {"context": "A bridge crosses it.", "qas": []}]}, {"title": "B", "paragraphs": [{"context": "Far away it rains.", "qas": []}]}]}
END
run cases ruler --model m --task qa_1 --qa squad.json --lengths 600 --count 2 -o q.jsonl
[ "$(grep -c . q.jsonl)" = 1 ] && grep -q 'the file of questions has 1' out || fail "qa_1: $(cat out)"
grep -q 'Document 3:' q.jsonl && grep -q 'Question: Where is the mill? Answer:"' q.jsonl &&
    grep -q '"outputs": *\["by the river", *"the river"\]' q.jsonl ||
    fail "qa_1: $(cat q.jsonl)"
printf '[{"question": "Who?", "answer": "Ada", "context": [["T", ["Ada did.", " So it is."]], ["U", ["No one."]]]}]' >hotpot.json
run cases ruler --model m --task qa_2 --qa hotpot.json --lengths 600 -o q.jsonl
grep -q 'Ada did. So it is.' q.jsonl && grep -q '"units": *2' q.jsonl && grep -q '"outputs": *\["Ada"\]' q.jsonl ||
    fail "qa_2: $(cat q.jsonl)"
expect 2 'qa_1 asks about documents of a file of yours' cases ruler --model m --task qa_1 -o no.jsonl
printf '{"data": []}' >empty.json
expect 65 'empty.json: no question with an answer' cases ruler --model m --task qa_1 --qa empty.json -o no.jsonl
run cases ruler --model m --task phonebook,copy,copy_shuffled --lengths 2000 --count 3 -o p.jsonl
[ "$(grep -c . p.jsonl)" = 9 ] || fail "phonebook, copy: $(cat out)"
run cases check p.jsonl --model m --list
expect 65 'BABILong is no task of RULER' cases ruler --model m --task babilong -o no.jsonl
expect 2 '-o FILE is missing' cases ruler --model m
expect 2 "m: a revision was given .'late'" cases ruler --model m --revision late -o no.jsonl
expect 2 "m: a revision was given .'late'" tokenize m AB --revision late
expect 2 'but this is a file' tokenize m/tokenizer.json AB --revision late
expect 2 'give --model MODEL or --tokenizer' cases ruler -o no.jsonl
[ ! -e no.jsonl ] || fail "a refused call leaves a file"

# ---- multi-query recall: every key is asked for once, and its value stands behind it
run cases recall --vocab 64 --pairs 5 --length 40 --count 3 --bos 63 -o recall.jsonl
[ "$(grep -c . recall.jsonl)" = 15 ] || fail "recall: $(cat out)"
sed 's/.*"answer": *\[\([0-9]*\)\].*"tokens": *\[\([^]]*\)\].*/\2 | \1/' recall.jsonl | tr -d ',' | awk '
    { sub(/ \| /, " "); n = NF - 1; key = $n; answer = $NF; found = 0
      if ($1 != 63 || key >= 32 || answer < 32) bad++
      for (i = 2; i <= 11; i += 2) if ($i == key) { found++; if ($(i + 1) != answer) bad++ }
      if (found != 1) bad++ }
    END { exit bad > 0 || NR != 15 }' || fail "recall: a key is not asked for by its value: $(head -n 1 recall.jsonl)"
run cases check recall.jsonl
expect 2 '5 pairs and as many queries take 20 tokens; length 19 is shorter' cases recall --vocab 64 --pairs 5 --length 19 -o no.jsonl
expect 2 'fewer than 40 pairs' cases recall --vocab 64 --pairs 40 --length 400 -o no.jsonl
expect 2 'give --model MODEL or --vocab N' cases recall -o no.jsonl

# ---- generation: what is said is looked for, whatever its case
printf '{"id": "x", "text": "A B C D A B", "meta": {"task": "t", "outputs": ["%s", "nowhere"]}}\n' zzz >g.jsonl
run generate m --cases g.jsonl --tokens 6 --json
"$JSON_OK" needlescope.generate/1 cases <out >/dev/null || fail "generate --json: $(cat out)"
said=$(sed -n 's/.*"said":[[:space:]]*"\(.*\)".*/\1/p' out)
letter=$(printf %s "$said" | tr -dc 'A-Za-z' | cut -c1)
[ -n "$letter" ] || fail "nothing is said: $(cat out)"
other=$(printf %s "$letter" | tr 'A-Za-z' 'a-zA-Z')
sed "s/zzz/$other/" g.jsonl >h.jsonl
run generate m --cases h.jsonl --tokens 6 --json
grep -q '"string_match_all":[[:space:]]*50' out && grep -q '"string_match_part":[[:space:]]*100' out ||
    fail "half of the outputs: $(cat out)"
run generate m --cases g.jsonl --tokens 6 --list
grep -q '^t  *1 *0 *0' out || fail "nothing of what should be said: $(cat out)"
printf '{"text": "A B"}\n' >g.jsonl
expect 2 'neither meta.outputs nor the text of an answer' generate m --cases g.jsonl
printf '{"text": "A B", "meta": {"outputs": [5]}}\n' >g.jsonl
expect 65 'meta.outputs holds what is no text' generate m --cases g.jsonl
printf '{"text": "A B", "answer": " C", "meta": {"max_new_tokens": 0}}\n' >g.jsonl
expect 65 'max_new_tokens is 0' generate m --cases g.jsonl
expect 2 '--cases FILE is missing' generate m
finish
