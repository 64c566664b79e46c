#!/bin/sh
# losses.sh PROGRAM JSON_OK - nll: what windows, keys and files must agree in; key intervals and texts that do not fit.
. "$(dirname "$0")/common.sh"

run lab plant -o m --layers 4 --heads 4 --kv-heads 2 --retrieval 2.3 --vocab 66 --seed 5
byte_tokenizer "$(letters 33 97), \"Ġ\": 65" >m/tokenizer.json
text='A B C D E F G H A B C D A B C D E F G H I J K L A B C D E F'
printf '{"id": "a", "text": "%s", "spans": {"first": [0, 7]}}\n{"id": "b", "text": "%s"}\n' "$text" 'A B A B A B C D E F C D' >t.jsonl
printf '{"tokens": [1, 2, 3, 4, 2, 3, 4, 2, 3], "answer": [4, 5]}\n{"tokens": [5, 6, 7]}\n' >ids.jsonl

number() { sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e+]*\).*/\1/p" out | head -n 1; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a - b < 1e-9 * (1 + a) && b - a < 1e-9 * (1 + a)) }' || fail "$3: $1 and $2"; }

# ---- the answer: every table; tokens add up to the loss
run nll m --text t.jsonl --json --per-token -o all.h5
for key in texts positions distances spans tokens; do "$JSON_OK" needlescope.nll/1 $key <out >/dev/null || fail "nll --json: no $key"; done
loss=$(number loss) ppl=$(number ppl) n=$(number n_tokens)
sum=$(sed -n 's/.*"log_p":[[:space:]]*\([-0-9.e+]*\).*/\1/p' out | awk '{ s -= $1 } END { printf "%.12g", s }')
awk -v s="$sum" -v n="$n" -v l="$loss" 'BEGIN { exit !(s / n - l < 1e-6 && l - s / n < 1e-6 && l > 0) }' ||
    fail "the tokens' sum $sum over $n is not $loss"
near "$ppl" "$(awk -v l="$loss" 'BEGIN { printf "%.15g", exp(l) }')" 'perplexity'
[ "$n" = 80 ] || fail "$n tokens are predicted, not 58 + 22"
run verify all.h5
grep -q 'ok' out || fail "verify: $(cat out)"
run verify --content all.h5
grep -q 'dataset /log_p float32 2,59' out || fail "the file: $(cat out)"
# ---- tokens and answers, without a tokenizer
run nll m --text ids.jsonl --json
[ "$(number n_tokens)" = 12 ] && grep -q '"span":[[:space:]]*"answer"' out || fail "texts of ids: $(cat out)"

# ---- windows that reach as far as the text are the text: the same bits; a short one is not
run nll m --text t.jsonl --context 4000 -o wide.h5
grep -q '^texts that it shows whole *2$' out || fail "a window that changes nothing: $(head -12 out)"
run nll m --text t.jsonl --short 30
grep -q '^texts that the short one shows whole *1$' out || fail "a short window that changes one of two texts: $(head -12 out)"
run nll m --text t.jsonl --context 8 --stride 4 -o narrow.h5 --threads 2
! grep -q 'shows whole' out || fail "windows of 8: $(head -12 out)"
run nll m --text t.jsonl --short 8 --stride 4 -o both.h5 --threads 1
content() { "$NEEDLESCOPE" verify --content "$1" | grep "dataset /$2 " | sed 's/.* //'; }
[ "$(content wide.h5 log_p)" = "$(content all.h5 log_p)" ] || fail "a window as long as the text is another number"
[ "$(content narrow.h5 log_p)" = "$(content both.h5 log_p_short)" ] || fail "--context and --short differ, or threads do"
[ "$(content both.h5 log_p)" = "$(content all.h5 log_p)" ] && [ "$(content narrow.h5 log_p)" != "$(content all.h5 log_p)" ] ||
    fail "a short context changes nothing, or the whole one"

# ---- LongPPL: all characters are all tokens but the first; no characters, no tokens
printf '[0, 59]\n[0, 23]\n' >all.txt
run nll m --text t.jsonl --keys all.txt --json
near "$(number longppl)" "$ppl" 'LongPPL of all tokens'
[ "$(number n_keys)" = 80 ] && [ "$(number n_texts_with_keys)" = 2 ] || fail "keys: $(cat out)"
printf '[2, 5];[6, 7]\n\n' >few.txt     # B, a space, C; D
run nll m --text t.jsonl --keys few.txt --json --per-token
[ "$(number n_keys)" = 4 ] || fail "of '[2, 5];[6, 7]' there are $(number n_keys) keys"
want=$(tr -d ' \n\t' <out | sed 's/},{/\n/g' | grep '"key":1' | sed 's/.*"log_p":\([-0-9.e+]*\).*/\1/' |
    awk '{ s -= $1; n++ } END { printf "%.12g", exp(s / n) }')
awk -v a="$(number longppl)" -v b="$want" 'BEGIN { exit !(a / b - 1 < 1e-6 && b / a - 1 < 1e-6) }' ||
    fail "LongPPL $(number longppl), not $want"
# ---- made and read back: the same key tokens
run nll m --text t.jsonl --make-keys made.txt --short 8 --stride 4 --json
[ "$(wc -l <made.txt)" = 2 ] || fail "made keys: $(cat made.txt)"
run nll m --text t.jsonl --make-keys made.txt --short 8 --stride 4 --json      # over its own file
made=$(number n_keys) longppl=$(number longppl)
[ "$made" -gt 0 ] || fail "no key token in a text that repeats itself"
run nll m --text t.jsonl --keys made.txt --json
[ "$(number n_keys)" = "$made" ] && near "$(number longppl)" "$longppl" 'LongPPL by keys that were made'

# ---- what does not fit
printf '[0, 60]\n\n' >bad.txt
expect 65 "bad.txt: line 1: interval .0, 60. lies beyond text 'a', which has 59 characters" nll m --text t.jsonl --keys bad.txt
printf '\n[5, 24]\n' >bad.txt
expect 65 "bad.txt: line 2: interval .5, 24. lies beyond text 'b'" nll m --text t.jsonl --keys bad.txt
printf '[5, 2]\n\n' >bad.txt
expect 65 'ends before it begins' nll m --text t.jsonl --keys bad.txt
printf '[5 2]\n\n' >bad.txt
expect 65 'bad.txt: line 1: is not' nll m --text t.jsonl --keys bad.txt
printf '[1, 2]\n' >bad.txt
expect 65 'bad.txt: has 1 line for 2 texts' nll m --text t.jsonl --keys bad.txt
printf '\n\n[1, 2]\n' >bad.txt
expect 65 'bad.txt: line 3: there are 2 texts' nll m --text t.jsonl --keys bad.txt
expect 2 "text 'b' has 23 tokens: none is behind the 30 of its short window" nll m --text t.jsonl --make-keys no.txt --short 30
expect 2 'none is behind the 4096' nll m --text t.jsonl --make-keys no.txt
expect 2 'the longest text has 59 tokens, all of which a short window of 59 shows' nll m --text t.jsonl --short 59 -o no.h5
[ ! -e no.h5 ] || fail "a short window that shows everything, and a file"
[ ! -e no.txt ] || fail "keys of texts that are too short are written"
expect 2 'has tokens alone' nll m --text ids.jsonl --keys few.txt
expect 2 'one of them' nll m --text t.jsonl --keys few.txt --make-keys no.txt
expect 2 'leave --context out' nll m --text t.jsonl --make-keys no.txt --short 8 --context 9
expect 2 '--text FILE is missing' nll m
printf '{"text": "A"}\n' >one.jsonl
expect 2 'has 1 token: nothing is predicted' nll m --text one.jsonl
printf '{"text": "A B", "answer": " C"}\n' >one.jsonl
expect 2 'has an answer, which key intervals know nothing of' nll m --text one.jsonl --make-keys no.txt --short 1
expect 2 't.jsonl' nll m --text t.jsonl --make-keys t.jsonl --short 8
expect 66 'absent.txt' nll m --text t.jsonl --keys absent.txt
finish
