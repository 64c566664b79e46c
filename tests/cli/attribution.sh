#!/bin/sh
# attribution.sh PROGRAM JSON_OK - gradients, attributions and paths of a model whose heads are known; what is refused, and that nothing is
# then written.
. "$(dirname "$0")/common.sh"

run lab plant -o model --window 24 --retrieval 3.1,4.6
run cases needle --model model --lengths 60 --depths 0,.7 --count 2 --twins swap -o twins.jsonl
run cases needle --model model --lengths 60 --depths .3 --count 2 --twins swap --seed 9 -o others.jsonl

# column TABLE NAME KEY: the number that a row of a JSON table has, rows being one line each
rows() { tr -d '\n\t ' <out | sed 's/},{/\n/g; s/\[{/\n/g; s/}\]/\n/g'; }
value() { rows | grep -e "\"$1\":\"$2\"" | head -1 | sed "s/.*\"$3\":\([^,}]*\).*/\1/"; }
near() {   # near WHAT GOT WANT WITHIN
    awk -v got="$2" -v want="$3" -v within="$4" 'BEGIN { exit !(got + 0 == got && got - want <= within && want - got <= within) }' ||
        fail "$1: $2, not $3"
}

# ---- paths: the previous-token head feeds both retrieval heads' queries alone, and those write the answer themselves ----
run patch model --cases twins.jsonl --path 0.0:3.1.q,0.0:4.6.q,3.1:4.6.q,3.1:logits --draws 2 --json -o path.h5
near '0.0:3.1.q' "$(value set 0.0:3.1.q recovery)" .5 .01
near '0.0:4.6.q' "$(value set 0.0:4.6.q recovery)" .5 .01
near '3.1:4.6.q' "$(value set 3.1:4.6.q recovery)" 0 1e-4
near '3.1:logits' "$(value set 3.1:logits recovery)" .5 .01
run patch model --cases twins.jsonl --path 0.0:3.1.q,0.0:4.6.q --draws 2 --json
near 'both queries are all of the head' "$(value set these recovery)" "$(value set 'allofthesenders' recovery)" 1e-3
run patch model --cases twins.jsonl --path 0.0:3.1.q,0.0:4.6.q --draws 2 --rows all --json
near 'all rows' "$(value set 0.0:3.1.q recovery)" .5 .01
run figure ablation path.h5 -o path.svg
run verify path.h5

# ---- attributions: straight to the logits they are close; through a saturated softmax they see nothing, and AtP* does ----
run patch model --cases twins.jsonl -o z.h5
run patch model --cases twins.jsonl --site q -o q.h5
run attribute model --cases twins.jsonl --against z.h5 --edges 5 --json -o attribution.h5
near '3.1 by z' "$(value head 3.1 attribution)" .5 .1
"$JSON_OK" needlescope.attribute/1 worst <out >/dev/null || fail "attribute --json: $(head -c 300 out)"
run attribute model --cases twins.jsonl --site q --recompute --against q.h5 --list 48 --json
near '3.1 by q, linear' "$(value head 3.1 attribution)" 0 1e-3
near '3.1 by q, the pattern anew' "$(value head 3.1 recomputed)" .5 .1
near 'ranks of the pattern anew' "$(rows | sed -n 's/.*"spearman_recomputed":\([^,]*\).*/\1/p')" 1 1e-6
run figure heads attribution.h5 --score attribution -o attribution.svg

# ---- integrated gradients go through that softmax, and find the head that feeds it; the embeddings have the whole difference ----
fact() { rows | sed -n "s/.*\"$1\":\([^,]*\).*/\1/p"; }
run attribute model --cases twins.jsonl --list 48 --json
near '0.0 by z, at the destination' "$(value head 0.0 attribution)" -.13 .05
run attribute model --cases twins.jsonl --steps 64 --json -o steps.h5
near '0.0 by z, 64 steps' "$(value head 0.0 attribution)" .5 .1
near 'what 64 steps find' "$(fact completeness)" 1 .05
run attribute model --cases twins.jsonl --steps 64 --threads 3 --memory 100K -o steps2.h5
content() { "$NEEDLESCOPE" verify "$1" --facts | sed -n 's/^content_sha256[[:space:]]*//p'; }
[ -n "$(content steps.h5)" ] && [ "$(content steps.h5)" = "$(content steps2.h5)" ] || fail "threads and memory change integrated gradients"

# ---- gates: silenced, a retrieval head takes away what it writes of the destination's answer; one that writes nothing takes nothing ----
run attribute model --cases twins.jsonl --gates --list 48 --json -o gates.h5
near 'silencing 3.1' "$(value head 3.1 gate)" "$(value head 4.6 gate)" 1e-3
awk -v gate="$(value head 3.1 gate)" 'BEGIN { exit !(gate > .1) }' || fail "silencing 3.1: $(value head 3.1 gate)"
near 'silencing 2.2' "$(value head 2.2 gate)" 0 1e-6
run figure heads gates.h5 --score gate -o gates.svg
run verify steps.h5 gates.h5
run verify attribution.h5

# ---- gradients: the same bits however it runs; another seed shuffles otherwise, and leaves the texts ----
run gradient model --text twins.jsonl --last 3 --json -o g.h5
"$JSON_OK" needlescope.gradient/1 bins <out >/dev/null || fail "gradient --json: $(head -c 300 out)"
run gradient model --text twins.jsonl --last 3 --threads 3 --memory 100K -o g2.h5
run gradient model --text twins.jsonl --last 3 --seed 1 -o g3.h5
[ -n "$(content g.h5)" ] && [ "$(content g.h5)" = "$(content g2.h5)" ] || fail "threads and memory change the gradients"
[ "$(content g.h5)" != "$(content g3.h5)" ] || fail "a seed shuffles nothing"
run figure gradient g.h5 g3.h5 -o g.svg
grep -q '>g: shuffled<' g.svg || fail "no shuffled curve in the figure"

# ---- refused in a line, and nothing is left ----
refused() {   # refused CODE PATTERN ARGS...
    code=$1 pattern=$2
    shift 2
    expect "$code" "$pattern" "$@" -o no.h5
    [ ! -e no.h5 ] || fail "$*: refused, and a file"
}
refused 2 "path 4.1:3.6.q: the sender's layer does not come before the receiver's" patch model --cases twins.jsonl --path 4.1:3.6.q
refused 2 'it is SENDER:RECEIVER' patch model --cases twins.jsonl --path 4.1:3.6
refused 2 'head 3.99' patch model --cases twins.jsonl --path 0.0:3.99.q
refused 2 'given twice' patch model --cases twins.jsonl --path 0.0:3.1.q,0.0:3.1.q
refused 2 'leave --site out' patch model --cases twins.jsonl --path 0.0:3.1.q --site q
refused 2 'leave --no-map out' patch model --cases twins.jsonl --path 0.0:3.1.q --no-map
refused 2 'leave --heads' patch model --cases twins.jsonl --path 0.0:3.1.q --heads 3.1
refused 2 'anew from other q or k' attribute model --cases twins.jsonl --recompute
refused 2 'of heads alone: edges' attribute model --cases twins.jsonl --steps 2 --edges 3
refused 2 'of heads alone' attribute model --cases twins.jsonl --steps 2 --gates
refused 2 'has site z, this attribution q' attribute model --cases twins.jsonl --site q --against z.h5
refused 2 'has cases_sha256' attribute model --cases others.jsonl --against z.h5
refused 2 'has no map of heads' attribute model --cases twins.jsonl --against path.h5
echo '{"id": "a", "tokens": [1, 2, 3, 4], "answer": [5]}
{"id": "b", "twin_of": "a", "tokens": [1, 2, 3], "answer": [6]}' >uneven.jsonl
refused 2 'another length than its twin' attribute model --cases uneven.jsonl --steps 2
echo '{"id": "short", "tokens": [1, 2, 3]}' >short.jsonl
refused 2 "text 'short' has 3 tokens: more than the 20 rows" gradient model --text short.jsonl
refused 2 'none beyond the window of 500' gradient model --text twins.jsonl --last 3 --window 500
refused 2 'one of them' gradient model --text twins.jsonl --window 5 --no-window
finish
