#!/bin/sh
# provenance.sh PROGRAM JSON_OK - one file of every kind is made, and each says all of it: version, command line, time, host, threads,
# kernels, family and layers, hashes of weights, config, tokenizer and cases. What can be known from outside (sha256sum, hostname, date) is
# compared with it.
. "$(dirname "$0")/common.sh"

day=$(date -u +%Y-%m-%d)
run lab plant -o m --layers 4 --heads 4 --kv-heads 2 --previous-token 0.1 --retrieval 2.3,3.0 --vocab 66
mkdir words
byte_tokenizer "$(letters 33 97), \"Ġ\": 65" >words/tokenizer.json
how='--tokenizer words --threads 2'
run cases needle --model m --lengths 40,97 --depths 0,.6 --count 3 --twins swap --synthetic -o cases.jsonl

# shellcheck disable=SC2086  # a list of options
{
    run score m --cases cases.jsonl --probe retrieval_find,previous_token $how -o scores.h5
    run record m --cases cases.jsonl --at 'blocks.2.attn.hook_pattern' --maps dense $how -o recording.h5
    run ablate m --cases cases.jsonl --heads 2.3 --draws 2 $how -o ablation.h5
    run patch m --cases cases.jsonl --heads 2.3 --draws 2 $how -o patching.h5
    mkdir run_a && cp -r m run_a/step10 && cp -r m run_a/step20
    run scan run_a --cases cases.jsonl --probe retrieval_find,previous_token $how -o scan
    run merge scan -o study.h5
}
cp scan/shards/run_a/step000010.h5 shard.h5

version=$("$NEEDLESCOPE" --version | head -n 1 | grep -o '[0-9][0-9.]*' | head -n 1)
tokenizer=$(sha256sum <words/tokenizer.json | cut -d' ' -f1)
config=$(sha256sum <m/config.json | cut -d' ' -f1)

# says FILE NAME PATTERN: the list of facts in the file `facts` has it
tail=
says() {
    grep -Eq "^$2: ($3)$tail\$" facts || fail "$1: '$2' is not '$3': $(grep "^$2:" facts | head -c 200)"
}
whoever() { # whoever FILE COMMAND: who made it, when and where; what is drawn or written out of a file says neither when nor where
    says "$1" needlescope_version "$version"
    says "$1" command_line "[^ ]*needlescope $2 .*"
    case $1 in
    *.tex | *.svg | *.png | *.pdf | *.eps | *.csv | *.npz | *.ipynb | *.csv-metadata.json)
        no_line '^(hostname|created_utc)' facts "$1 says when or where it was made"
        says "$1" source_created_utc "$day.*Z|$(date -u +%Y-%m-%d).*Z" ;;
    *)
        says "$1" created_utc "$day.*Z|$(date -u +%Y-%m-%d).*Z"
        says "$1" hostname "$(hostname)" ;;
    esac
}
model() {   # model FILE: of which model, on what
    says "$1" threads 2
    says "$1" kernel_class '.+'
    says "$1" model_family smollm3
    says "$1" layer_kinds 'full,full,full,full'
    says "$1" weights_sha256 '[0-9a-f]{64}'
    says "$1" model_config_sha256 "$config"
    says "$1" arch_sha256 '[0-9a-f]{64}'
    says "$1" tokenizer_sha256 "$tokenizer"
    says "$1" cases_sha256 '[0-9a-f]{64}'
}
told() {    # told FILE: verify --facts reads it, whatever kind it is
    run verify --facts "$1" --json
    sed -n 's/^[[:space:]]*"\([A-Za-z0-9_.]*\)":[[:space:]]*"\(.*\)",\{0,1\}$/\1: \2/p' out | grep -v '^schema: ' >facts
}
for kind in scores:score recording:record ablation:ablate patching:patch shard:scan study:merge; do
    file=${kind%:*}.h5
    told "$file"
    whoever "$file" "${kind#*:}"
    model "$file"
    run verify --content "$file"
    no_line '^attribute (command_line|created_utc|hostname|threads) ' out "$file: what changes from run to run is in its content"
done

# one weight of a family: a study of two checkpoints names each
[ "$("$NEEDLESCOPE" verify --content study.h5 | grep -c '^dataset /weights_sha256 string 1,2 ')" = 1 ] ||
    fail "a study does not say which weights stand where"

# exports
run export csv scores.h5 -o scores.csv
sed -n 's/^[[:space:]]*"\([a-z0-9_.]*\)":[[:space:]]*"\(.*\)",\{0,1\}$/\1: \2/p' scores.csv-metadata.json >facts
whoever scores.csv 'export csv' && model scores.csv
# shellcheck disable=SC2086  # a list of options
run gradient m --text cases.jsonl --last 3 --no-baseline --resamples 20 $how -o gradient.h5
run export npz gradient.h5 -o influence.npz
told influence.npz
whoever influence.npz 'export npz' && model influence.npz
run export latex study.h5 -o heads.tex
sed -n 's/^% \([a-z0-9_.]*: .*\)$/\1/p' heads.tex >facts
whoever heads.tex 'export latex' && model heads.tex
run export notebook study.h5 -o study.ipynb
sed -n 's/^[[:space:]]*"\([a-z0-9_.]*\)":[[:space:]]*"\(.*\)",\{0,1\}$/\1: \2/p' study.ipynb >facts
whoever study.ipynb 'export notebook' && model study.ipynb

# what stands in the file, read from outside, is what verify --facts says of it; a table's stands beside it
for file in scores.csv heads.tex study.ipynb scores.csv-metadata.json; do
    told $file
    case $file in heads.tex) command='export latex' ;; study.ipynb) command='export notebook' ;; *) command='export csv' ;; esac
    whoever $file "$command" && model $file
done
# the same command on the same file gives the same bytes, whenever and wherever it runs
twice() {   # twice FILE ARGUMENTS...
    file=$1
    shift
    mkdir -p first
    mv "$file"* first
    sleep 1.1
    run "$@" -o "$file"
    for part in "$file"*; do cmp -s "$part" "first/$part" || fail "$part: other bytes a second later"; done
}
twice scores.csv export csv scores.h5
twice influence.npz export npz gradient.h5
twice heads.tex export latex study.h5
twice study.ipynb export notebook study.h5
run export notebook study.h5 -o study.ipynb
for word in 'hostname' "$dir"; do
    ! grep -qF "$word" study.ipynb || fail "a notebook names the machine or a folder of it: $(grep -oF "$word" study.ipynb | head -1)"
done

# a page says what it was made from and by what, not when and where: the same files give the same page
run view scores.h5 recording.h5 -o page.html
told page.html
says page.html needlescope_version "$version"
says page.html command_line '[^ ]*needlescope view scores.h5 recording.h5 -o page.html'
model page.html
no_line '^(created_utc|hostname): ' facts 'page.html says when or where it was made'
run emergence study.h5 --persist 1 -o births.csv
told births.csv
whoever births.csv emergence && model births.csv
run score m --cases cases.jsonl --probe retrieval_wu --threads 2 --tokenizer words --head-score heads.json
told heads.json
whoever heads.json score && model heads.json
cp scores.csv alone.csv
expect 2 'alone.csv: is a text that does not say what made it' verify --facts alone.csv

# the trainer's metrics, and a laboratory's figures
cat >tiny.json <<'END'
{"name": "tiny", "checkpoint_every": 2, "validation_sequences": 8,
 "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "steps": 2}}
END
run train tiny.json -o tiny
told tiny/metrics.h5
whoever tiny/metrics.h5 train

# a Hugging Face cache: the commit
mkdir -p models--a--b/snapshots/0123abc models--a--b/refs models--a--b/blobs
cp m/* models--a--b/snapshots/0123abc && printf 0123abc >models--a--b/refs/v1
run score models--a--b --revision v1 --cases cases.jsonl --probe retrieval_find -o cached.h5
told cached.h5
says cached.h5 model_revision 0123abc
says cached.h5 model_name a/b
"$NEEDLESCOPE" verify --content cached.h5 | grep -q '^attribute model_revision' &&
    fail 'cached.h5: where a model was found is in its content'
run export csv cached.h5 -o cached.csv
told cached.csv
says cached.csv model_revision 0123abc

# figures
if "$NEEDLESCOPE" figure heads scores.h5 --score retrieval_find -o heads.svg >out 2>err; then
    run figure heads scores.h5 --score retrieval_find -o heads.png
    run figure heads scores.h5 --score retrieval_find -o heads.pdf
    run figure map recording.h5 --layer 2 --head 3 -o map.svg
    run figure ablation ablation.h5 -o ablation.svg
    run figure curves study.h5 -o curves.svg
    for figure in heads.svg map.svg ablation.svg curves.svg; do
        sed -n 's/^<fact name="\([^"]*\)">\(.*\)<\/fact>$/\1: \2/p' $figure >facts
        whoever $figure figure && model $figure
        says $figure source_content_sha256 '[0-9a-f]{64}'
        sort facts >outside
        told $figure
        sort facts | cmp -s - outside || fail "verify --facts $figure: $(sort facts | diff - outside)"
    done
    for figure in heads.png heads.pdf; do
        told $figure
        whoever $figure 'figure heads' && model $figure
        says $figure source_content_sha256 '[0-9a-f]{64}'
    done
    for ending in png pdf svg; do twice heads.$ending figure heads scores.h5 --score retrieval_find; done
    run figure heads scores.h5 -o heads.eps
    twice heads.eps figure heads scores.h5
    run figure heads scores.h5 --title 'a (b) \\ "ü" <c>; d: e' -o odd.pdf
    told odd.pdf
    whoever odd.pdf 'figure heads' && grep -q '^command_line: .*figure heads .*ü.* <c>; d: e. -o odd.pdf$' facts ||
        fail "odd.pdf: $(cat facts)"
    for figure in heads.png heads.pdf; do       # cut short: what is left is read, and nothing beyond it
        for bytes in 9 40 200 700 1500; do
            head -c $bytes $figure >cut
            "$NEEDLESCOPE" verify --facts cut >out 2>err
            case $? in 0 | 2) ;; *) fail "verify --facts of $bytes bytes of $figure: exit $?: $(cat err)" ;; esac
        done
    done
    sed -n 's/^ *.Keywords (\(.*\)).*$/\1/p' heads.pdf | sed 's/; /\n/g' >facts
    whoever heads.pdf 'figure heads' && model heads.pdf
    # a chunk: its name, five bytes that are no text, the value, and a checksum of which up to four bytes may look like text
    tr -c '[:print:]' '\n' <heads.png | grep -v '^$' | sed -n '/iTXt[a-z_0-9]*$/ { s/.*iTXt//; N; s/\n/: /; p; }' >facts
    tail='.{0,4}'
    whoever heads.png 'figure heads' && model heads.png
else
    grep -q 'without' err || fail "figure heads: $(cat err)"
fi
finish
