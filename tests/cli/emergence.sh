#!/bin/sh
# emergence.sh PROGRAM JSON_OK - a series of planted checkpoints whose heads are born, die and come back at known steps: plant, scan, merge,
# emergence find each of them, and nothing else.
. "$(dirname "$0")/common.sh"

run lab plant a --series 20 --every 10 --births 30,120,40:110,30:80:140,never --retrieval 3.1,3.4,4.6,4.2,5.0 --seed 3
run cases needle --model a/step000010 --lengths 60 --depths 0:1:5 --count 6 -o cases.jsonl
run scan a --cases cases.jsonl --probe retrieval_find,previous_token -o scan
run merge scan
run emergence scan/study.h5 -o births.csv

# life LAYER HEAD LIFE: step of its birth and of its death, empty where there is none
life() {
    awk -F, -v layer="$1" -v head="$2" -v life="$3" '$2 == layer && $3 == head && $5 == life {print $8 "/" $12}' births.csv
}
[ "$(life 3 1 0)" = 30/ ] || fail "early: $(life 3 1 0)"
[ "$(life 3 4 0)" = 120/ ] || fail "late: $(life 3 4 0)"
[ "$(life 4 6 0)" = 40/110 ] || fail "dying again: $(life 4 6 0)"
[ "$(life 4 2 0) $(life 4 2 1)" = '30/80 140/' ] || fail "born again: $(life 4 2 0) $(life 4 2 1)"
[ "$(life 5 0 0)" = / ] || fail "never: $(life 5 0 0)"
[ "$(awk -F, 'NR > 1 && $8 != ""' births.csv | wc -l)" -eq 5 ] ||
    fail "other heads are born than were planted: $(awk -F, 'NR > 1 && $8 != ""' births.csv)"

# what uniform attention has of the 32 nearest keys of rows 56 to 59, by our definition and by one of the caller's: no birth is below that
echo '{"name": "near", "rows": "last:4", "keys": "local:32", "stat": "mass"}' >near.json
run scan a --cases cases.jsonl --probe local_mass --probe-def near.json --steps 10,30 -o near
run merge near
for score in local_mass near; do
    run emergence near/study.h5 --score $score --previous '' --persist 1 --json
    grep -Eq '"chance":[[:space:]]*0\.5472' out && grep -Eq '"theta":[[:space:]]*0\.7736' out ||
        fail "chance of $score: $(grep -E 'chance|theta' out)"
done

# of the caller's rows and keys: rows 1 and 2 see two and three keys; the file says it of every head
echo '{"name": "second", "rows": [1, 2], "keys": "offset:-1", "stat": "mass"}' >second.json
run scan a --cases cases.jsonl --probe needle_mass --probe-def second.json --steps 10,30 -o second
run merge second
run emergence second/study.h5 --score second --previous '' --persist 1 --json
grep -Eq '"chance":[[:space:]]*0\.41666' out || fail "chance of rows 1 and 2: $(grep -E 'chance|theta' out)"
run verify --content second/study.h5
grep -q ' /\{0,1\}needle_mass_chance' out && grep -q ' /\{0,1\}second_chance' out || fail "no chance of each head: $(grep chance out)"

# equal weights are duplicates wherever they stand; what lies far from both neighbours is a jump
cp -r a strange && echo '{"name": "strange"}' >strange/run.json
run lab plant other --series 2 --every 10 --births 10,10,10,10,10 --retrieval 3.1,3.4,4.6,4.2,5.0 --seed 99
cp other/step000010/model.safetensors strange/step000060
cp a/step000150/model.safetensors strange/step000180
head -1 cases.jsonl >one.jsonl
run scan strange --cases one.jsonl --probe retrieval_find -o strange.scan
run merge strange.scan
run emergence strange.scan/study.h5
grep -Eq 'strange +60 .*  jump' out && [ "$(grep -c 'jump' out)" = 1 ] || fail "a checkpoint of another run is no jump: $(grep strange out)"
grep -Eq 'strange +180 .*duplicate of 140' out && grep -Eq 'strange +10 .*duplicate of 0' out && ! grep -Eq 'strange +30 .*dupl' out ||
    fail "equal weights are no duplicates: $(grep strange out)"

# the architecture may change along a run: said at its steps by study, emergence and figures; where it stays nothing is
run emergence scan/study.h5
no_line 'Where the architecture changes' out "a change where there is none"
run figure curves scan/study.h5 -o curves.svg
no_line 'the architecture changes' curves.svg "a tick where nothing changes"
mkdir staged
for step in 10 20 30 40 50; do cp -r a/step0000$step staged; done
for step in 30 40 50; do
    sed -i 's/"rope_theta":[[:space:]]*100,/"rope_theta": 5000,/
        s/"layer_types":[[:space:]]*\["full_attention"/"layer_types": ["sliding_attention"/
        s/"use_sliding_window":[[:space:]]*false/"use_sliding_window": true/; s/"sliding_window":[[:space:]]*null/"sliding_window": 32/' \
        staged/step0000$step/config.json
done
sed -i 's/"no_rope_layers":[[:space:]]*\[1, 1/"no_rope_layers": [1, 0/
    s/"rope_scaling":[[:space:]]*null/"rope_scaling": {"type": "linear", "factor": 4}/' \
    staged/step000050/config.json
run scan staged --cases one.jsonl --probe retrieval_find -o staged.scan
run merge staged.scan
run emergence staged.scan/study.h5 --persist 1
grep -q 'staged *30 *30 *RoPE base 100 -> RoPE base 5000 (3 layers); full attention -> window 32 (1 layer)' out &&
    grep -q 'staged *50 *50 *RoPE base 5000 -> RoPE base 5000, linear 4 (2 layers); RoPE base 5000 -> no RoPE (1 layer)' out ||
    fail "emergence does not say where the architecture changes: $(grep -A4 architecture out)"
[ "$(grep -c ' -> ' out)" = 2 ] || fail "more changes than there are: $(grep ' -> ' out)"
run emergence staged.scan/study.h5 --persist 1 --json
[ "$(grep -c '"change":' out)" = 2 ] || fail "emergence --json: $(grep '"change"' out)"
for figure in curves births laziness strip; do
    run figure $figure staged.scan/study.h5 -o f.svg
    [ "$(grep -c '>the architecture changes<' f.svg)" = 1 ] || fail "figure $figure has no key of its ticks"
done
# the same config and other windows are another --arch, and no run
run inspect a/step000010 --arch-out arch.json
sed 's/"window":[[:space:]]*0/"window": 16/' arch.json >window.json
run scan a --cases one.jsonl --probe retrieval_find --steps 10,20 -o mixed
run scan a --cases one.jsonl --probe retrieval_find --steps 20,20 --arch window.json --force -o mixed
expect 65 'not one run' merge mixed

# the seed is the unit: two runs of one seed and the same coordinates are not two seeds
mkdir twins
for copy in one two; do
    cp -r a twins/$copy
    echo "{\"name\": \"$copy\", \"coords\": {\"arm\": \"swa\", \"window\": 4, \"seed\": 3}}" >twins/$copy/run.json
done
run scan twins/one twins/two --cases cases.jsonl --probe retrieval_find,previous_token --steps 10,30 -o seeds
run merge seeds
for command in emergence laziness; do
    expect 2 "runs 'one' and 'two' are both swa W=4 with seed 3" $command seeds/study.h5 --persist 1
done
# figures and notebooks draw both, each under its run's name, and say so; to one run it does not matter
for figure in 'laziness --persist 1' curves 'births --persist 1' 'pairs --persist 1'; do
    # shellcheck disable=SC2086  # a kind and its options
    run figure $figure seeds/study.h5 -o twins.svg
    for copy in one two; do grep -q ">$copy swa W=4<" twins.svg || fail "figure $figure does not draw the run '$copy'"; done
    grep -q '2 runs are drawn apart: others of their kind have their seed' out || fail "figure $figure does not say so: $(cat out)"
    # shellcheck disable=SC2086
    run figure $figure seeds/study.h5 --width 3.3 --font-size 12 -o twins.svg
    ! grep '^crowded' out || fail "figure $figure in 12 points is crowded"
done
run figure strip seeds/study.h5 --persist 1 --run two -o twins.svg
grep -q '>[^<]*run two' twins.svg || fail "the strip is of another run"
run export notebook seeds/study.h5 --persist 1 -o twins.ipynb
no_line 'are both swa' twins.ipynb "a notebook of two runs of one seed lacks births"
run view seeds/study.h5 -o twins.html
no_line 'no births: .*are both' out "a page of two runs of one seed lacks births"

# windows of other arms than the usual one: the arms that are there, and the option
for window in 4 8; do
    mkdir -p arms && cp -r a arms/$window
    echo "{\"name\": \"gla-$window\", \"coords\": {\"arm\": \"gla\", \"window\": $window, \"seed\": 3}}" >arms/$window/run.json
done
run scan arms/4 arms/8 --cases cases.jsonl --probe retrieval_find --steps 10,30 -o arms/scan
run merge arms/scan -o arms.h5
expect 2 '0 windows to compare in arm swa or none: choose another with --arm; the runs have the arms gla' laziness arms.h5 --persist 1
run laziness arms.h5 --persist 1 --arm gla
expect 2 '^[^;]* no score .retrieval_find.; it has local_mass, [a-z_, ]*near; choose with --score' emergence near/study.h5
expect 2 "no score 'local'[^;]*; it has [^;]*$" emergence near/study.h5 --score local

# a run that ends before the horizon: refused, or left out by name
run lab plant b --series 12 --every 10 --births 30,60,40:110,30:80,never --retrieval 3.1,3.4,4.6,4.2,5.0 --seed 4
run scan a b --cases cases.jsonl --probe retrieval_find,previous_token -o both
run merge both
horizon=$("$NEEDLESCOPE" emergence scan/study.h5 --json | tr ',' '\n' | sed -n 's/.*"horizon": *//p')
expect 2 "run 'b' ends at" emergence both/study.h5 --horizon "$horizon"
run emergence both/study.h5 --horizon "$horizon" --leave-short -o long.csv
cmp -s births.csv long.csv || fail "left out: another table than of the long run alone: $(diff births.csv long.csv | head -4)"
grep -q "run 'b': no scored checkpoint" err || fail "what is left out is not said: $(cat err)"

# the figures of a study: what is planted is drawn
shows() {
    figure=$1
    shift
    for word; do grep -q ">[^<]*$word" "$figure" || fail "$figure does not say '$word'"; done
}
run figure laziness both/study.h5 -o laziness.svg
shows laziness.svg Laziness 'retrieval (find)' 'previous token' 'needle accuracy' a b 30 tokens
k=0 windows='4 16 32'
for arm in two three one; do           # told apart by what differs: the window of half of the heads, and the arm of all that share a name
    mkdir -p named && cp -r a named/$arm && cp -r a named/$arm-H
    echo "{\"coords\": {\"arm\": \"$arm\", \"pattern\": \"FFFF\", \"seed\": 3}}" >named/$arm/run.json
    echo "{\"coords\": {\"arm\": \"heads\", \"pattern\": \"HHHH\", \"window\": ${windows%% *}, \"seed\": 1$((k += 1))}}" \
        >named/$arm-H/run.json
    windows=${windows#* }
done
run scan named/* --cases cases.jsonl --probe retrieval_find --steps 10,30 -o named/scan
run merge named/scan -o named.h5
run figure laziness named.h5 --persist 1 --previous '' -o named.svg
shows named.svg 'one FFFF' 'two FFFF' 'three FFFF' 'HHHH W=4' 'HHHH W=16' 'HHHH W=32'
ordered=$(grep -o '>HHHH W=[0-9]*<' named.svg | uniq | tr -d '\n')           # by number, not by the names of their runs
[ "$ordered" = '>HHHH W=4<>HHHH W=16<>HHHH W=32<' ] || fail "windows of a control arm are drawn in the order $ordered"
run figure strip scan/study.h5 --run a -o strip.svg
shows strip.svg 'run a' L3 L5 retrieval_find death 'not born'
run figure curves both/study.h5 -o curves.svg
shows curves.svg retrieval_find a b
run figure births both/study.h5 --score retrieval_find -o births.png
run figure pairs both/study.h5 -o pairs.pdf
expect 2 'no loss over' figure loss scan/study.h5 -o no.png
expect 2 'no score of previous' figure pairs scan/study.h5 --previous '' -o no.png
expect 2 "no run 'none'; it has a" figure strip scan/study.h5 --run none -o no.png
expect 2 "run 'b' ends at" figure laziness both/study.h5 --horizon "$horizon" -o no.png
expect 2 'not a study' figure curves scan/shards/a/step000010.h5 -o no.png
expect 2 'theta 2' figure births scan/study.h5 --theta 2 -o no.png
expect 2 '-o FILE' figure births scan/study.h5
[ ! -e no.png ] || fail "a figure of nothing"
expect 2 'windows to compare' laziness both/study.h5
expect 2 'not a study' emergence scan/shards/a/step000010.h5
expect 2 "no score 'retrieval_fnd' .did you mean retrieval_find\?.; it has" emergence scan/study.h5 --score retrieval_fnd
# what leaves nothing to find is an error
expect 2 'no birth can be confirmed: it takes 100 measured checkpoints' emergence scan/study.h5 --persist 100 -o none.csv
if "$NEEDLESCOPE" figure births scan/study.h5 -o some.svg >out 2>err; then
    for figure in births pairs; do
        expect 2 'no birth can be confirmed: it takes 100 measured checkpoints' figure $figure scan/study.h5 --persist 100 -o none.svg
        [ ! -e none.svg ] || fail "figure $figure --persist 100 draws"
    done
    for figure in laziness strip; do        # they show scores too, and say what they cannot mark
        run figure $figure scan/study.h5 --persist 100 -o bands.svg
        cat out err | grep -q 'no birth can be confirmed: it takes 100 measured checkpoints' ||
            fail "figure $figure --persist 100 says nothing: $(cat out err)"
        run figure $figure scan/study.h5 -o bands.svg
        ! cat out err | grep -q 'no birth can be confirmed' || fail "figure $figure: $(cat out err)"
    done
fi
expect 2 'no birth can be confirmed: .* no run has more than 1 up to the horizon 1' emergence scan/study.h5 --horizon 1 -o none.csv
[ ! -e none.csv ] || fail "lives of which none can be confirmed"
run emergence scan/study.h5 -o lives.csv
run export csv scan/study.h5 -o values.csv
names() { grep -o '^[[:space:]]*"[a-z_0-9@]*"' "$1" | sort; }
grep -q '"url":[[:space:]]*"lives.csv"' lives.csv-metadata.json &&
    grep -q '"command_line":.*emergence scan/study.h5' lives.csv-metadata.json ||
    fail "what made lives.csv: $(cat lives.csv-metadata.json)"
names lives.csv-metadata.json >lives.names
names values.csv-metadata.json | cmp -s - lives.names || fail "births say other things of their making than values: $(cat lives.names)"
run emergence scan/study.h5 -o -
[ ! -e /dev/stdout-metadata.json ] && [ ! -e -metadata.json ] || fail "a file beside standard output"
finish
