#!/bin/sh
# scan_faults.sh PROGRAM JSON_OK FAULTY - what disks, locks, clocks and other people do to a scan: it is said, the other checkpoints are
# done, nothing is left lying about, and the same command puts it right.
faulty=$(realpath "${3:-/dev/null}")
. "$(dirname "$0")/common.sh"

study() { "$NEEDLESCOPE" merge "$1" --json >merged 2>merge_err; "$JSON_OK" needlescope.merge/1 content_sha256 <merged; }
nothing_left() {    # nothing_left FOLDER WHY
    left=$(find "$1" -name '*.tmp.*' -o -name '*.claim')
    [ -z "$left" ] || fail "$2 leaves $left"
}
run lab plant -o run --series 3 --retrieval 3.1 --births 5 --every 10 --rise 5
run cases needle --model run/step000000 --lengths 900 --depths 0:1:4 -o cases.jsonl
how='--cases cases.jsonl --probe retrieval_find'
# shellcheck disable=SC2086  # a list of options
{
    run scan run $how -o whole
    want=$(study whole)
    again() {   # again FOLDER WHY: the same command puts it right
        "$NEEDLESCOPE" scan run $how -o "$1" --retry-failed >out 2>err || fail "$2: the same command again: exit $?: $(cat err)"
        [ "$(study "$1")" = "$want" ] || fail "$2: another study"
        nothing_left "$1" "$2"
    }
    # an empty run and a stray folder are said, and stop nobody
    mkdir empty && mkdir stray && echo notes >stray/notes.txt
    "$NEEDLESCOPE" scan empty run stray $how -o beside >out 2>err
    [ $? -eq 1 ] && grep -q 'passed over: empty: ' err && grep -q 'passed over: stray: ' err || fail "an empty run: $(cat err)"
    [ "$(study beside)" = "$want" ] || fail 'an empty run stops the others'
    # no room: a limit of the size of files, which says what a full disk says
    mkdir full && (ulimit -f 8 && exec "$NEEDLESCOPE" scan run $how -o full) >out 2>err
    [ $? -eq 74 ] && grep -q 'File too large' err || fail "no room for a shard: $(cat err)"
    nothing_left full 'no room for a shard'
    again full 'no room for a shard'
    # too few file handles
    (ulimit -n 8 && exec "$NEEDLESCOPE" scan run $how -o few) >out 2>err
    [ $? -eq 75 ] && grep -q 'Too many open files' err || fail "too few file handles: exit $?: $(cat err)"
    again few 'too few file handles'
    # a quota, as a full disk; locks that the file system does not have, or bars; a clock that goes back all the time
    faults() { rm -f told; NS_FAULT=$1 NS_FAULT_TOLD=$dir/told LD_PRELOAD=$faulty "$NEEDLESCOPE" scan run $how -o "$1" >out 2>err; }
    if NS_FAULT=clock NS_FAULT_TOLD=$dir/told LD_PRELOAD=$faulty date >/dev/null 2>&1 && [ -e told ] &&
        LD_PRELOAD=$faulty "$NEEDLESCOPE" --version >/dev/null 2>&1; then
        faults quota
        [ $? -eq 74 ] && [ -e told ] && grep -q 'quota/shards/run/step000000.h5.*Disk quota exceeded' err || fail "a quota: $(cat err)"
        nothing_left quota 'a quota'
        again quota 'a quota'
        for fault in nolock locked clock; do
            faults $fault || fail "$fault: exit $?: $(cat err)"
            [ -e told ] || fail "$fault: nothing asked for it"
            nothing_left $fault $fault
            [ "$(study $fault)" = "$want" ] || fail "$fault: another study: $(cat merge_err)"
            rm -f $fault/shards/run/step000010.*
            echo "host here boot $(cat /proc/sys/kernel/random/boot_id) pid 999999999 token 0123456789abcdef" \
                >$fault/shards/run/step000010.claim
            faults $fault || fail "$fault: a claim of a dead process: exit $?: $(cat err)"
            nothing_left $fault $fault
            NS_FAULT=$fault LD_PRELOAD=$faulty "$NEEDLESCOPE" merge $fault -o $fault.h5 >out 2>err && run verify $fault.h5 ||
                fail "$fault: merge: exit $?: $(cat err)"
        done
        # a node whose clock is a day wrong: a claim that was renewed just now is live, and one that was not for six minutes is stale, by
        # the times of the file system
        other='host elsewhere boot 11111111-2222-3333-4444-555555555555 pid 17 token 0123456789abcdef'
        for fault in ahead behind; do
            faults $fault && [ -e told ] || fail "a clock that is $fault: exit $?: $(cat err)"
            rm $fault/shards/run/step000010.*
            echo "$other" >$fault/shards/run/step000010.claim
            NS_FAULT=$fault LD_PRELOAD=$faulty "$NEEDLESCOPE" status $fault --json >out 2>err
            grep -q '"in_hand":[[:space:]]*1' out || fail "a clock that is $fault makes a live claim stale: $(cat out err)"
            touch -d '6 minutes ago' $fault/shards/run/step000010.claim
            NS_FAULT=$fault LD_PRELOAD=$faulty timeout 60 "$NEEDLESCOPE" scan run $how -o $fault >out 2>err ||
                fail "a clock that is $fault makes a stale claim live: exit $?: $(cat err)"
            nothing_left $fault "a clock that is $fault"
            [ "$(study $fault)" = "$want" ] || fail "a clock that is $fault: another study: $(cat merge_err)"
        done
    else
        echo 'nothing can be preloaded here: a quota, locks and wrong clocks are not tried'
    fi
    # a full disk and a disk that cannot be written, where one may be mounted
    if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
        mkdir small
        unshare -m sh -c 'mount -t tmpfs -o size=160k none small && "$@" -o small/scan; code=$?
            find small -name "*.tmp.*" -o -name "*.claim" >left; exit $code' sh "$NEEDLESCOPE" scan run $how >out 2>err
        [ $? -eq 74 ] && grep -q 'No space left on device' err || fail "a full disk: $(cat err)"
        [ ! -s left ] || fail "a full disk: left $(cat left)"
        unshare -m sh -c 'mount --bind full full && mount -o remount,ro,bind full && "$@" -o full --force' \
            sh "$NEEDLESCOPE" scan run $how >out 2>err
        [ $? -eq 73 ] && grep -q 'Read-only file system' err || fail "a disk that cannot be written: exit $?: $(cat err)"
        again full 'a disk that cannot be written'
        # where all is done nothing needs writing, also in a copy, whose shards nobody remembers to have seen
        cp -r full copied
        for of in full copied; do
            for jobs in 1 2; do
                # shellcheck disable=SC2016  # the inner shell's
                unshare -m sh -c 'of=$1 && shift && mount --bind $of $of && mount -o remount,ro,bind $of && "$@" -o $of' sh $of \
                    "$NEEDLESCOPE" scan run $how --jobs $jobs --json >out 2>err
                [ $? -eq 0 ] && grep -q '"present":[[:space:]]*3' out || fail "a finished scan that cannot be written, $of: $(cat out err)"
            done
        done
        rm copied/shards/run/step000010.h5
        unshare -m sh -c 'mount --bind copied copied && mount -o remount,ro,bind copied && "$@" -o copied' \
            sh "$NEEDLESCOPE" scan run $how >out 2>err
        [ $? -eq 73 ] && grep -q 'step000010.claim.*Read-only file system' err ||
            fail "one to do on a disk that cannot be written: $(cat err)"
        rm -r copied
    else
        echo 'no disks can be mounted here: a full one and a read-only one are not tried'
    fi

    # ---- a checkpoint that changes while it is scored ----
    change() {  # change NAME COMMAND: done to run/step000010 while it is in hand
        rm -rf "$1" run/step000010 && cp -r kept run/step000010
        "$NEEDLESCOPE" scan run $how -o "$1" >out 2>err &
        pid=$!
        until [ -e "$1/shards/run/step000010.claim" ] || ! kill -0 $pid 2>/dev/null; do :; done
        kill -STOP $pid && eval "$2" && kill -CONT $pid
        wait $pid
        [ $? -eq 1 ] || fail "$1: not exit 1: $(cat err)"
        grep -q 'run step 10 failed: .*step000010' err && [ -e "$1/shards/run/step000010.failed" ] || fail "$1 is not said: $(cat err)"
        [ -e "$1/shards/run/step000020.h5" ] && [ -e "$1/shards/run/step000000.h5" ] || fail "$1: the others are not done: $(cat err)"
        [ ! -e "$1/shards/run/step000010.h5" ] || fail "$1: scores of a file that is there no more"
        rm -rf run/step000010 && cp -r kept run/step000010
        again "$1" "$1"
    }
    cp -r run/step000010 kept
    change replaced 'cp run/step000020/model.safetensors run/step000010/new && mv run/step000010/new run/step000010/model.safetensors'
    change truncated 'truncate -s 5000 run/step000010/model.safetensors'
    change deleted 'rm run/step000010/model.safetensors'
    # ---- clocks ----
    # a claim of the future, left when the clock was put back, does not stop the scan for ever
    claim=whole/shards/run/step000010.claim
    rm whole/shards/run/step000010.*
    echo 'host elsewhere boot 11111111-2222-3333-4444-555555555555 pid 17 token 0123456789abcdef' >$claim
    touch -d 'next week' $claim
    again whole 'a claim of the future'
    touch -d 'last year' run/step*/* whole/shards/run/* && again whole 'files of the past'
    # ---- what may not be read is said, not passed over ----
    if [ "$(id -u)" -eq 0 ] && setpriv --reuid 65534 --clear-groups "$NEEDLESCOPE" --version >/dev/null 2>&1; then
        chmod 755 . && mkdir -m 777 barred && chmod 0 run/step000010
        setpriv --reuid 65534 --clear-groups "$NEEDLESCOPE" scan run $how -o barred/scan >out 2>err
        [ $? -ne 0 ] && grep -q 'step000010.*Permission denied' err || fail "a checkpoint that may not be read: exit $?: $(cat err)"
        chmod 755 run/step000010 && rm -rf barred/scan && run scan run $how -o barred/scan && chmod 0 barred/scan/shards/run
        setpriv --reuid 65534 --clear-groups "$NEEDLESCOPE" merge barred/scan -o barred/study.h5 >out 2>err
        [ $? -ne 0 ] && grep -q 'barred/scan/shards/run.*Permission denied' err || fail "shards that may not be read: $(cat err)"
        chmod 755 barred/scan/shards/run
    else
        echo 'no other user can be had here: folders without permission are not tried'
    fi
}
finish
