#!/bin/sh
# paths.sh PROGRAM JSON_OK - outputs that are inputs, standard streams and pipes, names with commas.
. "$(dirname "$0")/common.sh"

refused() {   # refused FILE ARGS...: exit 2, says so, and FILE stays what it was
    file=$1
    shift
    before=$(sha256sum <"$file")
    expect 2 'the output is (also|part of)|is given twice' "$@"
    [ "$before" = "$(sha256sum <"$file")" ] || fail "$*: $file was replaced"
}

run lab plant -o m
run cases needle --model m --lengths 64 --depths 0.5 -o c.jsonl
run score m --cases c.jsonl --probe retrieval_find -o s.h5
cp c.jsonl c2.jsonl
cp c.jsonl plain.jsonl

# A name that is no UTF-8: JSON has it as Python's os.fsdecode, other texts for readers as the terminal has it; all are UTF-8.
odd=$(printf 'n\377')
cp s.h5 "$odd.h5"
run export csv "$odd.h5" -o "$odd.csv" --json
cp out told.json
grep -q '"file":.*"n\\udcff\.csv"' told.json || fail "the name in JSON: $(cat told.json)"
run export notebook "$odd.h5" -o odd.ipynb
grep -q 'Retrieval heads: n\\\\xff\.h5' odd.ipynb || fail "the name in the title of a notebook"
grep -q 'path = \\"n\\\\udcff\.h5\\"' odd.ipynb || fail "the name in the code of a notebook"
run export latex "$odd.h5" -o odd.tex
grep -q '^% source_file: n\\xff\.h5$' odd.tex || fail "the name in LaTeX"
run figure heads "$odd.h5" -o odd.svg
grep -q 'n\\xff\.h5' odd.svg || fail "the name in a figure"
run score m --cases c.jsonl --probe retrieval_find -o "$odd-s.h5"
for file in told.json odd.ipynb odd.tex odd.svg; do
    iconv -f UTF-8 -t UTF-8 $file >/dev/null || fail "$file is no UTF-8"
done

# an output that is an input, by its name, a link, a hard link, or inside a folder that is read
ln -s c.jsonl link.jsonl
ln c.jsonl hard.jsonl
mkdir blobs snapshot
mv m/model.safetensors blobs/w
ln -s ../blobs/w m/model.safetensors
for out in c.jsonl ./c.jsonl link.jsonl hard.jsonl; do
    refused c.jsonl score m --cases c.jsonl --probe retrieval_find -o $out
    refused c.jsonl record m --cases c2.jsonl,c.jsonl --at hook_embed -o $out
    refused c.jsonl ablate m --cases c.jsonl --heads 3.1 -o $out
    refused c.jsonl patch m --cases c.jsonl --heads 3.1 -o $out
done
for out in m/model.safetensors m/config.json blobs/w; do
    refused $out score m --cases c.jsonl --probe retrieval_find -o $out
    refused $out record m --cases c.jsonl --at hook_embed -o $out
    refused $out inspect m --arch-out $out
    refused $out cases needle --model m --lengths 64 -o $out
done
refused s.h5 export csv s.h5 -o s.h5
refused s.h5 export latex s.h5 -o s.h5
refused s.h5 export notebook s.h5 -o s.h5
refused s.h5 figure heads s.h5 -o s.h5
refused s.h5 ablate m --cases c.jsonl --scores s.h5 -o s.h5
expect 2 'is given twice|the output is also' score m --cases c.jsonl --probe retrieval_wu -o both.h5 --head-score both.h5
[ ! -e both.h5 ] || fail "two outputs in one file"
run lab plant -o runs --series 3 --retrieval 3.1 --births 20 --every 10
run cases needle --model runs/step000000 --lengths 64 --depths 0.5 -o r.jsonl
run scan runs --cases r.jsonl --probe retrieval_find -o scanned
refused scanned/shards/runs/step000010.h5 merge scanned -o scanned/shards/runs/step000010.h5
run merge scanned -o scanned/study.h5
run merge scanned -o scanned/study.h5                    # a study is no input of the merge
run score m --cases c.jsonl --probe retrieval_find -o m/scores.h5
run score m --cases c.jsonl --probe retrieval_find -o m/scores.h5
mkdir sub models--o--n models--o--n/refs models--o--n/snapshots
cp -r m models--o--n/snapshots/aaa
printf aaa >models--o--n/refs/main
for out in c.jsonl ./c.jsonl sub/../c.jsonl hard.jsonl link.jsonl; do
    refused c.jsonl cases check c.jsonl -o $out
done
refused models--o--n/refs/main score models--o--n --cases c.jsonl --probe retrieval_find -o models--o--n/refs/main
expect 2 'sub/../both.h5 and both.h5 are one file' score m --cases c.jsonl --probe retrieval_wu -o both.h5 --head-score sub/../both.h5
expect 2 'the output is also' score m --cases c.jsonl --probe retrieval_wu -o m/scores.h5 --head-score sub/../m/scores.h5
[ ! -e both.h5 ] || fail "two outputs in one file, by two names"

# nor by a stream that is open on it: -, /dev/stdin, /dev/fd/N, and what standard output writes over
kept() {     # kept WHAT: the last command was refused, and c.jsonl is what it was
    [ $? -eq 2 ] && grep -Eq 'the output is also the input' err || fail "$1: not refused: $(head -c 300 err)"
    cmp -s c.jsonl plain.jsonl || fail "$1: the input was replaced"
}
for name in - /dev/stdin /proc/self/fd/0; do
    "$NEEDLESCOPE" cases check $name -o c.jsonl <c.jsonl >out 2>err
    kept "cases check $name -o its input"
    "$NEEDLESCOPE" score m --cases $name --probe retrieval_find -o c.jsonl <c.jsonl >out 2>err
    kept "score --cases $name -o its input"
    "$NEEDLESCOPE" cases check $name -o - <c.jsonl 1<>c.jsonl 2>err
    kept "cases check $name, standard output its input"
done
for out in '-o -' '-o /dev/stdout' '-o /dev/fd/1' ''; do
    "$NEEDLESCOPE" cases check c.jsonl $out 1<>c.jsonl 2>err </dev/null
    kept "cases check $out, standard output its input"
done
"$NEEDLESCOPE" cases check c.jsonl -o /dev/fd/7 7<>c.jsonl >out 2>err </dev/null
kept "cases check, descriptor 7 its input"
"$NEEDLESCOPE" cases check - -o other.jsonl <c.jsonl >out 2>err || fail "cases check - -o another file: $(cat err)"
"$NEEDLESCOPE" cases check - -o - </dev/null >/dev/null 2>err
grep -q 'the output is also' err && fail "a device is taken for a file"

# a stream that cannot be written, and names that are no descriptor's
for out in /dev/stdin /dev/fd/0 /proc/self/fd/0; do
    expect 73 'open for reading only' cases lab --length 64 --count 2 -o $out
    expect 73 'open for reading only' export csv s.h5 -o $out
done
for out in /dev/fd/abc /dev/fd/1x /dev/fd/01 /dev/fd/4294967297 /dev/fd/99999999999999999999 /proc/self/fd/x /dev/fd/-1; do
    expect 73 "$out: cannot be" cases lab --length 64 --count 2 -o $out
    expect 66 "$out: " cases check $out
done
expect 73 'not open' cases lab --length 64 --count 2 -o /dev/fd/77

# no folder is a stream
for command in 'lab plant' 'lab laziness --quick' 'scan m --cases c.jsonl' 'train none.json'; do
    expect 2 'output -: standard output is no folder' $command -o -
done
[ ! -e ./- ] || fail "a folder called -"

# - is a standard stream; the answer then goes to standard error, and to nowhere with -q
same() {     # same FILE OTHER: but for the command by which a table was written
    grep -v '^% command_line: ' "$1" >same.1
    grep -v '^% command_line: ' "$2" >same.2
    cmp -s same.1 same.2
}
stream() {   # stream FILE ARGS...: what goes to standard output is FILE
    want=$1
    shift
    "$NEEDLESCOPE" "$@" -o - >got 2>err </dev/null || fail "$* -o -: exit $?: $(cat err)"
    same "$want" got || fail "$* -o - is not $want"
    [ -s err ] || fail "$* -o -: no answer on standard error"
    "$NEEDLESCOPE" "$@" -o /dev/stdout -q 2>err </dev/null | cat >got
    same "$want" got || fail "$* -o /dev/stdout is not $want"
    [ ! -s err ] || fail "$* -o /dev/stdout -q says $(cat err)"
    mkfifo pipe
    timeout 60 cat pipe >got &
    "$NEEDLESCOPE" "$@" -o pipe >/dev/null 2>err </dev/null || fail "$* -o pipe: exit $?: $(cat err)"
    wait
    same "$want" got || fail "$* -o pipe is not $want"
    rm pipe
    expect 2 '^needlescope .*--output -: --json goes to standard output too' "$@" -o - --json
}
stream plain.jsonl cases needle --model m --lengths 64 --depths 0.5
run cases repeat --vocab 99 --length 64 -o repeat.jsonl
stream repeat.jsonl cases repeat --vocab 99 --length 64
run cases lab --count 2 -o lab.jsonl
stream lab.jsonl cases lab --count 2
run export csv s.h5 -o s.csv
stream s.csv export csv s.h5
run export latex s.h5 -o s.tex
stream s.tex export latex s.h5
run emergence scanned/study.h5 -o births.csv
stream births.csv emergence scanned/study.h5
run inspect m --arch-out arch.json
"$NEEDLESCOPE" inspect m --arch-out - 2>err | cmp -s arch.json - || fail "inspect --arch-out - is not the file: $(cat err)"
printf 'kept\n' >log
"$NEEDLESCOPE" cases lab --count 2 -o - >>log 2>err || fail "cases lab -o - >>log"
[ "$(head -1 log)" = kept ] && [ "$(wc -l <log)" -eq 3 ] || fail "-o - cuts what standard output is appended to"
[ ! -e - ] || fail "a file called -"
expect 2 "--output -: standard output cannot hold" score m --cases c.jsonl --probe retrieval_find -o -
expect 2 "--output -: standard output cannot hold" figure heads s.h5 -o -
expect 73 'a stream cannot hold' score m --cases c.jsonl --probe retrieval_find -o /dev/stdout

for name in - /dev/stdin; do
    "$NEEDLESCOPE" cases check $name <c.jsonl >out 2>err || fail "cases check $name: $(cat err)"
    grep -q '^cases *1$' out || fail "cases check $name: $(cat out)"
    "$NEEDLESCOPE" score m --cases $name --probe retrieval_find <c.jsonl >out 2>err || fail "score --cases $name: $(cat err)"
    cat c.jsonl | "$NEEDLESCOPE" score m --cases $name --probe retrieval_find >out 2>err ||
        fail "score --cases $name from a pipe: $(cat err)"
done

# names with commas; several files by commas or by giving the option again
mkdir 'lr=0.1,seed=1'
cp c.jsonl 'lr=0.1,seed=1/c.jsonl'
cp s.h5 'lr=0.1,seed=1/s.h5'
run score m --cases 'lr=0.1,seed=1/c.jsonl' --probe retrieval_find
sed 's/"id": "/&b-/' c.jsonl >d.jsonl
run score m --cases c.jsonl,d.jsonl --probe retrieval_find -o two.h5
run score m --cases c.jsonl --cases d.jsonl --probe retrieval_find -o again.h5
[ "$("$NEEDLESCOPE" verify two.h5 --json | grep content_sha256)" = "$("$NEEDLESCOPE" verify again.h5 --json | grep content_sha256)" ] ||
    fail "--cases a,b is not --cases a --cases b"
# names and texts of strangers: no control character reaches a terminal, and no line is forged
esc=$(printf 'r\033[31m\nborn 0.0\302\233x')
controls=$(printf '[\001-\010\013-\037\177]\|\302[\200-\237]')
clean() {    # clean ARGS...: done or not
    "$NEEDLESCOPE" "$@" >out 2>err </dev/null
    [ -s out ] || [ -s err ] || fail "$*: says nothing"
    for said in out err; do
        LC_ALL=C grep -q "$controls" $said && fail "$*: a control character in $said: $(head -c 600 $said | cat -v)"
        grep -q '^born 0.0' $said && fail "$*: a forged line in $said"
    done
}
mkdir "$esc"
mv runs/* "$esc"
sed -i 's/"runs"/"r\\u001b[31m\\nborn 0.0\\u009bx"/; s/"planted"/"p\\u001b[31m\\nborn 0.0\\u009bx"/' "$esc/run.json"
sed 's/"id": "/&\\u001b[31m\\u009b\\n/' r.jsonl >forged.jsonl
run scan "$esc" --cases forged.jsonl --probe retrieval_find -o forged
run merge forged -o forged.h5
clean score "$esc/step000000" --cases forged.jsonl --probe retrieval_find -o forged_scores.h5
clean emergence forged.h5
grep -q 'r\\x1b\[31m\\nborn 0.0\\u009bx' out || fail "emergence does not show the run's name: $(cat -v out)"
"$NEEDLESCOPE" emergence forged.h5 --json >out && grep -q 'r\\u001b\[31m\\nborn' out || fail "emergence --json: $(head -c 300 out)"
clean verify forged.h5 --facts
clean verify forged_scores.h5 --facts
clean verify forged_scores.h5 --content
clean cases check forged.jsonl
clean inspect "$esc/step000000"
clean score "$esc/step000000" --cases forged.jsonl --probe retrieval_find --verbose
clean ablate "$esc/step000000" --cases forged.jsonl --scores forged_scores.h5
clean scan "$esc" --cases forged.jsonl --probe retrieval_find -o forged2 --verbose
clean scan "$esc" --list
clean figure heads "$esc" -o x.svg
expect 66 'lr=0.1: cannot be read' score m --cases 'lr=0.1,seed=2/c.jsonl' --probe retrieval_find
finish
