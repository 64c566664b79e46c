#!/bin/sh
# best.sh PROGRAM JSON_OK - the best heads of a score: what the file says of its end, zeros, ties, and that every reader lists the same
# heads.
. "$(dirname "$0")/common.sh"

run lab plant -o planted
run cases needle --vocab 512 --lengths 96 --depths 0,0.5,1 --count 4 --seed 1 -o cases.jsonl
cat >rank.json <<'END'
{"name": "place", "rows": "first", "keys": "aligned:needle_answer", "stat": "rank"}
END
cat >least.json <<'END'
{"name": "elsewhere", "rows": "first", "keys": "needle", "stat": "mass", "best": "smallest"}
END
cat >luck.json <<'END'
{"name": "luck", "rows": "first", "keys": "needle", "stat": "mass", "best": "smalest"}
END
run score planted --cases cases.jsonl --probe retrieval,entropy --probe-def rank.json,least.json --top 3 -o scores.h5
# The planted heads rank their source first: 3.1 and 4.6, in the table, and in all that reads the file.
grep -Eq '^place +1 +3 +1 +full +1 ' out && grep -Eq '^place +2 +4 +6 +full +1 ' out || fail "score lists the worst ranks: $(cat out)"
grep -Eq '^entropy +describes: no end of it is the best$' out || fail "score says nothing of entropy: $(cat out)"
grep -q '^About these lists$' out || fail "score's notes have no heading: $(cat out)"
no_line '^entropy +1 ' out "score lists heads by entropy: $(cat out)"
run score planted --cases cases.jsonl --probe retrieval_find --top 2
! grep -q 'About these lists' out || fail "a heading without lines: $(cat out)"
# Masses of softmax and of recurrent heads in one list: of two scales. Hits are of one, as are the masses of recurrent heads alone.
here=$(cd "$(dirname "$0")" && pwd)
scales() { # scales FIXTURE: the scores that are said to be of two scales (the models answer no case: exit 1)
    "$NEEDLESCOPE" score "$here/../golden/fixtures/$1" --cases "$here/bits/shapes.jsonl" --resamples 0 --top 2 >out 2>err </dev/null
    sed -n "s/ .*signed, without a sum: of another scale than the others'$//p" out
}
[ "$(scales minimax | tr '\n' ' ')" = "retrieval_mass retrieval_mass_last retrieval_mass_first induction previous_token \
previous_at_needle duplicate_token echo needle_mass sink_mass local_mass " ] || fail "scores of two scales: $(scales minimax)"
[ -z "$(scales mamba2)" ] && grep -q '^needle_mass ' out || fail "one kind of heads, two scales: $(cat out err)"
[ -z "$(scales qwen3)" ] && grep -q '^needle_mass ' out || fail "softmax alone, two scales: $(cat out err)"
run export latex scores.h5 --score place --top 2 -o place.tex
grep -q '^place & 3.1 ' place.tex && grep -q '^ & 4.6 ' place.tex || fail "export latex lists the worst ranks: $(cat place.tex)"
run export notebook scores.h5 --score place,entropy --top 2 -o place.ipynb
grep -q 'the best is 3.1 with 1.000' place.ipynb && grep -q 'top, ascending, nothing = 2, True, np.inf' place.ipynb &&
    grep -q 'no end of it is the best' place.ipynb ||
    fail "export notebook lists the worst ranks"
run figure rank scores.h5 --score place --top 2 -o place.svg
grep -q '>3.1<' place.svg && grep -q '>4.6<' place.svg || fail "figure rank draws the worst ranks"
run figure heads scores.h5 --score place --top 2 -o heads.svg
run ablate planted --cases cases.jsonl --scores scores.h5 --by place --top 2 --draws 2 --mode zero_z
grep -q '3\.1' out && grep -q '4\.6' out || fail "ablate --by takes the worst ranks: $(cat out)"

# Zeros and ties: two heads find the needle always, few others once, the rest never.
run score planted --cases cases.jsonl --probe retrieval --top 48 --json
run export latex scores.h5 --score retrieval_find --top 40 -o find.tex
grep -q 'heads* of 40: the others score nothing' find.tex || fail "a short table does not say so: $(tail -5 find.tex)"
no_line '& 0\.000' find.tex "heads that score 0 are exported"
run figure rank scores.h5 --score retrieval_find --top 40 -o find.svg
grep -q 'retrieval_find: .* heads* of 40: the others score nothing' out || fail "figure rank is short and says nothing: $(cat out)"
run export latex scores.h5 --score retrieval_find --top 1 -o one.tex
grep -q 'the 1st place is shared by 2 heads' one.tex || fail "a list that is cut through a tie says nothing: $(cat one.tex)"

# A score by which no head scores anything, beside one that lists some, and alone.
echo '{"name": "nobody", "rows": "first", "keys": "local:96", "stat": "argmax_hit", "best": "smallest"}' >nobody.json
run score planted --cases cases.jsonl --probe retrieval_find --probe-def nobody.json -o nobody.h5
run export latex nobody.h5 --score nobody,retrieval_find --top 2 -o nobody.tex
grep -q 'multicolumn.*nobody: 0 heads of 2: the others score nothing' nobody.tex && grep -q '^retrieval._find & 3.1 ' nobody.tex ||
    fail "export latex leaves a score out in silence: $(tail -12 nobody.tex)"
run export notebook nobody.h5 --score nobody,retrieval_find --top 2 -o nobody.ipynb
grep -q '0 heads of 2: the others score nothing' nobody.ipynb && grep -q 'the best is 3.1 with' nobody.ipynb ||
    fail "export notebook of a score without heads"
expect 2 "no head scores anything by 'nobody'" export latex nobody.h5 --score nobody -o no.tex
expect 2 "no head scores anything by 'nobody'" export notebook nobody.h5 --score nobody -o no.ipynb

# What is no score, or has no best end.
expect 2 "'entropy' describes" figure rank scores.h5 --score entropy -o no.svg
expect 2 "'entropy' describes" figure heads scores.h5 --score entropy --top 3 -o no.svg
expect 2 "'entropy' describes" export latex scores.h5 --score entropy -o no.tex
expect 2 "'entropy' describes" ablate planted --cases cases.jsonl --scores scores.h5 --by entropy
expect 2 "no score 'window' .a dataset of another kind." ablate planted --cases cases.jsonl --scores scores.h5 --by window
expect 2 "no score 'find_hits' .a dataset of another kind." figure heads scores.h5 --score find_hits -o no.svg
expect 2 "no score 'retrieval_fnd' .did you mean retrieval_find" ablate planted --cases cases.jsonl --scores scores.h5 --by retrieval_fnd
expect 65 '"best" cannot be .smalest. .did you mean smallest' score planted --cases cases.jsonl --probe-def luck.json
run figure heads scores.h5 --score entropy -o entropy.svg
[ ! -e no.svg ] && [ ! -e no.tex ] || fail "a file of nothing"

# Chance: a head's own. Of previous_token 1 / min(q + 1, W) over the rows 1 to n - 1; of a lift 1, of a difference 0, whatever the head.
run lab plant -o windowed --window 4
run score windowed --cases cases.jsonl --probe previous_token,retrieval_mass,mass_lift,induction --top 48 --resamples 20 --json
want() { awk -v w="$1" 'BEGIN { for (q = 1; q < 96; q++) sum += 1 / (w && w < q + 1 ? w : q + 1); printf "%.4f", sum / 95 }'; }
grep -q '"length": *96' cases.jsonl && grep -o '"tokens":\[[^]]*' cases.jsonl | awk -F, 'NF != 96 { exit 1 }' ||
    fail "the prompts have not 96 tokens each"
chance_of() { # chance_of SCORE KIND: the chances that the list gives to heads of such layers
    tr -d '\n\t' <out | grep -o "{\"score\":\"$1\"[^}]*}" | grep "\"kind\":\"$2" | sed 's/.*"chance"://; s/,.*//' |
        awk '{ printf "%.4f\n", $1 }' | sort -u
}
[ "$(chance_of previous_token 'swa')" = "$(want 4)" ] ||
    fail "previous_token's chance in a window of 4 is not $(want 4): $(chance_of previous_token 'swa')"
[ "$(chance_of previous_token 'full')" = "$(want 0)" ] ||
    fail "previous_token's chance over all keys is not $(want 0): $(chance_of previous_token full)"
[ "$(chance_of mass_lift '')" = 1.0000 ] || fail "a lift's chance is not 1: $(chance_of mass_lift '')"
finish
