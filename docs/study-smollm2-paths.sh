#!/bin/sh
# study-smollm2-paths.sh MODEL [FOLDER] - does 19.1 act through the finders? What that section of docs/study-smollm2.md was written from,
# into FOLDER (here); what is there already stays. MODEL: tests/peers/make_smollm2.py FOLDER makes it. NEEDLESCOPE: the program.
set -eu
model=$(realpath "$1")
needlescope=${NEEDLESCOPE:-needlescope}
mkdir -p "${2:-.}"
cd "${2:-.}"

once() {   # once FILE COMMAND...: the command, whose answer is FILE.txt, unless its FILE is there
    file=$1
    shift
    [ -e "$file" ] || "$needlescope" "$@" -o "$file" >"${file%.*}.txt"
    [ "$file" = cases.jsonl ] || cat "${file%.*}.txt"
}

once cases.jsonl cases needle --model "$model" --lengths 400 --depths .1,.5,.9 --count 4 --seed 1 --twins swap,absent
grep -v twin_of cases.jsonl >plain.jsonl
grep -e '-swap"' cases.jsonl >swap.jsonl
pairs=plain.jsonl,swap.jsonl
once path.h5 patch "$model" --cases $pairs --path 19.1:21.2.q,19.1:23.0.q,19.1:23.2.q,19.1:24.4.q
once direct.h5 patch "$model" --cases $pairs --path 19.1:logits,20.1:logits,23.2:logits --draws 3
once more.h5 patch "$model" --cases $pairs --path 19.1:20.0.v,20.1:23.2.q,20.1:23.0.q,20.1:23.7.q,19.1:23.7.q,19.1:21.5.q --draws 1
once map.h5 patch "$model" --cases $pairs --list 30
once attribution.h5 attribute "$model" --cases $pairs --edges 40 --list 30 --against map.h5
