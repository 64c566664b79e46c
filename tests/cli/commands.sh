#!/bin/sh
# commands.sh PROGRAM JSON_OK - the whole way on a planted model: plant, inspect, cases, score, record, figures; and --json of every
# command.
. "$(dirname "$0")/common.sh"

json() {   # json SCHEMA KEY VALUE ARGS...: the answer is one JSON object of this schema whose KEY prints as VALUE ('' = whatever)
    schema=$1 key=$2 value=$3
    shift 3
    "$NEEDLESCOPE" "$@" --json >out 2>err || fail "$* --json: exit $?: $(head -c 300 err)"
    got=$("$JSON_OK" "needlescope.$schema/1" "$key" <out 2>err) || fail "$* --json: $(cat err)"
    [ -z "$value" ] || [ "$got" = "$value" ] || fail "$* --json: $key is $got, not $value"
}

run lab plant -o MODEL --retrieval 3.1,4.6
run inspect MODEL --json
run inspect MODEL --points --cost --tensors --arch-out arch.json
grep -q hook_pattern out || fail "inspect --points lacks hook_pattern"
run inspect --families
grep -q '^qwen3_next$' out || fail "inspect --families lacks qwen3_next: $(cat out)"
run cases needle --model MODEL --lengths 64,96 --depths 0:1:3 --count 2 --seed 0 -o cases.jsonl
[ "$(wc -l <cases.jsonl)" -eq 12 ] || fail "2 lengths x 3 depths x 2 are not 12 cases"
run score MODEL --cases cases.jsonl --probe retrieval_mass,retrieval_copy,induction --threads 2 -o scores.h5
grep -Eq '^retrieval_copy +1 +(3 +1|4 +6) ' out || fail "the best head is not a planted one: $(cat out)"
grep -q '12 of 12 scored' out || fail "not all cases were scored"
run record MODEL --cases cases.jsonl --at 'blocks.*.attn.hook_pattern' --at 'blocks.*.hook_resid_post' --at hook_logits --maps dense \
    --dtype f32 -o rec.h5
run figure heads scores.h5 --score retrieval_mass -o heads.pdf
run figure heads scores.h5 --score retrieval_copy --top 2 --mark 0.0 -o heads.svg
run figure map rec.h5 --layer 3 --head 1 -o map.png
run figure map rec.h5 --layer 3 --head 1 --case 5 --log -o map.pdf
[ "$(head -c 4 heads.pdf)" = %PDF ] && [ "$(head -c 4 map.pdf)" = %PDF ] || fail "not PDF"
[ "$(head -c 4 map.png | tail -c 3)" = PNG ] || fail "not PNG"
grep -q '<svg' heads.svg || fail "not SVG"
grep -q 'figure heads scores.h5 --score retrieval_copy' heads.svg || fail "the command line is not in the figure"

# the architecture written out and given back computes the same
run score MODEL --cases cases.jsonl --probe induction --json -o a.h5
first=$("$JSON_OK" needlescope.score/1 top <out)
cp out first.json
run score MODEL --arch arch.json --cases cases.jsonl --probe induction --json -o b.h5
sed '/sha256\|"file"/d' first.json >a && sed '/sha256\|"file"/d' out >b
cmp -s a b || fail "--arch of --arch-out scores otherwise ($first)"

# recordings in every form
for maps in stats+topk rows topk pooled stats; do
    run record MODEL --cases cases.jsonl --maps $maps -o rec_$maps.h5
done
run record MODEL --cases cases.jsonl --maps rows --rows span:needle -o span.h5
run record MODEL --cases cases.jsonl --at 'blocks.2.attn.hook_q' --rows 0,5,-1 -o rows.h5
run figure map rec_rows.h5 --layer 4 --head 6 -o rows.png
# maps of fewer layers than other points have: the layer is looked for among those of the maps
run record MODEL --cases cases.jsonl --at 'blocks.3.attn.hook_pattern' --at 'blocks.*.hook_resid_post' --maps dense -o some.h5
run figure map some.h5 --layer 3 --head 1 -o some.png
expect 2 'layer 0 of case .* was not recorded; these were: 3' figure map some.h5 --layer 0 --head 1 -o no.png
expect 2 'maps' figure map rec_topk.h5 --layer 4 --head 6 -o no.png
expect 2 "score 'nothing'.*retrieval_copy" figure heads scores.h5 --score nothing -o no.png
expect 2 'layer 99' figure map rec.h5 --layer 99 --head 0 -o no.png
[ ! -e no.png ] || fail "a figure of nothing"

json inspect n_layers 6 inspect MODEL
json inspect points '' inspect MODEL --points
json cases n_cases 12 cases check cases.jsonl
json cases n_cases 3 cases repeat --model MODEL --length 40 --count 3 -o repeat.jsonl
json score n_answered 12 score MODEL --cases cases.jsonl --probe retrieval_find --top 1
json score n_cases 3 score MODEL --cases repeat.jsonl --probe induction,previous_token
run score MODEL --cases repeat.jsonl   # without --probe: those that can score repeats
grep -q '^induction ' out && ! grep -q '^retrieval_find ' out && grep -q 'left out: no answer' err ||
    fail "the default probes of repeats: $(cat out err)"
# probes of one's own, weights against a reference, decoding, intervals
echo '{"name": "own_find", "rows": "first", "keys": "aligned:needle_answer", "stat": "argmax_hit"}' >own.json
run score MODEL --cases cases.jsonl --probe retrieval_find --probe-def own.json --reference MODEL --compat wu2024 --resamples 50 --json
"$JSON_OK" needlescope.score/1 top <out >/dev/null || fail "score --json: $(head -c 300 out)"
for name in own_find qk_distance retrieval_wu2024 retrieval_find_nosink; do
    grep -q "\"$name\"" out || fail "no $name in the scores"
done
echo '{"name": "own_find", "rows": "first", "keys": "needle", "stat": "msas"}' >own.json
expect 65 'did you mean mass' score MODEL --cases cases.jsonl --probe-def own.json
expect 66 'none.json' score MODEL --cases cases.jsonl --probe-def none.json
json probes scores '' score --list
json record estimated_bytes '' record MODEL --cases cases.jsonl --estimate
run cases needle --model MODEL --lengths 60 --depths .2,.8 --count 2 --twins swap,absent -o twins.jsonl
json patch n_pairs 4 patch MODEL --cases twins.jsonl --heads 3.1,4.6 --draws 3 -o patching.h5
grep -q '"n_dropped":[[:space:]]*4,' out && grep -q 'first answer token of its twin' out ||
    fail "absent twins have their original's answer: $(head -c 300 out)"
run figure heads patching.h5 --score recovery --top 3 -o recovery.svg
expect 2 'twin_of' patch MODEL --cases cases.jsonl
expect 2 '3.99' patch MODEL --cases twins.jsonl --heads 3.99
expect 2 'one of them says which heads' patch MODEL --cases twins.jsonl --heads 3.1 --scores scores.h5
expect 2 'nothing to patch' patch MODEL --cases twins.jsonl --no-map
expect 2 'say which heads' ablate MODEL --cases twins.jsonl
run figure heads scores.h5 --score retrieval_find,retrieval_copy,induction --top 2 -o row.svg
grep -q '>induction<' row.svg && grep -q '>retrieval_find<' row.svg || fail "maps side by side lack a name"
expect 2 "score 'nothing'" figure heads scores.h5 --score retrieval_find,nothing -o no.png
run patch MODEL --cases twins.jsonl --site q -o q.h5
run figure heads patching.h5 q.h5 --score recovery --vmin -1 --vmax 1 -o row.svg
grep -q '>patching: recovery<' row.svg && grep -q '>q: recovery<' row.svg || fail "maps of two files lack the files' names"
cp scores.h5 again.h5
run figure heads scores.h5 again.h5 --score retrieval_find,retrieval_copy,induction,copy_any -o eight.svg
[ "$(grep -c '>again: induction<' eight.svg)" -eq 1 ] && [ "$(grep -cE '>(scores|again): ' eight.svg)" -eq 8 ] ||
    fail "eight maps are not eight"
files=$(for i in 1 2 3 4 5 6 7; do cp scores.h5 "file$i.h5" && echo "file$i.h5"; done)
# shellcheck disable=SC2086  # a list
expect 2 '28 maps .files x scores.; 1 to 24' figure heads $files --score retrieval_find,retrieval_copy,induction,copy_any -o no.png
expect 66 'no.h5' figure heads scores.h5 no.h5 --score retrieval_find -o no.png
run figure rank scores.h5 --score retrieval_find,induction --top 5 -o rank.svg
grep -q '>3.1<' rank.svg && grep -q '95 %' rank.svg || fail "figure rank does not name the planted head with its interval"
run figure rank scores.h5 -o usual.svg
grep -q '>retrieval_find<' usual.svg || fail "figure rank without --score does not draw the usual one"
expect 2 "no score 'length' .a dataset of another kind." figure rank scores.h5 --score length -o no.png
run figure agreement scores.h5 -o agreement.svg
run figure agreement scores.h5 --by spearman --score retrieval_find,retrieval_copy -o agreement.svg
grep -q '>retrieval_copy<' agreement.svg || fail "figure agreement lacks a score"
expect 2 "no score 'nothing'" figure agreement scores.h5 --score retrieval_find,nothing -o no.png
run figure grid scores.h5 -o grid.svg
grep -q '>96<' grid.svg && grep -q '2 cases a cell' grid.svg || fail "figure grid lacks a length or the number of cases"
run figure grid scores.h5 --of find --head 3.1 -o grid.svg
expect 2 'which head' figure grid scores.h5 --of find -o no.png
expect 2 'layers of' figure grid scores.h5 --of find --head 99.0 -o no.png
expect 2 'belongs to --of find' figure grid scores.h5 --head 3.1 -o no.png
expect 2 'is a recording, not a score file' figure grid rec.h5 -o no.png
run ablate MODEL --cases cases.jsonl --heads 3.1 --mode zero_z,knockout --draws 3 --loss-cases 0 -o ablation.h5
run figure ablation ablation.h5 -o ablation.svg
grep -q '>knockout<' ablation.svg && grep -q 'each draw' ablation.svg || fail "figure ablation lacks a set or its controls"
run figure ablation patching.h5 -o ablation.pdf
expect 2 'drawn apart' figure ablation ablation.h5 patching.h5 -o no.png
expect 2 'scores.h5: is a score file, not an ablation or a patching' figure ablation scores.h5 -o no.png
[ ! -e no.png ] || fail "a figure of nothing"
json figure file f.png figure heads scores.h5 --score induction -o f.png
json plant folder other lab plant -o other --layers 4 --retrieval 2.0 --window 16
json doctor failed 0 doctor

# stderr is quiet when asked, stdout says the same
run score MODEL --cases cases.jsonl --probe induction --quiet
[ ! -s err ] || fail "--quiet speaks: $(cat err)"
# heads that are known: every score in its range, every silenced set as planted
run doctor --self-test
no_line FAILED out "doctor --self-test: $(grep FAILED out)"
[ "$(grep -c ' ok$' out)" -ge 250 ] || fail "doctor --self-test compares almost nothing: $(grep -c ' ok$' out) rows"


# --olmo3-rope says in which layers of an OLMo 3 the rotation is scaled: in those that see all keys (the last of this one), unless
# all-layers is asked for. Every command that runs the model obeys; one that knows no such thing is refused.
olmo=$(dirname "$0")/../golden/fixtures/olmo3-yarn
run cases needle --vocab 64 --lengths 40 --depths .5 --count 2 --twins swap -o olmo.jsonl
sets() { "$NEEDLESCOPE" verify --content "$1" | grep "^dataset .*$2" || fail "$1 has no $2"; }
made() {    # a random model answers none of the cases: 1 is as good as 0
    "$NEEDLESCOPE" "$@" >out 2>err
    [ $? -le 1 ] || fail "$*: $(cat err)"
}
mkdir -p series && cp -r "$olmo" series/step1
for where in default full-layers all-layers; do
    rope="--olmo3-rope $where"
    [ $where != default ] || rope=
    # shellcheck disable=SC2086  # an option and its value, or nothing
    {
        run record "$olmo" --cases olmo.jsonl --at 'blocks.*.attn.hook_rot_q' --dtype f32 $rope -o $where.rec.h5
        made score "$olmo" --cases olmo.jsonl --probe previous_token $rope -o $where.score.h5
        made ablate "$olmo" --cases olmo.jsonl --heads 0.1 --draws 2 --mode zero_z --loss-cases 0 $rope -o $where.ablate.h5
        made patch "$olmo" --cases olmo.jsonl --heads 0.1 --draws 2 --resamples 20 $rope -o $where.patch.h5
        made scan series --cases olmo.jsonl --probe previous_token $rope -o $where.scan
        run inspect "$olmo" $rope --arch-out $where.arch.json
    }
    cp $where.scan/shards/series/step000001.h5 $where.scan.h5
done
# a row for each shape that a point has: keys of both kinds of layers, decays that are one number of a head
run inspect "${olmo%/*}/qwen3_next" --points
for row in 'hook_k +0-2 +row k_head d_key +\[row, 2, 12\]' 'hook_v +0-2 .*\[row, 6, 10\]' 'hook_v +3 .*\[row, 2, 12\]' \
    'hook_log_decay +0-2 +row head one +\[row, 6, 1\]' 'hook_pattern +0-2 .*unrolled recurrence' 'hook_pattern +3 .*softmax'; do
    grep -Eq "^blocks\.%\.attn\.$row" out || fail "inspect --points lacks $row: $(cat out)"
done
# a list of layers, or a switch of biases, that the tensors contradict: the entry and the key are named
changed() {  # changed FIXTURE SED SAYS
    rm -rf changed && cp -r "${olmo%/*}/$1" changed && sed -i "$2" changed/config.json
    ! "$NEEDLESCOPE" inspect changed >out 2>err && grep -q "$3" err || fail "$1 with $2 does not say '$3': $(cat err)"
}
changed qwen3_next '0,/linear_attention/s/"linear_attention"/"full_attention"/' \
    "attn.q of layer 0; layer_types\[0\] is 'full_attention', num_hidden"
changed nemotron_h 's/"mlp"/"moe"/' "of layer 1[,;] .*layers_block_type\[1\] is 'moe'"
changed falcon_h1 's/"mamba_conv_bias": true/"mamba_conv_bias": false/' "conv1d.bias' and 3 more would not be used: .*mamba_conv_bias"
cmp -s default.arch.json full-layers.arch.json || fail "full-layers is not the default of inspect"
! cmp -s default.arch.json all-layers.arch.json || fail "inspect --olmo3-rope has no effect"
for made in rec:hook_rot_q score:case_previous_token scan:case_previous_token ablate:margin patch:difference; do
    file=${made%:*}.h5 what=${made#*:}
    [ "$(sets default.$file "$what")" = "$(sets full-layers.$file "$what")" ] || fail "full-layers is not the default of ${made%:*}"
    [ "$(sets default.$file "$what")" != "$(sets all-layers.$file "$what")" ] || fail "${made%:*} --olmo3-rope has no effect"
done
[ "$(sets default.rec.h5 blocks.0.attn.hook_rot_q)" != "$(sets all-layers.rec.h5 blocks.0.attn.hook_rot_q)" ] ||
    fail "all-layers leaves a window's layer as it was"
finish
