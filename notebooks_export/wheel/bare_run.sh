#!/bin/sh
# bare_run.sh OUT NEEDLESCOPE - a demo, the self-test and the doctor; OUT/said.txt has the content_sha256 of every file and the SHA-256 of
# every figure, without its times. The same commands in the same folder names, since figures carry their command line.
set -eu
here=$(dirname "$(realpath "$0")")
mkdir -p "$1/demo" && cd "$1"
ns=$2
say() { printf '+ needlescope %s\n' "$*" && "$ns" "$@"; }
exec 3>&1 >log.txt 2>&1
trap '[ $? = 0 ] || tail -n 40 log.txt >&3' EXIT
say doctor --self-test
say lab plant demo/model
say cases needle --model demo/model --lengths 256,512 --depths 0:1:5 --count 3 --seed 0 -o demo/cases.jsonl
say score demo/model --cases demo/cases.jsonl -o demo/scores.h5 \
    --probe retrieval_find,retrieval_continue,retrieval_copy,retrieval_mass,induction,previous_token
grep -m 1 '"depth": 0.5,' demo/cases.jsonl >demo/one.jsonl
say record demo/model --cases demo/one.jsonl --at 'blocks.*.attn.hook_pattern' --maps dense --dtype f16 -o demo/maps.h5
grep '"depth": 0.5,' demo/cases.jsonl | grep -e -256- >demo/few.jsonl       # an emulated machine takes hours for all
say ablate demo/model --cases demo/few.jsonl --scores demo/scores.h5 --by retrieval_find --top 2 --draws 5 -o demo/ablation.h5
say export csv demo/scores.h5 -o demo/scores.csv
for kind in png pdf svg eps; do
    say figure heads demo/scores.h5 --score retrieval_mass -o demo/heads.$kind
    say figure ablation demo/ablation.h5 -o demo/ablation.$kind
    say figure map demo/maps.h5 --layer 3 --head 1 -o demo/map.$kind
done
say figure rank demo/scores.h5 --score retrieval_find --title 'Nadel ▁Ġ ×≤ אבג' -o demo/rank.png
for file in demo/scores.h5 demo/maps.h5 demo/ablation.h5; do
    "$ns" verify "$file" >&2
    printf '%s %s\n' "$("$ns" verify "$file" --json | tr -d ' \t\n' | grep -oE '"content_sha256":"[0-9a-f]{64}"')" "$file"
done >said.txt
find demo -name '*.csv' -o -name '*.jsonl' -o -name '*.png' -o -name '*.pdf' -o -name '*.svg' -o -name '*.eps' | LC_ALL=C sort |
    xargs python3 "$here/bare_hash.py" >>said.txt
echo "$(grep -c . said.txt) hashes" >&3
