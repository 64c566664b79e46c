#!/bin/sh
# kinds.sh PROGRAM JSON_OK - one file or folder of each kind, given to each command that reads another: exit 2, 65 or 66, the name and what
# it is, in one line.
. "$(dirname "$0")/common.sh"

# ---- one of each kind ----
run lab plant -o model
run cases needle --model model --lengths 48 --count 2 -o cases.jsonl
run cases needle --model model --lengths 60 --depths .2,.8 --count 2 --twins swap -o twins.jsonl
run score model --cases cases.jsonl --probe retrieval_find,retrieval_mass -o scores.h5
run record model --cases cases.jsonl --maps dense -o recording.h5
run ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 0 -o ablation.h5
run patch model --cases twins.jsonl --heads 3.1 --draws 2 -o patching.h5
run attribute model --cases twins.jsonl -o attribution.h5
run gradient model --text cases.jsonl --last 3 --no-baseline -o gradient.h5
run export npz gradient.h5 -o influence.npz
run figure heads scores.h5 -o picture.png
run figure heads scores.h5 -o picture.pdf
run figure heads scores.h5 -o picture.svg
run view scores.h5 -o page.html
mkdir run && cp -r model run/step10 && cp -r model run/step20
run scan run --cases cases.jsonl --probe retrieval_find -o scan
run merge scan -o study.h5
model='"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "warmup": 4'
printf '{"name": "tiny", "checkpoint_every": 2, "validation_sequences": 8, "train": {%s, "steps": 2}}\n' "$model" >config.json
run train config.json -o trained --seed 3
cp trained/metrics.h5 metrics.h5
run scan run --cases cases.jsonl --probe retrieval_find,entropy_norm,distance -o traced
run merge traced -o traced.h5
run trace traced.h5 -o trace.h5
cp model/model.safetensors weights.safetensors
# the legacy form: its magic number, its protocol, and no more
printf '\200\002\212\012\154\374\234\106\371\040\152\250\120\031\056\200\002\115\351\003\056%032d' 0 >weights.pt
mkdir -p cache/snapshots/abc cache/refs cache/blobs void
printf abc >cache/refs/main
printf 'The needle is in the hay.\nNobody finds it.\n' >story.txt
printf '\001\002\000\003\377' >noise.bin
: >nothing
# HDF5 of another program: an empty file of h5py's
base64 -d <<'END' | gunzip >foreign.h5
H4sIAAAAAAACA+v0cHHj5ZLiYgABDg4GFgYBBmTwHwoUmFH5MPkEKM0IpTug9AommDgjWE4CKi4I
NR9dXUiQqyuy+ej2jIKRDTxcHQNAdASUzwGlTzChqoOlwwAq2QsA8xDuUyADAAA=
END

# kind_of FILE: what its error says
kind_of() {
    case $1 in
        scores.h5) echo 'a score file' ;;
        study.h5) echo 'a study' ;;
        recording.h5) echo 'a recording' ;;
        ablation.h5) echo 'an ablation' ;;
        patching.h5) echo 'a patching' ;;
        metrics.h5) echo 'training metrics' ;;
        trace.h5) echo 'a trace of heads' ;;
        foreign.h5) echo 'HDF5 of another program' ;;
        cases.jsonl) echo 'a list of cases' ;;
        config.json) echo 'a config of a training run' ;;
        picture.png) echo 'a PNG picture' ;;
        picture.pdf) echo 'a PDF' ;;
        picture.svg) echo 'an SVG picture' ;;
        page.html) echo 'a page of view' ;;
        weights.safetensors) echo 'safetensors weights' ;;
        weights.pt) echo 'PyTorch weights' ;;
        story.txt) echo 'a text' ;;
        noise.bin) echo 'a binary file' ;;
        nothing) echo 'an empty file' ;;
        model) echo 'a checkpoint folder' ;;
        scan) echo 'a scan folder' ;;
        run) echo 'a run folder' ;;
        cache) echo 'a Hugging Face cache' ;;
        void) echo 'an empty folder' ;;
    esac
}
all='scores.h5 study.h5 recording.h5 ablation.h5 patching.h5 metrics.h5 trace.h5 foreign.h5 cases.jsonl config.json
     picture.png picture.pdf picture.svg page.html weights.safetensors weights.pt story.txt noise.bin nothing model scan run cache void'

# refuses "RIGHT KINDS" ARGS...: every other kind in place of the word @ is refused by name and kind.
refuses() {
    right=" $1 "
    shift
    for file in $all; do
        case $right in *" $file "*) continue ;; esac
        set -- "$@" --end--
        while [ "$1" != --end-- ]; do
            word=$1
            shift
            [ "$word" = @ ] && word=./$file
            set -- "$@" "$word"
        done
        shift
        "$NEEDLESCOPE" "$@" >out 2>err </dev/null
        got=$?
        case $got in 2 | 65 | 66) ;; *) fail "$*: exit $got: $(head -c 300 err)" ;; esac
        grep -q "error:.*$file: is $(kind_of "$file")" err || fail "$*: does not say that $file is $(kind_of "$file"): $(head -c 300 err)"
        [ "$(grep -c 'error:' err)" -eq 1 ] || fail "$*: not one error line: $(cat err)"
        for word in "$@"; do
            shift
            [ "$word" = "./$file" ] && word=@
            set -- "$@" "$word"
        done
    done
}

# What a hole takes, or refuses in words of its own (what a checkpoint lacks, which key a JSON has not).
text='cases.jsonl config.json story.txt nothing picture.svg page.html'
json='config.json story.txt'
weights='model weights.safetensors weights.pt cache noise.bin'
studies='study.h5 scores.h5 patching.h5'
for one in agreement grid; do
    refuses scores.h5 figure $one @ -o out.svg
done
for one in rank heads; do
    refuses 'scores.h5 patching.h5' figure $one @ -o out.svg
done
refuses recording.h5 figure map @ --layer 2 --head 1 -o out.svg
refuses 'ablation.h5 patching.h5' figure ablation @ -o out.svg
refuses trace.h5 figure trace @ -o out.svg
refuses gradient.h5 figure gradient @ -o out.svg
refuses patching.h5 attribute model --cases twins.jsonl --against @
for one in laziness births pairs curves loss strip; do
    refuses "$studies" figure $one @ -o out.svg
done
refuses 'scores.h5 study.h5 recording.h5 ablation.h5 patching.h5' view @ -o out.html
refuses "$studies" figure probe @ -o out.svg
refuses "$studies" export csv @ -o out.csv
refuses "$studies" export latex @ -o out.tex
refuses "$studies" export notebook @ -o out.ipynb
refuses "$studies" emergence @
refuses "$studies" profile @
refuses "$studies" compare scores.h5 @
refuses "$studies" export heads @ -o out.json
refuses gradient.h5 export npz @ -o out.npz
refuses "$studies" laziness @
refuses "$studies" trace @ -o out.h5
refuses "$studies" ablate model --cases cases.jsonl --scores @
refuses "$studies" patch model --cases twins.jsonl --scores @
for command in 'score' 'record' 'ablate --heads 3.1'; do
    refuses "$weights" $command @ --cases cases.jsonl -o out.h5
    refuses "cases.jsonl config.json story.txt nothing" $command model --cases @ -o out.h5
done
refuses "$json" score model --cases cases.jsonl --arch @
refuses "$json" score model --cases cases.jsonl --probe-def @
refuses "$json model" score model --cases cases.jsonl --tokenizer @
refuses "cases.jsonl config.json story.txt nothing" scan run --cases @ -o out
refuses "run $weights" scan @ --cases cases.jsonl -o out
refuses scan merge @ -o out.h5
refuses "$weights" inspect @
refuses "$json $weights" tokenize @ hello
refuses "$text" tokenize model --file @
refuses "$json" train @ -o out
refuses "$json" lab laziness --protocol @ -o out
pictures='picture.png picture.pdf picture.svg page.html'
refuses "scores.h5 study.h5 recording.h5 ablation.h5 patching.h5 metrics.h5 trace.h5 foreign.h5 $pictures" \
    verify @ --facts

# ---- JSON of each purpose, in place of every other ----
mkdir json
run inspect model --arch-out json/arch
printf '{"model.embed_tokens.weight": "transformer.wte.weight", "lm_head.weight": "transformer.head.weight"}' >json/names
printf '{"name": "own", "rows": "answer", "keys": "needle", "stat": "mass"}' >json/definition
printf '{"path": "run/step10", "step": 10}\n{"path": "run/step20", "step": 20}\n' >json/manifest
run lab laziness --print-protocol
cp out json/protocol
cp config.json json/training
cp trained/run.json json/run
cp model/config.json json/model
printf '{"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}' >json/tokenizer
printf '{"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"}' >json/tokenizer_config
printf '{"metadata": {}, "weight_map": {"a.b": "c.safetensors"}}' >json/index
run export notebook study.h5 -o json/notebook
purpose_of() {
    case $1 in
        arch) echo 'a description of an architecture' ;;
        names) echo 'a map of names of tensors' ;;
        definition) echo 'a definition of a probe' ;;
        manifest) echo 'a manifest of checkpoints' ;;
        protocol) echo 'a protocol of the laboratory' ;;
        training) echo 'a config of a training run' ;;
        run) echo 'a run.json' ;;
        model) echo "a model's config.json" ;;
        tokenizer) echo 'a tokenizer.json' ;;
        tokenizer_config) echo 'a tokenizer_config.json' ;;
        index) echo 'an index of weights' ;;
        notebook) echo 'a notebook' ;;
    esac
}
# takes PURPOSE ARGS...: each other purpose in place of the last argument is refused by name, beside what was wanted
takes() {
    wanted=$1
    shift
    for one in arch names definition manifest protocol training run model tokenizer tokenizer_config index notebook; do
        [ "$one" != "$wanted" ] || continue
        "$NEEDLESCOPE" "$@" json/$one >out 2>err </dev/null
        got=$?
        case $got in 2 | 65) ;; *) fail "$* json/$one: exit $got: $(head -c 300 err)" ;; esac
        grep -q "error: .*json/$one: is $(purpose_of $one)[^,]*, not a" err || fail "$* json/$one is not named: $(head -c 300 err)"
        [ "$wanted" = cases ] || grep -q ", not $(purpose_of $wanted)" err ||
            fail "$* json/$one: what was wanted is not named: $(head -c 300 err)"
    done
}
takes arch score model --cases cases.jsonl --arch
takes names score model --cases cases.jsonl --names
takes definition score model --cases cases.jsonl --probe-def
takes manifest scan run --cases cases.jsonl -o none --manifest
takes protocol lab laziness -o none --protocol
takes training train -o none
takes tokenizer score model --cases cases.jsonl --tokenizer
takes cases score model --cases
[ ! -e none ] || fail "something was written"

# ---- and as an output: another kind is refused by name before any work and stays what it is, its own is replaced and said ----
# makes FILE ARGS...: `ARGS FILE` writes a file of FILE's kind
makes() {
    own=$1
    shift
    for one in cases.jsonl scores.h5 recording.h5 ablation.h5 patching.h5 attribution.h5 gradient.h5 influence.npz study.h5 metrics.h5 \
        picture.png weights.safetensors story.txt noise.bin json/arch json/notebook; do
        cp "$one" there
        "$NEEDLESCOPE" "$@" there >out 2>err </dev/null
        got=$?
        if [ "$one" = "$own" ]; then
            [ "$got" -eq 0 ] && grep -q '^replaced there$' err || fail "$* over $one: exit $got: $(head -c 300 err)"
        else
            [ "$got" -eq 73 ] && grep -q 'error: there: is .*, and another kind of file would replace it' err && cmp -s there "$one" ||
                fail "$* over $one: exit $got: $(head -c 300 err)"
        fi
    done
}
makes cases.jsonl cases needle --model model --lengths 48 -o
makes scores.h5 score model --cases cases.jsonl --probe retrieval_find --resamples 0 -o
makes recording.h5 record model --cases cases.jsonl -o
makes ablation.h5 ablate model --cases cases.jsonl --heads 3.1 --draws 2 --loss-cases 0 -o
makes patching.h5 patch model --cases twins.jsonl --heads 3.1 --draws 2 --no-map -o
makes attribution.h5 attribute model --cases twins.jsonl --resamples 20 -o
makes gradient.h5 gradient model --text cases.jsonl --last 3 --no-baseline -o
makes influence.npz export npz gradient.h5 -o
makes study.h5 merge scan -o
makes story.txt export csv scores.h5 -o
makes json/notebook export notebook scores.h5 -o
makes json/arch inspect model --arch-out
cp scores.h5 there.png
expect 73 'there.png: is a score file, and another kind' figure heads scores.h5 -o there.png
run figure heads scores.h5 -o picture.png
grep -q '^replaced picture.png$' err || fail "a figure that was replaced is not said: $(cat err)"
run figure heads scores.h5 -o picture.png -q
[ ! -s err ] || fail "--quiet, and a replaced file is told of: $(cat err)"
run figure heads scores.h5 -o fresh.png
! grep -q replaced err || fail "a new file replaced nothing: $(cat err)"
head -c 9000 scores.h5 >damaged.h5                 # what is damaged is not finished
run score model --cases cases.jsonl --probe retrieval_find -o damaged.h5
: >empty.h5
run score model --cases cases.jsonl --probe retrieval_find -o empty.h5
cp recording.h5 scan/study.h5                      # the usual place of a study
expect 73 'scan/study.h5: is a recording, and another kind' merge scan
finish
