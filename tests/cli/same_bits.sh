#!/bin/sh
# same_bits.sh PROGRAM JSON_OK - content_sha256 of scores does not depend on threads, kernels, memory, sharing, or the order of the cases.
. "$(dirname "$0")/common.sh"

hash() {   # hash ARGS...: content_sha256 of the scores made with these options
    "$NEEDLESCOPE" score "$@" --probe retrieval_find,retrieval_mass,induction,previous_token --json -o s.h5 >out 2>err ||
        { fail "$*: $(cat err)"; return; }
    "$JSON_OK" needlescope.score/1 content_sha256 <out
}
same() {
    got=$(hash "$@")
    [ "$got" = "$want" ] || fail "$*: $got, not $want"
}

run lab plant -o model --window 24
run cases needle --model model --lengths 40,97 --depths 0,.6 --count 2 -o cases.jsonl
sort -r cases.jsonl >other_order.jsonl
head -3 cases.jsonl >one.jsonl && tail -n +4 cases.jsonl >two.jsonl
want=$(hash model --cases cases.jsonl --threads 1)
[ ${#want} -eq 64 ] || fail "no content_sha256: '$want'"
same model --cases cases.jsonl --threads 2
same model --cases cases.jsonl --threads 5
same model --cases cases.jsonl --one-at-a-time
same model --cases cases.jsonl --no-sharing --threads 2
same model --cases other_order.jsonl
same model --cases one.jsonl,two.jsonl
same model --cases cases.jsonl --memory 12M
for cpu in scalar avx2 avx512; do
    NEEDLESCOPE_CPU=$cpu
    export NEEDLESCOPE_CPU
    same model --cases cases.jsonl
done
unset NEEDLESCOPE_CPU
cp -r model copy && touch copy/model.safetensors   # another place, another time: the same content
same copy --cases cases.jsonl
other=$(hash model --cases one.jsonl)
[ "$other" != "$want" ] || fail "other cases have the same hash: it hashes nothing"
[ "$failures" -ne 0 ] || [ "$("$NEEDLESCOPE" doctor --json | "$JSON_OK" needlescope.doctor/1 kernels)" != scalar ] ||
    skip 'this CPU has no version beside the scalar definition'
finish
