#!/bin/sh
# paper.sh PROGRAM JSON_OK - the paper's page on tiny runs: every stage is there, nothing is done twice, what is damaged or half done is
# made anew to the same page, and every refusal is one line.
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"

# tiny NAME PATTERN WINDOW SEED [MORE]: a run of 40 steps
tiny() {
    cat >"$1.json" <<END
{"name": "$1", "coords": {"window": $3}, "checkpoint_every": 10, "validation_seed": 7,
 "train": {"d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 64, "warmup": 4, "max_positions": 256, "steps": 40,
           "pattern": "$2", "window": $3, "seed": $4${5:+, $5}}}
END
    run train "$1.json" -o "runs/$1"
}
mkdir runs
tiny full FFF 64 5
tiny w4 SFS 4 5
tiny w16 SFS 16 5
tiny lightning GFG 64 5
tiny nope SFS 4 5 '"nope": true'

# a plan writes nothing
run paper runs/* -o plan --dry-run
grep -q '^plan: 5 runs of 5 architectures, 1 seed, read at step 40' out && grep -q '^losses *5 to do, 0 there' out &&
    grep -q '^ablation .*, 5 known after the scores' out || fail "plan: $(cat out)"
[ ! -e plan ] || fail 'a dry run writes'

run paper runs/* -o page --json
"$JSON_OK" needlescope.paper/1 claims <out >/dev/null || fail "paper --json: $(head -c 300 out)"
cmp -s out page/paper.json || [ "$(cat out)" = "$(cat page/paper.json)" ] || fail '--json is not paper.json'
for f in study.h5 trace.h5 score/w4.h5 lengths/full.h5 recall/nope.h5 nll/lightning.h5 full/full.h5 efficient/w16.h5 \
    efficient/lightning.h5 probe/w4.h5 gradient/w16.h5 paper.md figures/laziness.png figures/loss.pdf figures/trace.png \
    figures/gradient.pdf; do
    [ -s page/$f ] || fail "no $f"
done
[ ! -e page/efficient/w4.h5 ] || fail 'windows of 4 were constrained to 8'
grep -q '^losses: 0 taken, 5 made, 0 failed' err && grep -q '^efficient layers constrained: 0 taken, 2 made' err ||
    fail "stages: $(cat err)"
! grep -Eq '"verdict":[[:space:]]*"(supported|refuted)"' page/paper.json || fail 'one seed decides something'
[ "$(grep -c '"verdict":[[:space:]]*"not testable here"' page/paper.json)" -ge 3 ] && grep -q 'no p of 1 seed is below 0.5' page/paper.md ||
    fail "verdicts: $(grep verdict page/paper.json)"
[ -z "$(find page -name '*.tmp.*')" ] || fail "leaves $(find page -name '*.tmp.*')"

# again: nothing is done
cp page/paper.json first.json
touch mark
run paper runs/* -o page
cmp -s first.json page/paper.json || fail "another page: $(diff first.json page/paper.json | head -5)"
[ -z "$(find page -name '*.h5' -newer mark)" ] || fail "done again: $(find page -name '*.h5' -newer mark)"
! grep -Eq '^(trace|scores|longer|multi|losses|full|efficient|gradient).* [1-9][0-9]* made' err || fail "made again: $(cat err)"
run paper runs/* -o page --dry-run
grep -q '^losses *0 to do, 5 there' out || fail "plan of what is done: $(cat out)"

# damaged, of another command, of other weights, gone: these are made anew, to the same page
printf x | dd of=page/nll/full.h5 bs=1 seek=2000 conv=notrunc 2>/dev/null
cp page/full/w4.h5 page/full/w16.h5
rm page/gradient/nope.h5
head -c 3000 page/trace.h5 >short && cp short page/trace.h5
run paper runs/* -o page
for stage in 'losses: 4' 'full layers constrained: 4' 'trace: 0' 'gradient influence: 4'; do
    grep -q "^$stage taken, 1 made" err || fail "made anew: no $stage taken: $(cat err)"
done
cmp -s first.json page/paper.json || fail "another page after damage: $(diff first.json page/paper.json | head -5)"
cp -r runs others
run train full.json -o others/more --seed 6
cp others/more/step000040/model.safetensors others/full/step000040/
"$NEEDLESCOPE" verify --inputs page/nll/full.h5 >out 2>err || fail "inputs: $(cat err)"
mv runs/full kept && mv others/full runs/full
"$NEEDLESCOPE" paper runs/* -o page >out 2>err
grep -q '^losses: 4 taken, 1 made' err || fail "other weights are taken for these: $(cat err)"
rm -r runs/full && mv kept runs/full

# a checkpoint that cannot be read: the page is made, and says that something is missing
rm -r others && mkdir others && cp -r runs/w4 others/w4
head -c 2000 runs/w4/step000020/model.safetensors >others/w4/step000020/model.safetensors
"$NEEDLESCOPE" paper others/w4 -o lacks >out 2>err
[ $? -eq 1 ] && grep -q 'what was not scanned is missing from the study: needlescope status lacks/scan' err ||
    fail "a damaged checkpoint is not told of: $(cat err)"
grep -q '^1 job failed' lacks/paper.md || fail "a damaged checkpoint: $(head -9 lacks/paper.md)"

# killed at work, and called again
"$NEEDLESCOPE" paper runs/* -o killed >out 2>err &
pid=$!
sleep 1
kill -9 $pid
wait $pid 2>/dev/null
run paper runs/* -o killed
cmp -s first.json killed/paper.json || fail "killed and called again: another page: $(diff first.json killed/paper.json | head -5)"

# a folder of a laboratory, and a choice of seeds
mkdir lab && cp -r runs lab/runs && tiny w4b SFS 4 6 && mv runs/w4b lab/runs/
run paper lab --dry-run -o no
grep -q '6 runs of 5 architectures, 2 seeds' out || fail "a laboratory: $(cat out)"
run paper lab --seeds 1 --dry-run -o no
grep -q '5 runs of 5 architectures, 1 seed,' out || fail "--seeds 1: $(cat out)"

# refusals: one line, and nothing is written
mkdir empty
expect 2 'empty: no training run' paper empty -o no
expect 2 'nowhere: is not there' paper nowhere -o no
expect 2 'full.json: .*not a folder of a training run' paper full.json -o no
cp -r runs/w4 twin && expect 2 'are both SFS W=4 with seed 5' paper runs/w4 twin -o no
tiny wide FFFF 64 7 && expect 2 'runs/wide: 4 layers .* one shape at a time' paper runs/full runs/wide -o no
mkdir bare && sed 's/"pattern":/"patern":/' runs/w4/run.json >bare/run.json && expect 2 'names no pattern' paper bare -o no
mkdir young && cp runs/w4/run.json young/ && expect 2 'without a checkpoint' paper young -o no
for place in runs runs/w4 runs/w4/page; do
    ls -R runs >before
    expect 2 'paper writes to a folder of its own, and the run runs/' paper runs/full runs/w4 -o $place
    ls -R runs | cmp -s - before || fail "refused, and $place is written to"
done
expect 2 '--quick and --full are of runs that are trained' paper runs/w4 --quick -o no
expect 2 '--quick or --full' paper --quick --full -o no
[ ! -e no ] || fail 'a refused call wrote'
