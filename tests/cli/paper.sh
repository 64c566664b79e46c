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
run paper runs/* -o plan --dry-run --json
"$JSON_OK" needlescope.paper-plan/1 stages <out >/dev/null && [ ! -e plan ] || fail "paper --dry-run --json: $(head -c 300 out)"

run paper runs/* -o page --json
"$JSON_OK" needlescope.paper/1 claims <out >/dev/null || fail "paper --json: $(head -c 300 out)"
cmp -s out page/paper.json || [ "$(cat out)" = "$(cat page/paper.json)" ] || fail '--json is not paper.json'
for f in study.h5 trace.h5 score/w4.h5 lengths/full.h5 recall/nope.h5 nll/lightning.h5 full/full.h5 efficient/w16.h5 \
    efficient/lightning.h5 probe/w4.h5 gradient/w16.h5 paper.md figures/laziness.png figures/loss.pdf figures/trace.png \
    figures/gradient.pdf figures/probe.png; do
    [ -s page/$f ] || fail "no $f"
done
grep -q '(figures/probe.png)' page/paper.md || fail 'probing is not drawn on the page'
[ ! -e page/efficient/w4.h5 ] || fail 'windows of 4 were constrained to 8'
grep -q '^losses: 0 taken, 5 made, 0 failed' err && grep -q '^efficient layers constrained: 0 taken, 2 made' err ||
    fail "stages: $(cat err)"
! grep -Eq '"verdict":[[:space:]]*"(supported|refuted)"' page/paper.json || fail 'one seed decides something'
[ "$(grep -c '"verdict":[[:space:]]*"not testable here"' page/paper.json)" -ge 3 ] && grep -q 'no p of 1 seed is below 0.5' page/paper.md ||
    fail "verdicts: $(grep verdict page/paper.json)"
[ -z "$(find page -name '*.tmp.*')" ] || fail "leaves $(find page -name '*.tmp.*')"

# again: nothing is done
cp page/paper.json first.json
cp -r page first
touch mark
sleep 1.1                                # a date in a figure would be another one
run paper runs/* -o page --json          # the call of before, whose line the figures have
for f in paper.md paper.json study.h5 trace.h5 figures; do
    diff -r first/$f page/$f >/dev/null || fail "called again, $f has other bytes"
done
cmp -s first.json page/paper.json || fail "another page: $(diff first.json page/paper.json | head -5)"
[ -z "$(find page -name '*.h5' -newer mark)" ] || fail "done again: $(find page -name '*.h5' -newer mark)"
! grep -Eq '^(trace|scores|longer|multi|losses|full|efficient|gradient).* [1-9][0-9]* made' err || fail "made again: $(cat err)"
grep -q '^scan of every checkpoint: 5 gone through, 0 failed, .*what was scanned is taken' err || fail "a scan of nothing: $(cat err)"
cmp -s first/log/scan-of-every-checkpoint.seconds page/log/scan-of-every-checkpoint.seconds ||
    fail 'a scan that found all done says how long scanning takes'
run paper runs/* -o page --dry-run
grep -q '^losses *0 to do, 5 there' out && grep -q '^scan of every checkpoint *5 to do, .*; what was scanned is taken$' out ||
    fail "plan of what is done: $(cat out)"

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

# fewer runs than before: the page says that the study's figures show more
run paper runs/full runs/w4 -o page
grep -q 'study.h5 holds 3 runs that this call did not name' err && grep -q '^study.h5 holds 3 runs of earlier calls' page/paper.md ||
    fail "runs that were not named: $(cat err)"
run paper runs/* -o page
no_line 'earlier calls' page/paper.md 'all runs are named, and the page misses some'

# a run of the same name lies elsewhere: nothing of one is taken for the other
cp -r runs/w4 others/w4b
sed -i 's/"seed":[^,]*/"seed": 6/' others/w4b/run.json
expect 2 "page holds the numbers of another run 'w4', of .*/runs/w4: name another folder" paper runs/full others/w4b -o page
cmp -s first.json page/paper.json || fail 'refused, and the page is another'

# a run that diverged since: its jobs fail, and no number of the weights of before stays
mkdir again && cp -r runs/full runs/w16 again/
run paper again/full again/w16 -o late
[ -s late/nll/w16.h5 ] && [ -s late/score/w16.h5 ] || fail "no files to lose: $(ls late/nll)"
weights=again/w16/step000040/model.safetensors
printf '\000\000\300\177' | dd of=$weights bs=1 seek=$(($(wc -c <$weights) - 4)) conv=notrunc 2>/dev/null
"$NEEDLESCOPE" paper again/full again/w16 -o late >out 2>err
[ $? -eq 1 ] && grep -q 'w16-nll: .*value nan' err || fail "a run that diverged: $(cat err)"
grep -q '^9 jobs failed' late/paper.md || fail "a run that diverged: $(sed -n 3,9p late/paper.md)"
[ -z "$(find late -name w16.h5)" ] && [ -s late/nll/full.h5 ] || fail "numbers of earlier weights: $(find late -name w16.h5)"

# runs without metrics.h5: the page names them
mkdir dark && cp -r runs/full runs/w4 dark/ && rm dark/w4/metrics.h5
run paper dark/full dark/w4 -o dusk
grep -q '^1 run without losses over training (metrics.h5).*: w4\.' dusk/paper.md || fail "without metrics: $(sed -n 3,12p dusk/paper.md)"

# stopped by a batch system: 75, nothing half written, and the same call goes on
"$NEEDLESCOPE" paper runs/* -o stopped >out 2>err &
pid=$!
sleep .3
kill -TERM $pid
wait $pid
[ $? -eq 75 ] && grep -q 'goes on' err || fail "SIGTERM: $(cat err)"
[ ! -e stopped/paper.md ] && [ -z "$(find stopped -name '*.tmp.*')" ] || fail "SIGTERM leaves $(find stopped -name '*.tmp.*')"

# names with spaces
mkdir 'my runs' && cp -r runs/full runs/w4 'my runs/'
run paper 'my runs/full' 'my runs/w4' -o 'a page'
run paper 'my runs/full' 'my runs/w4' -o 'a page'
grep -q '^losses: 2 taken, 0 made' err && [ -s 'a page/paper.md' ] || fail "spaces: $(cat err)"

# then killed at work, and called again
"$NEEDLESCOPE" paper runs/* -o stopped >out 2>err &
pid=$!
sleep 1
kill -9 $pid
wait $pid 2>/dev/null
run paper runs/* -o stopped
cmp -s first.json stopped/paper.json || fail "stopped, killed, called again: another page: $(diff first.json stopped/paper.json | head -5)"

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
# what is not of paper is not replaced, and nothing is left beside it
for f in paper.md study.h5 score; do
    mkdir foreign && echo mine >foreign/$f
    expect 73 "foreign/$f is there, and not of paper" paper runs/full -o foreign
    expect 73 "foreign/$f is there, and not of paper" paper runs/full -o foreign --dry-run
    [ "$(ls foreign)" = $f ] && [ "$(cat foreign/$f)" = mine ] || fail "a foreign $f: $(ls foreign)"
    rm -r foreign
done
echo '# my notes' >page/paper.md
expect 73 'page/paper.md would be replaced, and is no page' paper runs/full -o page
[ "$(cat page/paper.md)" = '# my notes' ] || fail 'notes were replaced'
rm page/paper.md && echo '{}' >page/paper.json
expect 73 'page/paper.json would be replaced' paper runs/full -o page
expect 73 'full.json: a file, not a folder' paper runs/full -o full.json
mkdir mixed && "$NEEDLESCOPE" lab mixers --print-protocol >mixed/protocol.json
expect 2 'mixed holds the results of another protocol' paper runs/full -o mixed
[ "$(ls mixed)" = protocol.json ] || fail "another protocol, and left beside it: $(ls mixed)"
expect 2 '--quick and --full are of runs that are trained' paper runs/w4 --quick -o no
expect 2 '--quick or --full' paper --quick --full -o no
[ ! -e no ] || fail 'a refused call wrote'
