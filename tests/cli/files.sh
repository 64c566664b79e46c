#!/bin/sh
# files.sh NEEDLESCOPE JSON_OK - inputs that are no files, that shrink while they are read; outputs on a full disk; what a killed job
# leaves.
. "$(dirname "$0")/common.sh"

run lab plant -o m
run cases needle --model m --lengths 64 --depths 0.5 -o c.jsonl
run score m --cases c.jsonl --probe retrieval_find -o s.h5

# A FIFO as any input, or in the place of any file of a folder, is refused by its kind, and not waited for.
mkfifo fifo
refused() {
    timeout 30 "$NEEDLESCOPE" "$@" >out 2>err </dev/null
    code=$?
    [ $code -eq 66 ] || fail "$*: exit $code, not 66: $(head -c 300 err)"
    grep -q 'a FIFO, not a file' err || fail "$*: does not say that it is a FIFO: $(head -c 300 err)"
}
refused inspect fifo
refused inspect m --arch fifo
refused inspect m --names fifo
refused tokenize fifo x
refused tokenize m --file fifo
refused cases check fifo
refused score m --cases fifo --probe retrieval_find
refused score m --cases c.jsonl --probe retrieval_find --probe-def fifo
refused scan m --cases c.jsonl --manifest fifo -o scanned
refused train fifo -o run
refused lab laziness --protocol fifo -o lab
refused score m --cases c.jsonl --tokenizer fifo
refused figure heads fifo -o x.png
refused figure map fifo -o x.png --layer 0 --head 0
refused export csv fifo -o x.csv
for name in config.json tokenizer.json tokenizer_config.json special_tokens_map.json model.safetensors model.safetensors.index.json; do
    rm -rf other
    cp -r m other
    echo '{"model": {"type": "BPE", "vocab": {"x": 0}, "merges": []}}' >other/tokenizer.json
    rm -f "other/$name"
    [ $name != model.safetensors.index.json ] || rm other/model.safetensors
    mkfifo "other/$name"
    case $name in
    *token*) timeout 30 "$NEEDLESCOPE" tokenize other x >out 2>err </dev/null ;;
    *) timeout 30 "$NEEDLESCOPE" score other --cases c.jsonl --probe retrieval_find >out 2>err </dev/null ;;
    esac
    code=$?
    case $code in 65 | 66) ;; *) fail "a FIFO as $name: exit $code: $(head -c 300 err)" ;; esac
    grep -q 'FIFO' err || fail "a FIFO as $name: $(head -c 300 err)"
done

# A FIFO as a text output is a pipe that is wished for, if somebody reads it; a file that is no text does not go down one.
run cases needle --model m --lengths 64 --count 2 -o straight.jsonl
timeout 30 "$NEEDLESCOPE" cases needle --model m --lengths 64 --count 2 -o fifo >out 2>err
code=$?
[ $code -eq 73 ] && grep -q 'fifo: a FIFO that nobody reads' err || fail "a FIFO without a reader: exit $code: $(cat err)"
(sleep 0.5; cat fifo) >read &
run cases needle --model m --lengths 64 --count 2 -o fifo
wait $!
cmp -s read straight.jsonl || fail "a reader that came late has other bytes"
expect 73 'a stream cannot hold' score m --cases c.jsonl --probe retrieval_find -o fifo
"$NEEDLESCOPE" cases needle --model m --lengths 64 --count 2 -o /dev/stdout 2>err | cmp -s - straight.jsonl ||
    fail "/dev/stdout: $(cat err)"
(exec 4>&1; "$NEEDLESCOPE" cases needle --model m --lengths 64 --count 2 -o /dev/fd/4 2>err >out) | cmp -s - straight.jsonl ||
    fail "/dev/fd/4, as of >(command): $(cat err)"
"$NEEDLESCOPE" cases needle --model m --lengths 64 --count 2 -o /dev/null 2>err >out || fail "/dev/null: $(cat err)"

# Weights that are cut while the program waits for its cases: the error has the file's name, no signal.
mkfifo cases
cp -r m cut
"$NEEDLESCOPE" score cut --cases - --probe retrieval_find <cases >out 2>err &
pid=$!
exec 3>cases
for i in $(seq 100); do
    ls -l /proc/$pid/fd 2>/dev/null | grep -q 'cut/model.safetensors' && break
    sleep 0.1
done
ls -l /proc/$pid/fd | grep -q 'cut/model.safetensors' || fail "the weights are not open: $(ls -l /proc/$pid/fd)"
truncate -s 2000 cut/model.safetensors
cat c.jsonl >&3
exec 3>&-
wait $pid
code=$?
[ $code -eq 74 ] || fail "weights that were cut: exit $code, not 74: $(head -c 300 err)"
grep -q 'cut/model.safetensors: has 2000 bytes, where it had' err || fail "weights that were cut: $(head -c 300 err)"

# A disk that is full: 73 or 74 with the file's name and what to do, and nothing is left but whole files that say what there is to do
# (kept). A file size limit stands in for the disk.
full() {
    name=$1
    shift
    rm -rf full
    mkdir full
    (ulimit -f 1; "$NEEDLESCOPE" "$@" -o "full/$name" >/dev/null 2>err </dev/null; echo $? >code)
    case $(cat code) in 73 | 74) ;; *) fail "$* on a full disk: exit $(cat code): $(head -c 300 err)" ;; esac
    grep -q "full/$name" err || fail "$* on a full disk: the error has no name: $(head -c 300 err)"
    grep -q 'writing failed: File too large (raise ulimit -f)$' err || fail "$* on a full disk: no reason or remedy: $(head -c 300 err)"
    left=$(find full -type f ${kept:+! -path "full/$kept"})
    [ -z "$left" ] || fail "$* on a full disk leaves $left"
}
mkdir runs && run lab plant -o runs/a --series 2 --retrieval 3.1 --births 1 --every 1
run scan runs/a --cases c.jsonl --probe retrieval_find,previous_token -o scanned
run merge scanned
run cases needle --model m --lengths 64 --depths 0.5 --twins swap -o twins.jsonl
echo '{"name": "small", "checkpoint_every": 2, "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4,
       "length": 32, "steps": 2}}' >small.json
full x.h5 score m --cases c.jsonl --probe retrieval_find
full x.jsonl cases needle --model m --lengths 64 --count 40
full x.csv export csv s.h5
full x.png figure heads s.h5
full x.pdf figure heads s.h5
full x.svg figure heads s.h5
full x.png figure strip scanned/study.h5
full x.h5 record m --cases c.jsonl --maps dense
full x.h5 merge scanned
full x.h5 ablate m --cases c.jsonl --heads 3.1
full x.h5 patch m --cases twins.jsonl --heads 3.1
full x.tex export latex s.h5 --top 40
full x.ipynb export notebook scanned/study.h5
full x.json cases repeat --model m --length 4000
full p lab plant
full p lab plant --series 2 --retrieval 3.1 --births 1 --every 1
kept=x/run.json full x train small.json
kept=x/index/a.json full x scan runs/a --cases c.jsonl --probe retrieval_find
full out.csv export csv scanned/study.h5
(ulimit -f 1; "$NEEDLESCOPE" inspect m --tensors --json >big 2>err; echo $? >code)
[ "$(cat code)" -eq 74 ] && grep -q 'standard output: writing failed: File too large (raise ulimit -f)$' err ||
    fail "standard output on a full disk: exit $(cat code): $(head -c 300 err)"
if [ -w /dev/full ]; then
    expect 74 '/dev/full: writing failed: No space left' cases needle --model m --lengths 64 -o /dev/full
    expect 74 '/dev/full: writing failed: No space left' export csv s.h5 -o /dev/full
fi

# A job that is killed leaves its temporary, and the next that writes the same file takes it away; a planted link is nobody's output.
run cases needle --model m --lengths 2048 --count 4 -o long.jsonl
"$NEEDLESCOPE" record m --cases long.jsonl --maps dense --max-bytes 100G -o killed.h5 >out 2>err &
pid=$!
for i in $(seq 100); do
    [ -z "$(find . -name 'killed.h5.tmp.*')" ] || break
    sleep 0.1
done
live=$(find . -name 'killed.h5.tmp.*')
[ -n "$live" ] || fail "no temporary: $(cat err)"
run score m --cases c.jsonl --probe retrieval_find -o killed.h5
[ -e "$live" ] || fail "the temporary of a living job was swept"
kill -KILL $pid
wait $pid
[ -e "$live" ] || fail "a killed job leaves nothing to sweep"
echo precious >victim
ln -s victim "$live.planted"
run score m --cases c.jsonl --probe retrieval_find -o killed.h5
[ ! -e "$live" ] || fail "what a killed job left was not swept"
[ "$(cat victim)" = precious ] || fail "a planted link was followed"
finish
