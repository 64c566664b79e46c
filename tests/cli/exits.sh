#!/bin/sh
# exits.sh PROGRAM JSON_OK - every kind of mistake gives its exit code and one line that names it; no half answer, no half file.
. "$(dirname "$0")/common.sh"

run lab plant -o model
run cases needle --model model --lengths 48 --count 1 -o cases.jsonl

# usage: 2
expect 2 'name a command'
expect 2 "unknown command 'scoer' \(did you mean 'score'" scoer
expect 2 "unknown command 'exprot' \(did you mean 'export'" exprot csv
expect 2 'unknown option --lenghts \(did you mean --lengths' cases needle --model model --lenghts 5 -o x
expect 2 "cases: there is no 'noodle'" cases noodle
expect 2 "unknown command 'figures' \(did you mean 'figure'" help-man figures
run help-man figure
grep -q '^.TH NEEDLESCOPE-FIGURE ' out && grep -qF 'figure\-heads' out || fail 'help-man figure: no page of the group'
run help-man figure heads
cp out page
run help-man 'figure heads'
{ grep -q 'NEEDLESCOPE-FIGURE-HEADS' out && cmp -s out page; } || fail 'help-man figure heads: two pages'
expect 2 "--mode: there is no 'zero' \(did you mean zero_z" ablate model --cases cases.jsonl --heads 3.1 --mode zero -o r.h5
expect 2 "cases: there is no 'nedle' \(did you mean 'cases needle'" cases nedle
expect 2 "figure: there is no 'heds' \(did you mean 'figure heads'" figure heds
expect 2 "lab: there is no 'lazines' \(did you mean 'lab laziness'" lab lazines
expect 2 "--maps dence: .*did you mean dense" record model --cases cases.jsonl --maps dence -o r.h5
expect 2 "--memory 10: 10 bytes\? say 10G" --memory 10 score model --cases cases.jsonl
expect 2 "--max-bytes 4: 4 bytes\? say 4G" record model --cases cases.jsonl --max-bytes 4 -o r.h5
printf '{"tokens": [1, 2], "answr": [3]}\n' >slip.jsonl
expect 65 "slip.jsonl: line 1: unknown key 'answr' \(did you mean 'answer'" score model --cases slip.jsonl
printf '{"name": "a", "checkpoint_evry": 5, "train": {}}\n' >run.json
expect 2 "run.json: unknown key 'checkpoint_evry' \(did you mean 'checkpoint_every'" train run.json -o trained
printf '{"name": "a", "checkpoint_every": 5, "train": {"d_modle": 5}}\n' >run.json
expect 2 "run.json.*: unknown key 'd_modle' \(did you mean 'd_model'" train run.json -o trained
expect 2 'of which kind' cases
expect 2 'MODEL is missing' inspect
expect 2 'too many' inspect model model
expect 2 'needs a value' score model --cases
expect 2 '--cases FILE is missing' score model
expect 2 "--probe retrieval_fnd: no such probe or score \(did you mean retrieval_find" score model --cases cases.jsonl --probe retrieval_fnd
expect 2 'expected a whole number' --threads many score model
expect 2 'tokenize: .*--threads has no effect on tokenize' tokenize model hello --threads 2
expect 2 '--threads has no effect on export csv' -t 2 export csv s.h5
expect 2 '--memory has no effect on lab laziness' lab laziness --memory 2G
expect 2 '--threads has no effect on inspect' inspect model -t 1
expect 2 '--memory 0: expected a size' score model --memory 0
run -t 2 --memory 2G score model --cases cases.jsonl
run --memory 2G inspect model
expect 2 "o FILE is missing" cases needle --model model
expect 2 '--maps' record model --cases cases.jsonl --maps sparse -o r.h5
expect 2 'blocks.9.attn.hook_pattern' record model --cases cases.jsonl --at blocks.9.attn.hook_pattern -o r.h5
expect 2 '--rows' record model --cases cases.jsonl --rows lots -o r.h5
expect 2 'max-bytes|larger|bytes' record model --cases cases.jsonl --maps dense --max-bytes 1K -o r.h5
expect 2 'give one of' tokenize model

# input missing: 66
expect 66 'none' inspect none
expect 66 'none.jsonl' score model --cases none.jsonl
expect 66 'none.h5' figure heads none.h5 --score x -o f.png
expect 66 'arch.json' inspect model --arch arch.json
expect 66 'tokenizer' tokenize model hello

# content wrong: 65
printf 'not hdf5' >junk.h5
expect 65 'junk.h5' figure heads junk.h5 --score x -o f.png
printf '{"id": "a", "tokens": [1, 2], "spans": {"needle": [0, 9]}}\n' >bad.jsonl
expect 65 'bad.jsonl.*(line|:1)' score model --cases bad.jsonl
: >empty.jsonl
expect 65 'empty.jsonl.*no case' score model --cases empty.jsonl
cp -r model broken && printf '{' >broken/config.json
expect 65 'config.json' inspect broken
head -c 1000 model/model.safetensors >broken/model.safetensors && cp model/config.json broken/
expect 65 'model.safetensors' score broken --cases cases.jsonl
printf '{"id": "a", "tokens": [1, 2, 99999999], "answer": [3]}\n' >vocab.jsonl
"$NEEDLESCOPE" score model --cases vocab.jsonl >out 2>err && fail "a token beyond the vocabulary is taken"
grep -q "vocabulary of 512 (first: 'a')" err || fail "the token beyond the vocabulary is not named: $(cat err)"

# no case left: says why
printf '{"id": "a", "tokens": [1, 2, 3]}\n' >plain.jsonl
"$NEEDLESCOPE" score model --cases plain.jsonl --probe retrieval_find -o s.h5 >out 2>err && fail "no case left, and exit 0"
grep -q 'needle_answer\|answer' err || fail "no case left: no reason: $(cat err)"
[ ! -e s.h5 ] || fail "no case left, but a file"

# a constraint on a layer that has no mask, on no layer, or that is none: 2, before anything is scored
expect 2 "constraint swa=8: no layer of the model is swa" score model --cases cases.jsonl --constrain swa=8 -o r.h5
expect 2 "constraint full=0: behind = it has W or W\+S" score model --cases cases.jsonl --constrain full=0 -o r.h5
[ ! -e r.h5 ] || fail 'a constraint that is none leaves a file'

# output impossible: 73
expect 73 'no/such' score model --cases cases.jsonl -o no/such/s.h5
expect 73 'no/such' cases needle --model model -o no/such/c.jsonl
expect 73 'folder' record model --cases cases.jsonl -o model
expect 73 'dev/null' record model --cases cases.jsonl -o /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"

# an output that exists stays when the command fails
run score model --cases cases.jsonl --probe retrieval_find -o kept.h5
cp kept.h5 precious.h5
expect 2 'such probe' score model --cases cases.jsonl --probe nothing -o kept.h5
cmp -s kept.h5 precious.h5 || fail "the old output is gone"

# disk full half way: 74 and nothing left (a file size limit stands in for the disk)
(ulimit -f 20; "$NEEDLESCOPE" record model --cases cases.jsonl --maps dense --dtype f32 -o big.h5 >out 2>err; echo $? >code)
[ "$(cat code)" -eq 74 ] || fail "disk full: exit $(cat code): $(cat err)"
[ -z "$(find . -name 'big.h5*')" ] || fail "disk full: leaves $(find . -name 'big.h5*')"

# little address space: an answer or one line and 75, soon; never a hang (a sanitizer asks for terabytes of it before it begins)
sizes='60000 90000 120000 200000 300000 500000'
[ -z "${NS_SANITIZED:-}" ] || sizes=
for kib in $sizes; do
    (ulimit -v $kib; timeout -k 5 30 "$NEEDLESCOPE" score model --cases cases.jsonl --probe induction >out 2>err; echo $? >code)
    case $(cat code) in
    0 | 75) ;;
    127) grep -q 'shared' err || fail "ulimit -v $kib: $(cat err)" ;;   # the loader itself had no room
    *) fail "ulimit -v $kib: exit $(cat code): $(head -c 300 err)" ;;
    esac
done

# standard output that cannot be written: 74
if [ -w /dev/full ]; then
    "$NEEDLESCOPE" inspect model >/dev/full 2>err
    [ $? -eq 74 ] || fail "/dev/full: not 74: $(cat err)"
    "$NEEDLESCOPE" --help >/dev/full 2>err
    [ $? -eq 74 ] || fail "/dev/full: help is not 74: $(cat err)"
fi

# signals: temporaries go, 143
run cases needle --model model --lengths 2048 --count 4 -o long.jsonl
"$NEEDLESCOPE" record model --cases long.jsonl --maps dense --max-bytes 100G -o stopped.h5 >out 2>err &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    [ -z "$(find . -name 'stopped.h5.tmp.*')" ] || break
    sleep 0.1
done
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || fail "SIGTERM: exit $code: $(cat err)"
[ -z "$(find . -name 'stopped.h5*')" ] || fail "SIGTERM: leaves $(find . -name 'stopped.h5*')"

# an unknown cap of the kernels
NEEDLESCOPE_CPU=abacus "$NEEDLESCOPE" score model --cases cases.jsonl >out 2>err
[ $? -eq 2 ] && grep -q abacus err || fail "NEEDLESCOPE_CPU=abacus: $(cat err)"

# help and version succeed on stdout
for words in --help 'score --help' 'help score' 'help cases' 'cases --help' 'cases needle -h' --version 'score --version'; do
    run $words
    [ -s out ] || fail "$words: prints nothing"
done
# options that have no effect where they stand are refused by name
run lab plant -o idle
run cases needle --model idle --lengths 64 --depths 0 -o idle.jsonl
expect 2 'two folders: a and -o b' lab plant a -o b
[ ! -e a ] && [ ! -e b ] || fail "lab plant of two folders wrote one"
for option in --revision --arch; do
    expect 2 "$option is of a model, and none is given" cases needle --vocab 99 $option idle/config.json -o no.jsonl
    expect 2 "$option is of a model, and none is given" cases repeat --vocab 99 $option idle/config.json -o no.jsonl
done
expect 2 '--revision is of a model' cases check idle.jsonl --revision main
expect 2 '--seed is of the resampling' score idle --cases idle.jsonl --seed 3 --resamples 0
expect 2 '--list prints the probes' score idle --list
expect 2 '--list prints the probes' score --list --cases idle.jsonl
expect 2 '--list prints the order' scan idle --list --cases idle.jsonl
expect 2 '--print-protocol .*stands alone' lab laziness --print-protocol --quick
run lab laziness --print-protocol
run score --list
expect 2 '--lengths are those of --cost' inspect idle --lengths 64
expect 2 'qk_distance: there is nothing to compare .*--reference' score idle --cases idle.jsonl --probe qk_distance
run score idle --cases idle.jsonl --probe qk_distance --reference idle
grep -q '^qk_distance  *1 ' out || fail "no distance from a reference: $(cat out)"

# a name is given once; lives of heads may well be the same
expect 2 '--mode: zero_z is given twice' ablate idle --cases idle.jsonl --heads 3.1 --mode zero_z,zero_z
expect 2 '--kind: repeat is given twice' cases repeat --vocab 99 --kind repeat --kind repeat -o no.jsonl
expect 2 '--score: induction is given twice' figure rank idle.jsonl --score induction,induction -o no.svg
expect 2 '--probe: induction is given twice' score idle --cases idle.jsonl --probe induction,previous_token,induction
expect 2 '--heads: 3.1 is given twice' ablate idle --cases idle.jsonl --heads 3.1,2.0,3.1
expect 2 '--heads: 3.1 is given twice' patch idle --cases idle.jsonl --heads 3.1 --heads 3.1
expect 2 '--retrieval: 3.1 is given twice' lab plant -o no --retrieval 3.1,3.1
expect 2 '--lengths: 40 is given twice' cases needle --vocab 99 --lengths 40,50,40 -o no.jsonl
expect 2 '--lengths: 40 is given twice' inspect idle --cost --lengths 40,40
expect 2 '--depths: 0.5 is given twice' cases needle --vocab 99 --depths .5,0:1:3 -o no.jsonl
expect 2 '--length: 64 is given twice' cases repeat --vocab 99 --length 64,64 -o no.jsonl
expect 2 '--windows: 4 is given twice' lab laziness --windows 4,4 -o no
run lab plant -o again --retrieval 3.1,4.6 --strength .5,.5
expect 2 '--rows 5,5: 5 is given twice' record idle --cases idle.jsonl --at hook_embed --rows 5,5 -o no.h5
run lab plant --series 5 --retrieval 2.3,3.0 --births 10,10 -o same_births
expect 2 'same_births and ./same_births/ are the same' scan same_births ./same_births/ --list
expect 2 'same_births is given twice' scan same_births same_births --list

# a folder that holds something else is not written into, and a run that is read is not either
mkdir strange && cp idle/config.json idle/model.safetensors strange
rm -rf bare && mkdir bare && cp idle/model.safetensors bare
cat >tiny.json <<'END'
{"train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 64, "steps": 2, "max_positions": 128}}
END
for folder in strange bare; do
    expect 73 "$folder: holds a checkpoint that was not planted" lab plant -o $folder
    expect 73 "$folder: holds a run or a checkpoint" lab plant --series 3 -o $folder
    expect 73 "$folder: holds a checkpoint and no run" train tiny.json -o $folder
done
expect 73 'same_births: holds a run' lab plant -o same_births
expect 73 'idle: holds a run or a checkpoint' lab plant --series 3 -o idle
expect 73 'same_births holds the run' train tiny.json -o same_births
for out in same_births same_births/scan ./same_births/../same_births/step000010/scan; do
    expect 2 'lies in the run same_births' scan same_births --cases idle.jsonl --probe retrieval_find -o $out
done
[ ! -e same_births/shards ] && [ ! -e same_births/scan ] || fail "a scan in the run that it reads"
run scan same_births --cases idle.jsonl --probe retrieval_find -o same_births_scan

finish
