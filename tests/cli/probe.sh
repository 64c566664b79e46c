#!/bin/sh
# probe.sh PROGRAM JSON_OK - layer-wise probing of a model whose heads are known: the answer can be told behind the layers that retrieve it,
# nowhere before, and nowhere in the controls; over checkpoints it is told where the heads are born; what is refused, and that nothing is
# then written.
. "$(dirname "$0")/common.sh"

run lab plant -o model --retrieval 3.1,4.6
run cases needle --model model --values 4 --keys 2 --distances 32,128 --lengths 200 --count 32 --twins without,swap -o cases.jsonl

rows() { tr -d '\n\t ' <out | sed 's/},{/\n/g; s/\[{/\n/g; s/}\]/\n/g'; }
between() {   # between WHAT GOT FROM TO
    awk -v got="$2" -v from="$3" -v to="$4" 'BEGIN { exit !(got + 0 == got && got >= from && got <= to) }' || fail "$1: $2, not $3 to $4"
}
layer() {   # layer NUMBER DISTANCE KEY: of the JSON table of layers
    rows | grep "\"layer\":$1,\"kind\"" | grep "\"distance\":$2," | head -1 | sed "s/.*\"$3\":\([^,}]*\).*/\1/"
}

# ---- where the answer can be told ----
run probe model --cases cases.jsonl --json -o p.h5
"$JSON_OK" needlescope.probe/1 layers <out >/dev/null || fail "probe --json: $(head -c 300 out)"
for l in 0 1 2 3 4 5; do
    for d in null 32 128; do
        [ $l -ge 3 ] && from=.99 to=1 || from=.1 to=.45
        between "layer $l at $d" "$(layer $l $d accuracy)" $from $to
        between "layer $l at $d, shuffled" "$(layer $l $d shuffled)" .1 .4
        between "layer $l at $d, without needle" "$(layer $l $d without_needle)" .05 .45
    done
    between "low of layer $l" "$(layer $l null low)" 0 "$(layer $l null accuracy)"
    between "high of layer $l" "$(layer $l null high)" "$(layer $l null accuracy)" 1
done
run probe model --cases cases.jsonl --at 'blocks.*.hook_attn_out' --json
for l in 1 2 5; do between "attention of layer $l" "$(layer $l null accuracy)" .1 .4; done
for l in 3 4; do between "attention of layer $l" "$(layer $l null accuracy)" .99 1; done
# with the needle out of reach of the layers that retrieve, nothing is left to tell
run probe model --cases cases.jsonl --constrain 3-4=16 --json
between 'layer 5, constrained' "$(layer 5 null accuracy)" .1 .45
# what is to be told, by a key of meta, of a span's last token: twins without that span are left out, and said
grep -v swap cases.jsonl >plain.jsonl
run probe model --cases plain.jsonl --classes distance --rows needle_answer --json
{ rows | grep -q '"n_classes":2' && rows | grep -q '"n":64,"reason":"nospanneedle_answer"'; } || fail "by meta: $(head -c 400 out)"

# ---- the same bits however it runs; another seed deals otherwise ----
content() { "$NEEDLESCOPE" verify "$1" --facts | sed -n 's/^content_sha256[[:space:]]*//p'; }
run probe model --cases cases.jsonl --threads 3 --memory 1M -o again.h5
run probe model --cases cases.jsonl --seed 1 -o other.h5
[ -n "$(content p.h5)" ] && [ "$(content p.h5)" = "$(content again.h5)" ] || fail 'threads and memory change the probing'
[ "$(content p.h5)" != "$(content other.h5)" ] || fail 'a seed deals nothing'
run verify p.h5

# ---- over checkpoints: the scan's numbers are those of a probe of each ----
run lab plant --series 3 -o one --retrieval 3.1,4.6 --births 10,20 --rise 1
run scan one --cases plain.jsonl --probe linear_probe -o scan
run merge scan -o study.h5
run verify study.h5
run score one/step000010 --cases plain.jsonl --probe linear_probe -o score.h5
for step in 000000 000010; do
    run probe one/step$step --cases plain.jsonl --json
    [ $step = 000000 ] && from=.1 to=.45 || from=.99 to=1
    between "layer 5 at step $step" "$(layer 5 null accuracy)" $from $to
done

run figure probe p.h5 -o p.svg
for text in '>32 tokens<' '>128 tokens<' '>chance<' '>no needle<' '>shuffled labels<' '>needle (95 %)<'; do
    grep -q -- "$text" p.svg || fail "the figure does not say $text"
done
run figure probe study.h5 -o steps.svg
for text in '>layer<' '>step<' '>1.0<'; do grep -q -- "$text" steps.svg || fail "the map over steps does not say $text"; done
run score model --cases plain.jsonl --probe retrieval_find -o heads.h5 --resamples 0
expect 2 'no cases of their own at distance 33' figure probe p.h5 --distances 33 -o no.svg
expect 2 'of one distance, or of all' figure probe study.h5 --distances 32,128 -o no.svg
expect 2 'holds no layer-wise probing' figure probe heads.h5 -o no.svg
[ ! -e no.svg ] || fail 'refused, and a figure'

# ---- refused in a line, and nothing is left ----
refused() {   # refused CODE PATTERN ARGS...
    code=$1 pattern=$2
    shift 2
    expect "$code" "$pattern" "$@" -o no.h5
    [ ! -e no.h5 ] || fail "$*: refused, and a file"
}
run cases needle --model model --lengths 60 --count 9 -o random.jsonl
refused 2 'a class that has too few cases: that of .* has 1 prompt, fewer than the 5 folds' probe model --cases random.jsonl
refused 2 'has 1[0-9] prompts.*, fewer than the 20 folds' probe model --cases cases.jsonl --folds 20
refused 2 'are of 1 class' probe model --cases cases.jsonl --classes keys
refused 2 'no text or number nothing in meta' probe model --cases cases.jsonl --classes nothing
sed 's/"meta": {/&"told": true, /' cases.jsonl >told.jsonl
refused 2 'no text or number told in meta' probe model --cases told.jsonl --classes told
refused 2 'matches two points of layer 0' probe model --cases cases.jsonl --at 'blocks.*.hook_*'
refused 2 'matches no point of a layer' probe model --cases cases.jsonl --at 'hook_embed'
refused 2 'has the axes head row key' probe model --cases cases.jsonl --at 'blocks.*.attn.hook_pattern'
refused 2 'no span nowhere' probe model --cases cases.jsonl --rows nowhere
refused 2 'no inverse strength' probe model --cases cases.jsonl --l2-c 0
refused 2 'no layer of the model is recurrent' probe model --cases cases.jsonl --constrain recurrent=5
expect 2 'give -o FILE' probe model --cases cases.jsonl --weights
finish
