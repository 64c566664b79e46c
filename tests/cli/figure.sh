#!/bin/sh
# figure.sh PROGRAM JSON_OK - figures of files: the grid's cells are what was asked for, what is not drawn is counted, options that cannot
# apply are refused.
. "$(dirname "$0")/common.sh"

columns() { grep -o '<text[^>]*text-anchor="middle"[^>]*>[0-9.]*<' "$1" | sed 's/.*>\(.*\)</\1/' | grep -cx "$2"; }

run lab plant model
# ---- the grid: two depths asked for, twins anywhere
run cases needle --vocab 512 --lengths 64,96 --depths .2,.8 --count 2 --twins swap -o cases.jsonl
run score model --cases cases.jsonl --probe retrieval_find,induction --resamples 20 -o scores.h5
run figure grid scores.h5 -o grid.svg
for depth in 0.2 0.8; do [ "$(columns grid.svg $depth)" = 1 ] || fail "grid: depth $depth is no column of its own"; done
grep -q '2 cases a cell' grid.svg || fail "grid: not two cases a cell"
grep -q '8 twins left out' out || fail "grid: twins are not counted: $(cat out)"
run figure grid scores.h5 -o grid.svg --json
"$JSON_OK" needlescope.figure/1 note <out >/dev/null || fail "grid --json: $(cat out)"
# a length that one depth lacks is hatched and counted
grep -v -e '-96-0.8-' cases.jsonl >fewer.jsonl
run score model --cases fewer.jsonl --probe retrieval_find --resamples 0 -o fewer.h5
run figure grid fewer.h5 -o grid.svg
grep -q 'no such case (1 cell)' grid.svg && grep -q '1 cells hatched' out || fail "grid: an empty cell is not counted: $(cat out)"
# many lengths and depths are ten bins of each
run cases needle --vocab 512 --lengths 40:160:13 --depths 0:1:13 -o many.jsonl
run score model --cases many.jsonl --probe retrieval_find --resamples 0 -o many.h5
run figure grid many.h5 --of find --head 3.1 -o grid.svg
grep -q '>90.100 %<' grid.svg && [ "$(grep -c '>[0-9]* *[0-9]*.[0-9]* %<' grid.svg)" = 10 ] || fail "grid: depths are not ten bins"
[ "$(grep -c 'text-anchor="end"[^>]*>[0-9]*–[0-9]*<' grid.svg)" = 10 ] ||
    fail "grid: lengths are not ten bins: $(grep -c 'text-anchor="end"[^>]*>[0-9]*–[0-9]*<' grid.svg)"

# ---- colours by one end
run figure grid scores.h5 --vmin .6 -o grid.svg
grep -q '>0.6<' grid.svg && ! grep -q '>0.0<\|>0.4<' grid.svg || fail "--vmin alone is not the lower end"
run figure grid scores.h5 --vmax 2 -o grid.svg
grep -q '>2.0<\|>2<' grid.svg || fail "--vmax alone is not the upper end"
expect 2 'vmin the lesser' figure grid scores.h5 --vmin 1.5 -o no.png
expect 2 'must be less' figure grid scores.h5 --vmin 1 --vmax 1 -o no.png
expect 2 'must be less' figure grid scores.h5 --vmin 0 --vmax 0 -o no.png

# ---- heads: the usual score without --score, outlined are those that score, by the file's direction; each bar has the chance of its own
# score
run score model --cases cases.jsonl --probe induction,retrieval_find,retrieval_continue --resamples 20 -o three.h5
run figure heads three.h5 -o heads.svg
grep -q '^shows *retrieval_find$' out && grep -q '>retrieval_find<' heads.svg || fail "figure heads without --score: $(cat out)"
run figure heads three.h5 --top 40 -o heads.svg
grep -q '>top 40 (those that score)<' heads.svg && grep -q 'the others score nothing' out ||
    fail "figure heads --top 40 does not say that fewer score"
run figure heads three.h5 --score retrieval_find,retrieval_continue,induction -o heads.svg
[ "$(grep -c '>chance<' heads.svg)" = 3 ] || fail "figure heads: $(grep -c '>chance<' heads.svg) chance ticks for three scores"
expect 2 'no head 9.9 to mark' figure heads three.h5 --mark 9.9 -o no.png
expect 2 '--mark: 3.1 is given twice' figure heads three.h5 --mark 3.1,4.6,3.1 -o no.png
# of a rank the smallest is the best: the planted heads, whose heaviest key is the answer's (rank 1), come first and are outlined
printf '{"name": "needle_rank", "rows": "answer", "keys": "needle_answer", "stat": "rank"}' >rank.json
run score model --cases cases.jsonl --probe-def rank.json --probe entropy --resamples 0 -o ranks.h5
run figure rank ranks.h5 --score needle_rank --top 2 -o ranks.svg
[ "$(grep -o '>[0-9]*\.[0-9]*</text' ranks.svg | grep -cx '>3.1</text\|>4.6</text')" = 2 ] ||
    fail "figure rank of a rank: $(grep -o '>[0-9]*\.[0-9]*</text' ranks.svg | tr '\n' ' ')"
expect 2 'no end of it is the best' figure heads ranks.h5 --score entropy --top 2 -o no.png

# ---- options that cannot apply
expect 2 'dpi 300 is of a PNG' figure grid scores.h5 --dpi 300 -o no.pdf
expect 2 'unknown option.*vmin' figure rank scores.h5 --vmin 0 -o no.png
expect 2 'did you mean' figure agreement scores.h5 --score retrieval_fnd,induction -o no.png
expect 2 'is a score file, not a recording' figure map scores.h5 --layer 0 --head 0 -o no.png
# --colormap is what was asked for, for signed values too
run figure agreement scores.h5 --by spearman --colormap cividis -o a.png
run figure agreement scores.h5 --by spearman -o b.png
! cmp -s a.png b.png || fail "--colormap cividis is not obeyed where values are signed"

# ---- studies: a figure offers what it hangs on
run lab plant -o run --series 4 --retrieval 3.1 --births 20 --every 10
run scan run --cases cases.jsonl --probe retrieval_find,previous_token -o scan
run merge scan -o study.h5
for figure in laziness births curves strip; do run figure $figure study.h5 -o $figure.svg; done
expect 2 'unknown option.*previous' figure births study.h5 --previous previous_token -o no.png
expect 2 'unknown option.*persist' figure curves study.h5 --persist 2 -o no.png
expect 2 'unknown option.*theta' figure loss study.h5 --theta .3 -o no.png
expect 2 'has no loss' figure loss study.h5 -o no.png
expect 2 'of which --horizon' figure births study.h5 --leave-short -o no.png
expect 2 'nobody' figure strip study.h5 --run nobody -o no.png
expect 2 'is a study, not the scores of one checkpoint' figure heads study.h5 -o no.png
expect 2 'scores of one checkpoint|study' figure births scores.h5 -o no.png
expect 2 'needs a width of [0-9.]* inches; it is 2.0' figure laziness study.h5 --width 2 -o no.png
[ "$(grep -c 'chance, by panel' laziness.svg)" = 1 ] && grep -q '>previous token<' laziness.svg || fail "laziness: no chance by panel"
[ ! -e no.png ] && [ ! -e no.pdf ] || fail "a figure of nothing"
finish
