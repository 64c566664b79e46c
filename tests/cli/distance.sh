#!/bin/sh
# distance.sh PROGRAM JSON_OK - needles at a distance: cases -> score -> grid and exports; a scan's study has it too; which kind of a
# hybrid's layers retrieves; what cannot be is said.
. "$(dirname "$0")/common.sh"

columns() { grep -o '<text[^>]*text-anchor="middle"[^>]*>[0-9.]*<' "$1" | sed 's/.*>\(.*\)</\1/' | grep -cx "$2"; }

run lab plant model
run cases needle --model model --lengths 128,96 --distances 20,45,80 --count 2 --twins swap,absent -o cases.jsonl
[ "$(wc -l <cases.jsonl)" -eq 36 ] || fail "2 lengths x 3 distances x 2, with two twins, are not $(wc -l <cases.jsonl) cases"
[ "$(grep -v twin_of cases.jsonl | grep -c '"distance": 45')" = 4 ] || fail "the distance is not in the cases"
if grep -q '"depth"' cases.jsonl; then fail "cases by distance have a depth"; fi
run score model --cases cases.jsonl --probe retrieval_find,induction --resamples 20 -o scores.h5

# the grid is by distance where the cases have no depth, and says so; by depth it has nothing to draw
run figure grid scores.h5 -o grid.svg
for distance in 20 45 80; do [ "$(columns grid.svg $distance)" = 1 ] || fail "grid: distance $distance is no column of its own"; done
grep -q 'tokens from the query back to the needle' grid.svg && grep -q '2 cases a cell' grid.svg || fail "grid by distance"
grep -q '12 twins left out' out || fail "grid: twins are not counted: $(cat out)"
expect 2 'no case but twins says at which depth' figure grid scores.h5 --by depth -o no.svg
expect 2 "distnce" figure grid scores.h5 --by distnce -o no.svg

# maps of heads split at a distance: twins' needles count too; what has no hits, or no such case, is said
run figure heads scores.h5 --score retrieval_find --split 40 --top 2 -o split.svg
grep -q '>d &lt; 40: find<' split.svg && grep -q '>d ≥ 40: find<' split.svg ||
    fail "split maps: $(cat out)"
grep -q '^shows *d < 40: find, d . 40: find' out || fail "split maps are not named: $(cat out)"
expect 2 'no case has its needle within 5 tokens from' figure heads scores.h5 --split 5 -o no.svg
expect 2 'induction cannot be split' figure heads scores.h5 --score induction --split 40 -o no.svg

# maps side by side lie within the figure, whatever their names
run figure heads scores.h5 --score retrieval_find,retrieval_continue,retrieval_copy --split 40 --width 7 -o six.svg
right=$(grep -o '<text x="[0-9.]*' six.svg | sed 's/.*"//' | sort -n | tail -1 | cut -d. -f1)
[ "$right" -lt 504 ] || fail "six maps: text at $right of the page's 504 points"

# cases by depth have a distance that was measured: few are columns, many are bins of whole numbers
run cases needle --model model --lengths 128 --depths .2,.8 --count 1 -o depths.jsonl
run score model --cases depths.jsonl --probe retrieval_find --resamples 0 -o depths.h5
run figure grid depths.h5 -o grid.svg
grep -q 'depth of the needle' grid.svg || fail "cases by depth are drawn by something else"
run figure grid depths.h5 --by distance -o grid.svg
grep -q 'tokens from the query' grid.svg || fail "--by distance of cases by depth"
run cases needle --model model --lengths 300 --distances 20:280:27 -o many.jsonl
run score model --cases many.jsonl --probe retrieval_find --resamples 0 -o many.h5
run figure grid many.h5 -o grid.svg
[ "$(grep -c 'text-anchor="middle"[^>]*>[0-9]*–[0-9]*<' grid.svg)" = 10 ] || fail "grid: 27 distances are not ten bins"

# exports and the study of a scan
run export csv scores.h5 -o scores.csv
run export notebook scores.h5 -o scores.ipynb
mkdir runs && cp -R model runs/step000010 && cp -R model runs/step000020
run scan runs --cases cases.jsonl --probe retrieval_find -o scan
run merge scan -o study.h5
for file in scores.h5 study.h5; do
    run verify --content $file
    grep -Eq '^dataset /distance float(64|32) 24 ' out || fail "$file has no distance: $(grep -c . out) lines"
done

# a hybrid: three layers with a window of 16 and three full ones, which have both retrieval heads. Of 48 heads 24 are full:
# C(24,2)/C(48,2) = 23/94; of 6 layers three: C(4,1)/C(6,3) = .2
run lab plant -o hybrid --window 16 --retrieval 3.1,4.6
run score hybrid --cases cases.jsonl --probe retrieval_find -o hybrid.h5
grep -Eq '^retrieval_find +full +2 +2 +[0-9.]+ +1 +24 +48 +0.2447 +0.2$' out &&
    grep -Eq '^retrieval_find +swa +0 +2 +0 +[0-9.]+ +24 +48 +1 +1$' out ||
    fail "kinds of layers: $(grep -A4 'In which kind' out)"
run score model --cases cases.jsonl --probe retrieval_find
no_line 'In which kind' out "kinds of a model that has one"
run ablate hybrid --cases cases.jsonl --kind full --mode knockout --scope decode --draws 2 -o full.h5
grep -Eq '^knockout +these +0 ' out || fail "the needle hidden from the full heads is answered: $(grep knockout out)"
run ablate hybrid --cases cases.jsonl --kind swa --mode knockout --scope decode --draws 2 -o swa.h5
grep -Eq '^knockout +these +1 ' out || fail "the needle hidden from the sliding heads takes an answer: $(grep knockout out)"
run verify --content full.h5
grep -q '^dataset /condition_heads\|^dataset /.*24' out || fail "24 heads are not in the file: $(cat out)"
expect 2 'one of them says which heads' ablate hybrid --cases cases.jsonl --kind full --heads 3.1
expect 2 'kind recurrent: the model has no such layer' ablate hybrid --cases cases.jsonl --kind recurrent

# what cannot be
expect 2 'not both' cases needle --model model --lengths 128 --distances 20 --depths .5 -o no.jsonl
expect 2 'distance 128 lies outside prompts of 128 tokens' cases needle --model model --lengths 64,128 --distances 128 -o no.jsonl
expect 2 'distance 4 is too near' cases needle --model model --lengths 128 --distances 4 -o no.jsonl
expect 2 'not a whole number' cases needle --model model --lengths 128 --distances 20.5 -o no.jsonl
expect 2 'distance 0 is not a number of tokens' cases needle --model model --lengths 128 --distances 0 -o no.jsonl
expect 2 'distance -5 is not a number of tokens' cases needle --model model --lengths 128 --distances=-5 -o no.jsonl
expect 2 'given twice' cases needle --model model --lengths 128 --distances 20,20 -o no.jsonl
expect 2 "nowhere" cases needle --model model --lengths 128 --distances nowhere -o no.jsonl
[ ! -e no.jsonl ] && [ ! -e no.svg ] || fail "a file of a call that was refused"
