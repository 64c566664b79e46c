#!/bin/sh
# laziness.sh PROGRAM JSON_OK - lab laziness from nothing to the summary on tiny models: every file is there, a killed call goes on to the
# same summary, and every refusal.
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"

cp "$here/../tiny_protocol.json" tiny.json

run lab laziness --protocol tiny.json --quick -o calm --json
"$JSON_OK" needlescope.laziness/1 claims <out >/dev/null || fail "lab laziness --json: $(head -c 300 out)"
for f in study.h5 summary.json summary.txt protocol.json runs/SFS-W4-s5/step000040/model.safetensors runs/FFF-s5/metrics.h5 \
    lengths/SFS-W16-s5-step000040.h5; do
    [ -s calm/$f ] || fail "no $f"
done
grep -q 'Large-Window Laziness (quick): 3 runs, seeds 5 to 5, horizon 40 steps' calm/summary.txt ||
    fail "summary: $(head -3 calm/summary.txt)"
for figure in laziness births pairs curves loss strip-SFS-W4-s5 strip-FFF-s5; do
    for ending in png pdf svg; do [ -s calm/figures/$figure.$ending ] || fail "no $figure.$ending"; done
done
for made in figures/laziness.svg figures/ablation.pdf figures/strip-FFF-s5.png figures/curves.pdf runs/FFF-s5/metrics.h5 study.h5; do
    [ -e calm/$made ] || [ $made = figures/ablation.pdf ] || fail "no $made"
    [ -e calm/$made ] || continue
    case $made in figures/*) by='lab laziness --protocol tiny.json --quick -o calm' ;; runs/*) by='train ' ;; *) by='merge ' ;; esac
    run verify --facts calm/$made
    grep -q "^command_line.*needlescope $by" out && grep -q 'created_utc' out || fail "$made does not say who made it: $(cat out)"
    case $made in
    figures/*) ! grep -Eq '^(hostname|created_utc)' out || fail "$made says when or where it was drawn" ;;
    *) grep -q "^created_utc" out && grep -q "^hostname.*$(hostname)" out || fail "$made does not say where it was made: $(cat out)" ;;
    esac
done
for claim in P1 P2 Cause P3 P4; do grep -q "^$claim: " calm/summary.txt || fail "the summary lacks $claim"; done
# patterns are this protocol's
grep -q 'SFS W=4 before FFF (no window at all)' calm/summary.txt && ! grep -Eq 'SSFS|FFFF|sSF' calm/summary.txt ||
    fail "the summary speaks of other patterns: $(grep -E ' before |SSFS|FFFF|sSF' calm/summary.txt)"
grep -q 'SFS W=4' calm/summary.json || fail "the summary's JSON has no pattern: $(grep earlier calm/summary.json)"
! grep -q 'not measured' calm/summary.txt || fail "$(grep 'not measured' calm/summary.txt)"
[ -z "$(find calm -name '*.tmp.*')" ] || fail "leaves $(find calm -name '*.tmp.*')"
run laziness calm/study.h5
grep -q 'Births of the previous-token head' out && grep -q '^full FFF' out || fail "laziness lacks births or controls: $(cat out)"
run laziness calm/study.h5 --json
"$JSON_OK" needlescope.laziness/1 pairs <out >/dev/null || fail "laziness --json: $(head -c 300 out)"
expect 2 '1 window to compare in arm full' laziness calm/study.h5 --arm full
expect 2 "no run has arm 'swb' .did you mean swa" laziness calm/study.h5 --arm swb
expect 2 'theta 0' laziness calm/study.h5 --theta 0
# births are crossings of a share from below: no others can be asked for; a horizon that leaves nothing is no horizon
expect 2 "births of 'entropy_norm'" emergence calm/study.h5 --score entropy_norm
expect 2 "births of 'qk_distance'" laziness calm/study.h5 --score qk_distance
expect 2 "births of 'entropy_norm'" emergence calm/study.h5 --previous entropy_norm
expect 2 'horizon -5' emergence calm/study.h5 --horizon -5
run export notebook calm/study.h5 --score entropy_norm -o entropy.ipynb
grep -q "births of 'entropy_norm'" err && ! grep -q '"births"' entropy.ipynb || fail "a notebook of entropies: $(cat err)"
run emergence calm/study.h5 --json
"$JSON_OK" needlescope.emergence/1 thresholds <out >/dev/null || fail "emergence --json: $(head -c 300 out)"
grep -q '"null_control":[[:space:]]*"distractors"' out || fail "the null is not against distractors: $(grep null_control out)"
# checkpoints of two runs in one folder
cp -r calm/runs/SFS-W4-s5 mixed && rm -r mixed/step000040 && cp -r calm/runs/SFS-W16-s5/step000040 mixed/
expect 65 "'step000040' is of another run than 'step000030'" scan mixed --cases calm/cases/64.jsonl --probe retrieval_find -o nowhere
# nothing is done twice
touch mark
run lab laziness --protocol tiny.json --quick -o calm
again=$(find calm/runs calm/scan -newer mark -name 'step*.h5' -o -newer mark -name '*.safetensors')
[ -z "$again" ] || fail "trained or scanned again: $again"
grep -q '^P2: ' out || fail "the summary is not printed: $(head -c 300 out)"

# files of its own that another program changed: a note each, those of the shards counted
for file in runs/FFF-s5/metrics.h5 lengths/SFS-W16-s5-step000040.h5; do
    head -c -28 calm/$file >bare && cp bare calm/$file
done
run lab laziness --protocol tiny.json --quick -o calm
for file in runs/FFF-s5/metrics.h5 lengths/SFS-W16-s5-step000040.h5; do
    [ "$(grep -c "calm/$file has no seal" err)" -eq 1 ] || fail "lab laziness: not one note of $file: $(cat err)"
done
[ "$(grep -c 'calm/study.h5: 1 of the shards and metrics has no seal' err)" -eq 1 ] || fail "lab laziness: not of the study: $(cat err)"

# killed with its children still at work, and called again
"$NEEDLESCOPE" lab laziness --protocol tiny.json --quick -o killed >out 2>err &
pid=$!
sleep 0.3
kill -9 $pid
wait $pid 2>/dev/null
run lab laziness --protocol tiny.json --quick -o killed
cmp -s calm/summary.json killed/summary.json ||
    fail "killed and called again: another summary: $(diff calm/summary.json killed/summary.json | head -5)"
# interrupted: 143, no child left behind
"$NEEDLESCOPE" lab laziness --protocol tiny.json -o stopped >out 2>err &
pid=$!
sleep 0.3
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "SIGTERM: exit $code: $(cat err)"
# what stands where a log, a job's output or the lock goes is told by its kind at once, and nothing goes through a link
printf precious >victim
for place in log/FFF-s5.log log/FFF-s5.json lock; do
    for kind in 'a FIFO' 'a symbolic link' 'a folder'; do
        rm -rf taken && mkdir -p taken/log
        case $kind in
            'a FIFO') mkfifo taken/$place ;;
            'a folder') mkdir taken/$place ;;
            *) ln -s "$PWD/victim" taken/$place ;;
        esac
        timeout 60 "$NEEDLESCOPE" lab laziness --protocol tiny.json --quick -o taken >out 2>err
        code=$?
        [ $code -eq 73 ] && grep -q "taken/$place: exists and is $kind, not a file (remove it)" err ||
            fail "$kind as $place: exit $code: $(cat err)"
        [ "$(cat victim)" = precious ] || fail "$place is written through a link"
        [ $place = lock ] && [ -e taken/protocol.json ] && fail "$kind as lock: the folder is worked in"
    done
done
# a run that cannot be trained is named, the others go on, and the summary says so
sed 's/"pattern": "FFF"/"pattern": "FXF"/' tiny.json >broken.json
"$NEEDLESCOPE" lab laziness --protocol broken.json --quick -o broken >out 2>err
[ $? -eq 1 ] && grep -q 'not measured: FXF-s5' out && grep -q "warning: FXF-s5: train failed: .*pattern 'FXF'" err ||
    fail "broken: $(head -c 400 err)"

# a recurrent arm fails as others do: its scan cannot make its folder here, and merge passes over what lies there
sed -e 's/"arm": "full", "pattern": "FFF"/"arm": "recurrent", "pattern": "GFG"/' -e 's/"theta": 0.5/"theta": 0.4/' \
    -e 's/"consecutive": 3/"consecutive": 2/' tiny.json >mixer.json
mkdir -p mixer/scan/shards && : >mixer/scan/shards/GFG-s5
"$NEEDLESCOPE" lab laziness --protocol mixer.json --quick -o mixer >out 2>err
[ $? -eq 1 ] && grep -q '1 job failed' out && grep -q 'not measured: GFG-s5' out && grep -q 'warning: GFG-s5-scan: scan failed' err ||
    fail "recurrent: $(head -c 400 err)"
# and the page says what a birth is by this protocol
grep -q '^Born: the first of 2 checkpoints in a row with retrieval_find of 0.4 and more' out || fail "what a birth is: $(head -c 900 out)"
grep -q '"theta":[[:space:]]*0.4' mixer/summary.json && grep -q '"consecutive":[[:space:]]*2' mixer/summary.json ||
    fail "the rule of births is not in summary.json"

# the mixers: claims of their own, and none about arms that this study does not have
sed -e 's/"arm": "full", "pattern": "FFF"/"arm": "mamba2", "pattern": "MFM"/' \
    -e '/"arm": "nope"/ { s/nope/gated_deltanet/; s/SFS", .*"in": .*"default"/dFD", "in": ["quick"/; }' tiny.json >arms.json
run lab mixers --protocol arms.json --quick -o arms --json
"$JSON_OK" needlescope.mixers/1 claims <out >/dev/null || fail "lab mixers --json: $(head -c 300 out)"
for claim in Whether When 'P5 mamba2' 'P5 gated_deltanet' P1 P2; do
    grep -q "^$claim: " arms/summary.txt || fail "the summary lacks $claim"
done
! grep -Eq '^(P3|P4|Cause|Competition): ' arms/summary.txt && ! grep -q 'not measured' arms/summary.txt ||
    fail "the summary of the mixers: $(cat arms/summary.txt)"
run lab mixers --print-protocol
grep -q '"name": "mixers"' out || fail "--print-protocol: $(head -c 200 out)"

# refusals
expect 2 'another protocol' lab laziness --protocol broken.json --quick -o calm
expect 2 'quick or --full' lab laziness --quick --full -o x
expect 2 'window of 0' lab laziness --windows 0,4 -o x
# a threshold that chance reaches is refused before anything is trained
sed 's/"theta": 0.5/"theta": 0.05/; s/"sweep": \[0.3/"sweep": [0.05/' tiny.json >low.json
expect 65 'nothing have 0.1 of previous_at_needle in SFS-W16-s5; a threshold of 0.05' lab laziness --protocol low.json -o low
[ ! -e low/runs/SFS-W16-s5 ] || fail "a run was trained for a threshold that no head can miss"
printf 'seeds: 1' >text.json
expect 65 'JSON' lab laziness --protocol text.json -o x
expect 66 'a device' lab laziness --protocol /dev/null -o x
expect 66 'none.json' lab laziness --protocol none.json -o x
# every key of the protocol is read: one that is missing, and one that nobody reads, is refused by its name
printf '{"sizes": {}}' >empty.json
expect 65 'first_seed is missing' lab laziness --protocol empty.json -o x
sed 's/"sizes": {"quick": .*/"sizes": {"quick": {"seeds": 1, "steps": 40}},/' tiny.json >small.json
expect 65 'sizes.default is missing' lab laziness --protocol small.json -o x
for key in alpha edges_cut_below other_edges_cut_from recall_in_window_above kept_from sweep consecutive theta; do
    sed "s/\"$key\"/\"${key}e\"/" tiny.json >odd.json
    expect 65 "unknown key '${key}e'; did you mean '$key'" lab laziness --protocol odd.json -o x
    sed -E "s/\"$key\": (\[[^]]*\]|[^],}]*)(, *)?//; s/, *}/}/" tiny.json >odd.json
    expect 65 "$key is missing" lab laziness --protocol odd.json -o x
done
sed 's/"checkpoint_every": 10/"checkpoint_every": 40/' tiny.json >odd.json
expect 65 '40 steps with a checkpoint every 40 leave one behind the first.*checkpoint_every at most 20' lab laziness --protocol odd.json \
    --quick -o x
[ ! -e x ] || fail "a protocol that is refused makes a folder"
sed 's/"checkpoint_every": 10/"checkpoint_every": 20/' tiny.json >two.json
run lab laziness --protocol two.json --quick -o two
sed 's/"alpha": 0.05/"alpha": 1/' tiny.json >odd.json
expect 65 'claims.alpha is 1' lab laziness --protocol odd.json -o x
sed 's/"sweep": .0.3/"sweep": [0.6/' tiny.json >odd.json
expect 65 'emergence.sweep holds 3 thresholds' lab laziness --protocol odd.json -o x
for score in entropy_norm qk_distance retrieval_mass retrival_find; do
    sed "s/\"score\": \"retrieval_find\"/\"score\": \"$score\"/" tiny.json >odd.json
    expect 65 "emergence.score is '$score'" lab laziness --protocol odd.json -o x
done
expect 73 'no/such' lab laziness --quick -o no/such/place
run lab laziness --print-protocol
grep -q '"first_seed": 100' out || fail "--print-protocol: $(head -c 200 out)"
finish
