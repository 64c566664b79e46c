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
grep -q 'no such case (1 cell)' grid.svg && grep -q '1 cell hatched' out || fail "grid: an empty cell is not counted: $(cat out)"
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

# ---- large type in a column: nothing overlaps, nothing leaves the page
for figure in 'agreement scores.h5' 'agreement scores.h5 --by spearman' 'grid scores.h5' 'grid many.h5' 'rank three.h5' 'heads three.h5' \
    'heads three.h5 scores.h5 --score retrieval_find' 'heads three.h5 --score retrieval_find,retrieval_continue,induction'; do
    for size in 9 12; do
        # shellcheck disable=SC2086  # a kind, its files and options
        run figure $figure --width 3.3 --font-size $size -o small.svg
        ! grep '^crowded' out || fail "figure $figure in $size points is crowded"
    done
done

# ---- options that cannot apply
expect 2 'dpi 300 is of a PNG' figure grid scores.h5 --dpi 300 -o no.pdf
expect 2 'unknown option.*vmin' figure rank scores.h5 --vmin 0 -o no.png
expect 2 'did you mean' figure agreement scores.h5 --score retrieval_fnd,induction -o no.png
expect 2 'is a score file, not a recording' figure map scores.h5 --layer 0 --head 0 -o no.png
# --colormap is what was asked for, for signed values too
run figure agreement scores.h5 --by spearman --colormap cividis -o a.png
run figure agreement scores.h5 --by spearman -o b.png
! cmp -s a.png b.png || fail "--colormap cividis is not obeyed where values are signed"

# ---- layers: their own numbers, and what is outlined elsewhere is counted
run figure heads three.h5 --layers 1-2,4 --mark 1.0,3.1 -o layers.svg
[ "$(grep -o 'text-anchor="end"[^>]*>[0-9]<' layers.svg | sed 's/.*>\(.\)</\1/' | tr '\n' ' ')" = '1 2 4 ' ] ||
    fail "--layers 1-2,4: $(grep -o 'text-anchor="end"[^>]*>[0-9]<' layers.svg | tr '\n' ' ')"
grep -q '1 outlined head lies in a layer that is not drawn' out || fail "--layers: what it hides is not counted: $(cat out)"
run figure rank three.h5 --layers 4 --top 1 -o layers.svg
grep -q '>4.6<' layers.svg && ! grep -q '>3.1<' layers.svg || fail "figure rank --layers 4 has heads of others"
expect 2 'there is no layer 6; it has 6, 0 to 5' figure heads three.h5 --layers 2-6 -o no.png
expect 2 'layer 3 is named twice' figure heads three.h5 --layers 1-3,3 -o no.png
for layers in 3- -3 a 3,,4 3,; do expect 2 'write A-B,C' figure heads three.h5 "--layers=$layers" -o no.png; done
expect 2 'unknown option.*layers' figure grid three.h5 --layers 1 -o no.png
printf '{"colors": {"inc": "#000000"}}' >theme.json
expect 65 "'inc'" figure grid three.h5 --theme theme.json -o no.png

# ---- sizes that no page has, by every figure: before a file is read, so that there need be none
kinds=$("$NEEDLESCOPE" figure --help | sed -n 's/^  figure \([a-z]*\)  .*/\1/p')
[ "$(echo "$kinds" | wc -l)" -ge 19 ] || fail "figure --help lists $kinds"
for kind in $kinds; do
    files=none.h5
    [ "$kind" != compare ] || files='none.h5 nought.h5'
    for size in 0 -1 nan; do
        for option in width height; do
            expect 2 "--$option $size: expected a length above 0" figure $kind $files --$option=$size -o no.png
        done
        expect 2 "$(case $size in -1) echo texts of -1 points ;; *) echo "--font-size $size: expected" ;; esac)" \
            figure $kind $files --font-size=$size -o no.png
    done
    for size in 1e9 inf .01mm; do
        expect 2 'a width of [0-9einf+.-]* inches; use 1 to 40' figure $kind $files --width $size -o no.png
        expect 2 'a height of [0-9einf+.-]* inches; use .5 to 40' figure $kind $files --height $size -o no.png
    done
    for size in 1e9 3.9 24.1; do expect 2 "texts of [0-9.e+]* points; use 4 to 24" figure $kind $files --font-size $size -o no.png; done
    expect 66 'solarized: cannot be read: No such file' figure $kind $files --theme solarized -o no.png
    expect 65 'model/config.json: .*a theme has' figure $kind $files --theme model/config.json -o no.png
    expect 2 '--width 5furlong: expected a length' figure $kind $files --width 5furlong -o no.png
done
printf '{"font_size": 9}' >theme.json
expect 2 'error: figure: texts of -1 points' figure grid three.h5 --theme theme.json --font-size=-1 -o no.png

# ---- a map's rows and keys; its tokens
run record model --cases cases.jsonl --at 'blocks.3.attn.hook_pattern' --maps dense -o maps.h5
run figure map maps.h5 --layer 3 --head 1 --rows last:4 --keys 10:20 --tokens -o part.svg
[ "$(grep -c 'font-size="6.5" text-anchor="end" fill' part.svg)" = 4 ] &&
    [ "$(grep -c 'font-size="6.5" text-anchor="end" transform' part.svg)" = 10 ] ||
    fail "figure map --rows last:4 --keys 10:20 has $(grep -c 'font-size="6.5" text-anchor="end"' part.svg) labels"
grep -q 'keys 10:20 alone: up to .* lies on others' out && grep -q 'tokens are shown by their ids' out ||
    fail "figure map: what is left out is not said"
expect 2 'has the positions 0:' figure map maps.h5 --layer 3 --head 1 --keys 10:2000 -o no.png
expect 2 "has no span 'needel'" figure map maps.h5 --layer 3 --head 1 --rows span:needel -o no.png
expect 2 'need a width of' figure map maps.h5 --layer 3 --head 1 --tokens -o no.png
expect 2 'a tokenizer is for the labels' figure map maps.h5 --layer 3 --head 1 --tokenizer model -o no.png

# ---- a row over its text: hostile tokens are escaped
run lab plant small --layers 4 --heads 4 --kv-heads 2 --retrieval 2.3,3.0 --vocab 66 --seed 5
mkdir words && byte_tokenizer "$(letters 33 97), \"Ġ\": 65" >words/tokenizer.json
printf '{"id": "hostile", "tokens": [2, 3, 4, 5, 59, 62, 63, 65, 27, 29], "answer": [33]}\n' >hostile.jsonl
run record small --cases hostile.jsonl --at 'blocks.2.attn.hook_pattern' --maps dense -o hostile.h5
expect 2 'nothing says what its tokens are' figure tokens hostile.h5 --layer 2 --head 3 -o no.png
run figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words -o row.svg
grep -q '>&lt;<\|>&amp;<\|>&lt;</text>' row.svg || fail "figure tokens: no escaped token in $(grep -c '<text' row.svg) texts"
run figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words -o row.tex
grep -q '^% command_line' row.tex && [ "$(grep -c '^\\ns[a-z]*{[0-9]*}{' row.tex)" = 10 ] && [ "$(grep -c '^\\nsquery' row.tex)" = 1 ] ||
    fail "figure tokens -o row.tex: $(grep -v '^%' row.tex)"
for token in '\\#' '\\$' '\\%' '\\&' '\\textbackslash{}' '\\_'; do
    grep -q "^.nstoken{[0-9]*}{$token}%\$" row.tex || fail "figure tokens -o row.tex: $token is not there: $(grep -v '^%' row.tex)"
done
run figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words -o row.tex        # replaces its own, and no other
cp row.tex notes.svg
expect 73 'another kind of file would replace it' figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words -o notes.svg
expect 2 'a .tex has no width of ours' figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words --width 3 -o no.tex
expect 2 'row 99 of case' figure tokens hostile.h5 --layer 2 --head 3 --tokenizer words --row 99 -o no.png

# ---- studies: a figure offers what it hangs on
run cases needle --vocab 66 --lengths 64 --depths .5 --count 1 -o few.jsonl
run score small --cases few.jsonl --probe retrieval_find --resamples 0 -o small.h5
run lab plant -o run --series 4 --retrieval 3.1 --births 20 --every 10
run scan run --cases cases.jsonl --probe retrieval_find,previous_token -o scan
run merge scan -o study.h5
for figure in laziness births curves strip; do run figure $figure study.h5 -o $figure.svg; done
run figure curves study.h5 -o tokens.svg
run figure curves study.h5 --x steps -o steps.svg
grep -q '>tokens<' tokens.svg && grep -q '>steps<' steps.svg && ! grep -q '>tokens<' steps.svg || fail "figure curves --x steps"
run figure growth study.h5 --steps 0,20,30 --top 1 -o growth.svg
[ "$(grep -o '>step [0-9]*<' growth.svg | tr '\n' ' ')" = '>step 0< >step 20< >step 30< ' ] &&
    grep -q '>top 1 at the last step<' growth.svg &&
    [ "$(grep -c '>1.0</text>' growth.svg)" -ge 1 ] || fail "figure growth: $(grep -o '>[a-z0-9 ]*<' growth.svg | tr '\n' ' ')"
expect 2 'was not scored at step 15; near it it was at 10 and 20' figure growth study.h5 --steps 15 -o no.png
expect 2 'steps ascend' figure growth study.h5 --steps 20,10 -o no.png
expect 2 'is the scores of one checkpoint' figure growth scores.h5 -o no.png
run figure compare study.h5 --steps 0,30 --top 1 -o compare.svg
grep -q '>step 30 − step 0<' compare.svg && grep -q '>the 1 that differ most<' compare.svg || fail "figure compare: $(cat out)"
run figure compare scores.h5 three.h5 --score induction -o compare.svg
grep -q '>three − scores<' compare.svg || fail "figure compare of two files"
mkdir other && cp three.h5 other/scores.h5
run figure compare scores.h5 other/scores.h5 --score induction -o compare.svg
grep -q '>other/scores.h5 − scores.h5<' compare.svg || fail "figure compare of two files of one name"
expect 2 'scores has 6 x 8 heads, small has .*there is no difference' figure compare scores.h5 small.h5 --score retrieval_find -o no.png
expect 2 'two steps of one study' figure compare study.h5 -o no.png
expect 2 'unknown option.*previous' figure births study.h5 --previous previous_token -o no.png
expect 2 'unknown option.*persist' figure curves study.h5 --persist 2 -o no.png
expect 2 'unknown option.*theta' figure loss study.h5 --theta .3 -o no.png
expect 2 'has no loss' figure loss study.h5 -o no.png
expect 2 'of which --horizon' figure births study.h5 --leave-short -o no.png
expect 2 'nobody' figure strip study.h5 --run nobody -o no.png
expect 2 'is a study, not the scores of one checkpoint' figure heads study.h5 -o no.png
expect 2 'scores of one checkpoint|study' figure births scores.h5 -o no.png
expect 2 'needs a width of [0-9.]* inches; it is 1.3' figure laziness study.h5 --width 1.3 --font-size 12 -o no.png
[ "$(grep -c 'chance, by panel' laziness.svg)" = 1 ] && grep -q '>previous token<' laziness.svg || fail "laziness: no chance by panel"
[ ! -e no.png ] && [ ! -e no.pdf ] || fail "a figure of nothing"
finish
