#!/bin/sh
# scan_share.sh PROGRAM JSON_OK - which checkpoint a shard is of, and who does it: by what is in the files, not where or when; shared by
# processes, stopped at any moment.
. "$(dirname "$0")/common.sh"

number() { sed -n "s/.*\"$1\":[[:space:]]*\([0-9]*\).*/\1/p" "${2:-out}" | head -n 1; }
# counts KEY N WHY: in the JSON of the last run
counts() { [ "$(number "$1")" = "$2" ] || fail "$3: $1 is '$(number "$1")', not $2: $(head -c 300 err)"; }
study() { "$NEEDLESCOPE" merge "$1" --json >merged 2>merge_err; "$JSON_OK" needlescope.merge/1 content_sha256 <merged; }

run lab plant -o run --series 4 --retrieval 3.1 --births 5 --every 10 --rise 5
run cases needle --model run/step000000 --lengths 64 --depths 0.5 -o cases.jsonl
how='--cases cases.jsonl --probe retrieval_find'
# shellcheck disable=SC2086  # a list of options
{
    # ---- identity ----
    run scan run $how -o out1 --json
    counts scored 4 'a first scan'
    want=$(study out1)
    touch run/step000010/model.safetensors && run scan run $how -o out1 --json
    counts scored 0 'a checkpoint that was touched'
    cp -r run/step000020 copy && rm -r run/step000020 && mv copy run/step000020 && run scan run $how -o out1 --json
    counts scored 0 'a checkpoint that was copied'
    rm out1/shards/run/*.seen && run scan run $how -o out1 --json
    counts scored 0 'a folder without its memories'
    mv run/step000020 run/checkpoint-20 && run scan run $how -o out1 --json
    counts scored 0 'a checkpoint with another name'
    run merge out1 --json
    counts missing 0 'a checkpoint with another name, merged'
    mv run/checkpoint-20 run/step000020 && run scan run $how -o out1 --json
    [ "$(study out1)" = "$want" ] || fail 'touching, copying and naming change the study'
    # other weights of the same size and time
    cp -p run/step000010/model.safetensors kept
    cp run/step000030/model.safetensors run/step000010/model.safetensors && touch -r kept run/step000010/model.safetensors
    run scan run $how -o out1 --json
    counts scored 1 'a changed file with its old size and time'
    counts replaced 1 'a changed file'
    # a failure holds for these files, and no longer
    echo broken >run/step000010/model.safetensors
    "$NEEDLESCOPE" scan run $how -o out1 --json >out 2>err && fail 'a broken checkpoint, and exit 0'
    grep -q 'step 10 failed: run/step000010/model.safetensors: 7 bytes' err || fail "why it failed: $(cat err)"
    "$NEEDLESCOPE" scan run $how -o out1 --json >out 2>err
    grep -q 'step 10 failed: failed before (--retry-failed tries again): run/step000010/model.safetensors: 7 bytes' err ||
        fail "a failure is tried again, or not said: $(cat err)"
    cp kept run/step000010/model.safetensors && run scan run $how -o out1 --json
    counts failed 0 'a checkpoint that was put right'
    [ "$(study out1)" = "$want" ] || fail 'a checkpoint that was put right gives another study'
    # a shard of what is gone, or lies there no more
    mv run/step000030 away && run scan run $how -o out1 --json
    run merge out1 --json
    counts steps 3 'a checkpoint that is gone' && counts gone 1 'a checkpoint that is gone'
    grep -q '1 shard of checkpoints that are gone is left out (--gone takes them)' err || fail "what is gone is not said: $(cat err)"
    run merge out1 --gone --json
    counts steps 4 'a checkpoint that is gone, asked for'
    cp -r away run/checkpoint-20 && rm -r run/step000020 && run scan run $how -o out1 --steps 0,10 --json
    "$NEEDLESCOPE" merge out1 --json >out 2>err && fail 'a checkpoint that was replaced, and exit 0'
    counts superseded 1 'another checkpoint in its place' && counts missing 1 'another checkpoint in its place'
    rm -r run/checkpoint-20 && cp -r run/step000010 run/step000020 && mv away run/step000030

    # ---- stages: a shard stays found, and right, while an earlier stage grows; main moves nowhere ----
    mkdir staged && cp -r run/step000000 staged/stage1-step10-tokens1B && cp -r run/step000020 staged/stage2-step5-tokens1B
    run lab plant -o staged/main --seed 5 --retrieval 3.1
    run scan staged $how -o stages --json
    counts scored 2 'two stages'
    grep -q 'staged: 1 left out of 3' err && grep -q 'nothing says its step' stages/index/staged.json || fail "main: $(cat err)"
    [ -e stages/shards/staged/stage2-step000005.h5 ] || fail "the shard of a later stage: $(ls stages/shards/staged)"
    run merge stages -o before.h5
    cp -r run/step000010 staged/stage1-step40-tokens3B && run scan staged $how -o stages --json
    counts scored 1 'an earlier stage that grew'
    run merge stages -o after.h5 --json
    counts checkpoints 3 'an earlier stage that grew' && counts gone 0 'an earlier stage that grew'
    run emergence after.h5 --persist 1 --json
    grep -q '"horizon":[[:space:]]*4000000000' out || fail "3B + 1B tokens: $(head -c 300 out)"
    run scan staged --list
    grep -Eq '^staged +46 +4000000000 +stage2-step5-tokens1B' out || fail "40 + 1 + 5 steps: $(cat out)"
    run scan staged --write-manifest staged.jsonl
    run scan staged --manifest staged.jsonl $how -o stages --json
    counts scored 0 'its own manifest'
    cp stages/shards/staged/stage2-step000005.h5 stages/shards/staged/step000010.h5
    expect 65 "staged/step000010.h5 holds step 5 of run 'staged', not what its name says" merge stages
    run scan staged $how -o stages --json
    mv staged/stage2-step5-tokens1B away && cp -r run/step000030 staged/stage1-step46 && run scan staged $how -o stages
    run merge stages -o after.h5 --json
    counts gone 1 'a later stage that is gone'
    expect 65 "are both step 46 of run 'staged': leave out what is gone" merge stages --gone
    # a folder of an older version: later stages were laid by the scan
    run scan run/step000030 --cases cases.jsonl --probe retrieval_find -o old2
    echo '{"schema":1,"run":"step000030","folder":"/nothere","checkpoints":[{"step":30,"tokens":-1,"label":"step000030","taken":true}],
        "left_out":[]}' >old2/index/step000030.json
    run merge old2 --json
    counts checkpoints 1 'an index without stages' && counts missing 0 'an index without stages'
    mv away staged/stage2-step5-tokens1B

    # ---- what is measured against the last checkpoint is measured again when there is another last one ----
    mkdir far && for step in 1 2 3; do run lab plant -o far/step$step --seed $step --retrieval 3.1; done
    mv far/step3 later
    near='--cases cases.jsonl --probe retrieval_find,qk_distance'
    distance() { "$NEEDLESCOPE" verify --content "$1" | grep '^dataset /qk_distance '; }
    run scan far $near -o distances --json
    counts scored 2 'distances'
    touch far/step2/model.safetensors && run scan far $near -o distances --json
    counts scored 0 'a reference that was touched'
    mv later far/step3 && run scan far $near -o distances --shard 0/3 --json
    counts scored 1 'a run that went on'
    expect 65 'was measured against another checkpoint than .*scan again' merge distances
    run scan far $near -o distances --json
    counts scored 2 'a run that went on' && counts present 1 'a run that went on'
    run merge distances
    run score far/step1 $near --reference far/step3 -o one.h5
    [ -n "$(distance one.h5)" ] && [ "$(distance one.h5)" = "$(distance distances/shards/far/step000001.h5)" ] ||
        fail 'distances are not those from the last checkpoint'
    run scan far $how -o plain --json
    mv far/step3 later && run scan far $how -o plain --json
    counts scored 0 'without distances'
    cp -r later far/step3 && echo broken >far/step3/model.safetensors
    "$NEEDLESCOPE" scan far $near -o distances --json >out 2>err && fail 'a broken last checkpoint, and exit 0'
    counts scored 2 'a last checkpoint that does not open'

    # ---- two runs of one name, in two calls at once: one is told that the other has the name, whichever comes first ----
    mkdir -p first second && cp -r run first/same && cp -r run second/same && rm -r second/same/step000010
    for turn in 1 2 3; do
        "$NEEDLESCOPE" scan first/same $how -o both -q >/dev/null 2>err1 & pid=$!
        "$NEEDLESCOPE" scan second/same $how -o both -q >/dev/null 2>err2
        codes=$? && wait $pid
        [ "$((codes + $?))" -eq 2 ] && cat err1 err2 | grep -q "both holds shards of another run 'run'" ||
            fail "turn $turn: two runs of one name at once: $codes, $(cat err1 err2)"
        [ -z "$(find both -name '*.claim')" ] || fail "left: $(find both -name '*.claim')"
        rm -rf both
    done
    for shard in 0/0 3/3 -1/3; do expect 2 'give I/N' scan run $how -o none --shard $shard; done
    run scan run $how -o damaged && echo '{garbage' >damaged/index/run.json
    expect 65 'remove it, and the next scan writes it again' merge damaged

    # ---- a task looks at its own checkpoints alone, once one has looked at all; and at all again when the folder is another ----
    mkdir wide && for step in 1 2 3 4 5 6 7 8; do cp -r run/step000020 wide/step$step; done
    mkdir wide/step9 wide/notes
    run scan wide $how -o tasks --shard 0/8 --json
    counts checkpoints 8 'a first task' && grep -q 'wide: 1 left out of 9' err || fail "a first task: $(cat err)"
    mkdir kept.wide && for step in 3 4 5; do mv wide/step$step/model.safetensors kept.wide/$step; done
    run scan wide $how -o tasks --shard 1/8 --json
    counts checkpoints 8 'a task that does not look at the others' && counts scored 1 'a task that does not look at the others'
    if command -v strace >/dev/null && strace -f -o calls "$NEEDLESCOPE" --version >/dev/null 2>&1; then
        strace -f -o calls "$NEEDLESCOPE" scan wide $how -o tasks --shard 5/8 >out 2>err || fail "a task under strace: $(cat err)"
        [ "$(grep -c 'wide/step6[/"]' calls)" -gt 5 ] || fail "strace sees no task: $(wc -l <calls) calls"
        [ "$(grep -c 'wide/step[234578][/"]' calls)" -eq 0 ] ||
            fail "a task touches others' files: $(grep -m 3 'wide/step[234578][/"]' calls)"
        [ "$(grep -c '"[^"]*wide' calls)" -lt 250 ] || fail "a task makes $(grep -c '"[^"]*wide' calls) calls to the run"
    fi
    for step in 3 4 5; do mv kept.wide/$step wide/step$step/model.safetensors; done
    cp wide/step8/* wide/step9 && run scan wide $how -o tasks --shard 1/8 --json        # it was left out, and is none now
    counts checkpoints 9 'a step that got its weights'
    cp -r wide/step8 wide/step10 && run scan wide $how -o tasks --shard 1/8 --json
    counts checkpoints 10 'a run that grew' && counts scored 1 'a run that grew'
    echo '{"tokens_per_step": 100}' >wide/run.json && run scan wide $how -o tasks --shard 1/8 --json
    counts scored 2 'a run.json that came'
    echo '{"tokens_per_step": 200}' >wide/run.json && run scan wide $how -o tasks --shard 1/8 --json
    counts scored 2 'a run.json that was changed'
    run scan wide $how -o tasks --json
    rm -r wide/step10 && run scan wide $how -o tasks --shard 0/8 && run merge tasks --json
    counts gone 1 'a checkpoint that is gone, seen by a task' && counts checkpoints 9 'a checkpoint that is gone, seen by a task'

    # ---- claims ----
    run scan run $how -o whole --json
    want=$(study whole)
    mkdir -p held/shards/run && claim=held/shards/run/step000020.claim
    echo 'host elsewhere boot 11111111-2222-3333-4444-555555555555 pid 17 token 0123456789abcdef' >$claim
    "$NEEDLESCOPE" scan run $how -o held >out 2>err &
    scan=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        grep -q 'waiting for 1 checkpoint that another scan has in hand (process 17 on elsewhere)' err && break
        sleep .5
    done
    "$NEEDLESCOPE" status held --json >status && fail 'a checkpoint in hand, and status says 0'
    [ "$(number in_hand status)" = 1 ] && [ "$(number done status)" = 3 ] && grep -q 'process 17 on elsewhere' status ||
        fail "status of a scan that waits: $(cat status)"
    kill -0 $scan || fail "a claim of another node is not heeded: $(cat err)"
    rm $claim && wait $scan || fail "a scan whose checkpoint was released: $(cat err)"
    grep -q 'waiting for 1 checkpoint' err || fail "what is waited for is not said: $(cat err)"
    [ "$(study held)" = "$want" ] || fail 'a scan that waited gives another study'
    run status held
    rm held/shards/run/step000020.*
    echo 'host elsewhere boot 11111111-2222-3333-4444-555555555555 pid 17 token 0123456789abcdef' >$claim
    touch -d '6 minutes ago' $claim && run scan run $how -o held --json
    counts scored 1 'a stale claim of another node' && [ ! -e $claim ] || fail 'a stale claim stays'
    rm held/shards/run/step000020.*                      # whose process was killed before it could say which it is
    : >$claim && cp $claim held/index/run.json.claim && touch -d '20 seconds ago' $claim held/index/run.json.claim
    run scan run $how -o held --json
    counts scored 1 'an empty claim' && [ -z "$(find held -name '*.claim')" ] || fail "an empty claim stays: $(find held)"
    rm held/shards/run/step000020.*                      # of this boot, by a process that is gone
    echo "host here boot $(cat /proc/sys/kernel/random/boot_id) pid 999999999 token 0123456789abcdef" >$claim
    run scan run $how -o held --json
    counts scored 1 'a claim of a dead process' && [ ! -e $claim ] || fail 'a claim of a dead process stays'
    echo "host here boot $(cat /proc/sys/kernel/random/boot_id) pid 999999999 token 0123456789abcdef" >$claim
    run scan run $how -o held --json
    [ ! -e $claim ] || fail 'a claim beside a finished shard stays'

    # several scans, and several jobs, share the work
    for i in 1 2 3; do "$NEEDLESCOPE" scan run $how -o shared --json >share$i 2>share_err$i & done
    wait
    sum=$(($(number scored share1) + $(number scored share2) + $(number scored share3)))
    [ $sum -eq 4 ] || fail "three scans score $sum of 4: $(cat share_err*)"
    [ "$(study shared)" = "$want" ] || fail 'three scans give another study'
    run scan run $how -o jobs --jobs 3 --json
    counts scored 4 'scan --jobs 3' && counts present 0 'scan --jobs 3'
    [ "$(study jobs)" = "$want" ] || fail 'scan --jobs gives another study'
    run scan run $how -o jobs --jobs 2 --force --json
    counts scored 4 'scan --jobs 2 --force' && counts replaced 4 'scan --jobs 2 --force'
    run scan run $how -o parts --jobs 2 --shard 1/2 --json
    counts scored 2 'scan --jobs 2 --shard 1/2'
    run scan run $how -o parts --shard 0/2 --json
    [ "$(study parts)" = "$want" ] || fail 'jobs of shards give another study'
    [ -z "$(find . -name '*.claim')" ] || fail "claims are left: $(find . -name '*.claim')"
    # a line for each off a terminal
    run scan run $how -o lines
    [ "$(grep -c 'run step [0-9]* scored ([0-9] of 4)' err)" -eq 4 ] || fail "no line for each checkpoint: $(cat err)"

    # ---- stopped: from when signals are caught, which is first of all ----
    for signal in TERM USR1; do
        for after in 0 .02 .05 .1 .2; do
            rm -rf stopped
            "$NEEDLESCOPE" scan run $how -o stopped >out 2>err &
            pid=$!
            until [ $((0x$(sed -n 's/SigCgt:[[:space:]]*//p' /proc/$pid/status) & 0x4000)) -ne 0 ]; do :; done 2>/dev/null
            sleep $after
            kill -$signal $pid 2>/dev/null
            wait $pid
            code=$?
            [ $code -eq 75 ] || [ $code -eq 0 ] || fail "$signal after $after: exit $code: $(cat err)"
            [ $code -eq 0 ] || grep -q 'the same command goes on' err || fail "$signal after $after: $(cat err)"
            run scan run $how -o stopped
            [ "$(study stopped)" = "$want" ] || fail "$signal after $after: another study"
            [ -z "$(find stopped -name '*.tmp.*' -o -name '*.claim')" ] || fail "left: $(find stopped)"
        done
    done

    # ---- the place in an array, where that is asked for ----
    export SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=1
    run scan run $how -o all --json
    counts scored 4 'an array that nobody asked for'
    run scan run $how -o array --shard slurm --json
    counts scored 2 '--shard slurm'
    export SLURM_ARRAY_TASK_MAX=7
    expect 2 'array has gaps.*set NS_SHARDS' scan run $how -o array --shard slurm
    export NS_SHARDS=4 && run scan run $how -o array --shard slurm --json
    counts present 1 '--shard slurm of NS_SHARDS'
    export SLURM_ARRAY_TASK_ID=4
    expect 2 'task 4 of NS_SHARDS=4' scan run $how -o array --shard slurm
    unset SLURM_ARRAY_TASK_ID
    expect 2 'SLURM_ARRAY_TASK_ID is not set' scan run $how -o array --shard slurm
    # a broken case file fails the call
    echo '{' >broken.jsonl
    expect 65 'broken.jsonl' scan run --cases broken.jsonl --probe retrieval_find -o none
    [ ! -e none ] || fail 'a broken case file leaves a folder'
    expect 66 'nothere: there is no such folder' status nothere

    # ---- a script for Slurm: what its tasks would refuse is said now ----
    run sbatch -o array -n 2 -- run 'nothere/*' --cases cases.jsonl
    grep -q 'nothere/\*: no such folder here' err && ! grep -q '^run: ' err || fail "runs that are not there: $(cat err)"
    expect 2 'unknown option --casse' sbatch -o array -n 2 -- run --casse cases.jsonl
}
finish
