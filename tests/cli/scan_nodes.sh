#!/bin/sh
# scan_nodes.sh PROGRAM JSON_OK - two nodes scan into one folder: each is a process with a hostname and a boot of its own, as the other sees
# it. They share the work, do nothing twice, wait for each other, and leave each other's temporaries alone.
. "$(dirname "$0")/common.sh"

number() { sed -n "s/.*\"$1\":[[:space:]]*\([0-9]*\).*/\1/p" "$2" | head -n 1; }
study() { "$NEEDLESCOPE" merge "$1" --json >merged 2>merge_err; "$JSON_OK" needlescope.merge/1 content_sha256 <merged; }

boot=/proc/sys/kernel/random/boot_id
node() {    # node NAME WORDS...: in the place of this shell
    name=$1
    shift
    echo "$name-2222-3333-4444-555555555555" >boot.$name
    exec unshare --uts --mount sh -c 'hostname "$0" && mount --bind "boot.$0" '$boot' && exec "$@"' "$name" "$@"
}
(node 11111111 sh -c '[ "$(hostname)" = 11111111 ] && grep -q ^11111111 '$boot) 2>/dev/null ||
    skip 'no node of its own can be had here (unshare --uts --mount, a bind over boot_id)'

run lab plant -o run --series 6 --retrieval 3.1 --births 5 --every 10 --rise 5
run cases needle --model run/step000000 --lengths 900 --depths 0:1:4 -o cases.jsonl
how='--cases cases.jsonl --probe retrieval_find'
# shellcheck disable=SC2086  # a list of options
{
    run scan run $how -o alone
    want=$(study alone)

    # both at once
    (node 11111111 "$NEEDLESCOPE" scan run $how -o both --json) >out1 2>err1 &
    (node 22222222 "$NEEDLESCOPE" scan run $how -o both --json) >out2 2>err2 &
    wait
    sum=$(($(number scored out1) + $(number scored out2)))
    [ $sum -eq 6 ] || fail "two nodes score $sum of 6: $(cat err1 err2)"
    [ "$(number scored out1)" -gt 0 ] && [ "$(number scored out2)" -gt 0 ] || fail "one does all: $(cat out1 out2)"
    [ "$(study both)" = "$want" ] || fail 'two nodes give another study'

    # one is held up while it has a checkpoint in hand, and a file on its way: the other does the rest, waits, and removes neither
    (node 11111111 "$NEEDLESCOPE" scan run $how -o held --json) >out1 2>err1 &
    first=$!
    until [ -s held/shards/run/step000000.claim ] || ! kill -0 $first 2>/dev/null; do :; done
    kill -STOP $first
    grep -q '^host 11111111 boot 11111111-2222-3333-4444-555555555555 pid ' held/shards/run/step000000.claim ||
        fail "the claim does not say which node it is of: $(cat held/shards/run/*.claim)"
    live=held/shards/run/step000010.h5.tmp.0badcafe.$first.0123456789abcdef
    echo half >"$live"
    (node 22222222 "$NEEDLESCOPE" scan run $how -o held --json) >out2 2>err2 &
    second=$!
    i=0
    until grep -q 'waiting for 1 checkpoint that another scan has in hand (process .* on 11111111)' err2 || [ $i -gt 100 ]; do
        sleep .2
        i=$((i + 1))
    done
    [ $i -le 100 ] || fail "the other node does not wait: $(cat err2)"
    [ "$(find held/shards/run -name '*.h5' | wc -l)" -eq 5 ] || fail "the other node does not do the rest: $(ls held/shards/run)"
    [ -e "$live" ] || fail "the other node's temporary is removed: $(ls held/shards/run)"
    kill -CONT $first
    wait $first || fail "the node that was held up: $(cat err1)"
    wait $second || fail "the node that waited: $(cat err2)"
    sum=$(($(number scored out1) + $(number scored out2)))
    [ $sum -eq 6 ] && [ "$(number scored out2)" -eq 5 ] || fail "after one was held up: $sum of 6: $(cat out1 out2)"
    [ "$(study held)" = "$want" ] || fail 'a node that was held up: another study'
    touch -d '2 days ago' "$live"                         # of a node that will not come back
    run scan run $how -o held
    [ ! -e "$live" ] || fail 'what another node left two days ago stays'

    # a node is lost: its claim is stale when nobody renews it
    (node 11111111 "$NEEDLESCOPE" scan run $how -o lost --json) >out1 2>err1 &
    first=$!
    until [ -s lost/shards/run/step000000.claim ] || ! kill -0 $first 2>/dev/null; do :; done
    kill -KILL $first
    wait $first 2>/dev/null
    [ -e lost/shards/run/step000000.claim ] || fail 'the lost node leaves no claim'
    touch -d '6 minutes ago' lost/shards/run/*.claim
    (node 22222222 "$NEEDLESCOPE" scan run $how -o lost --json) >out2 2>err2 || fail "a lost node's work: $(cat err2)"
    [ "$(number scored out2)" -eq 6 ] && [ "$(study lost)" = "$want" ] || fail "a lost node's work: $(cat out2)"
    [ -z "$(find lost -name '*.claim')" ] || fail "claims are left: $(find lost -name '*.claim')"
}
finish
