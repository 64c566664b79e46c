#!/bin/sh
# bits.sh PROGRAM FOLDER STORIES - the arrays of scores, recordings, ablations, patches, studies and trained weights have the bits they had:
# a line for each dataset (`verify --content`), compared with FOLDER/NAME.txt. FOLDER/NAME.jsonl are the cases, as they were.
# bits.sh --make PROGRAM FOLDER STORIES writes the lists. A line that changes for the better is changed with a word in the CHANGELOG.
make=no
[ "$1" = --make ] && { make=yes; shift; }
lists=$(realpath "$2") stories=$3
. "$(dirname "$0")/common.sh"

# kept NAME LINES: the lines that NAME.txt lists are all there, and the same. New datasets are free to come.
kept() {
    if [ $make = yes ]; then
        cp "$2" "$lists/$1.txt"
    else
        [ -s "$lists/$1.txt" ] || { fail "no list $1.txt"; return; }
        sort "$2" >now && sort "$lists/$1.txt" >before && comm -13 now before >lost
        [ ! -s lost ] || fail "$1: $(wc -l <lost) arrays differ or are gone:
$(cut -d' ' -f1-4 lost)"
    fi
}
datasets() {   # datasets NAME FILE
    "${LISTER:-$NEEDLESCOPE}" verify --content "$2" | grep '^dataset' >lines || fail "verify --content $2"
    kept "$1" lines
}
tried() {      # like run, for models that answer none of the cases: exit 1
    "$NEEDLESCOPE" "$@" >out 2>err </dev/null
    got=$?
    [ $got -le 1 ] || fail "$*: exit $got: $(head -c 300 err)"
}
weights() {    # weights NAME FOLDER
    (cd "$2" && sha256sum step*/model.safetensors) >lines
    kept "$1" lines
}

# Every point of models of every shape (pre, post, sandwich and parallel blocks, each QK-norm, soft-caps, windows, biases, a recurrent
# mixer, mixers of channels, experts of every kind, sinks, chunks), and what the recurrent one's score, ablation and patch are.
fixtures=$lists/../../golden/fixtures
shapes='minimax gemma2 cohere2 olmo2 qwen3 gpt2 gpt_neox-parallel mixtral glm4_moe gpt_oss llama4 apertus qwen3_next mamba2 lfm2 jamba
    falcon_h1 recurrent_gemma-wide nemotron_h gla hypenet hgrn2'
for shape in $shapes; do
    run record "$fixtures/$shape" --cases "$lists/shapes.jsonl" --at '*' --maps dense --dtype f32 -o $shape.h5
    "${LISTER:-$NEEDLESCOPE}" verify --content $shape.h5 >content || fail "verify --content $shape.h5"
    grep -E '^attribute arch_sha256|^dataset /case0000/.*(hook|attn)' content | sed "s/^/$shape /" >>shapes
done
kept shapes-record shapes
tried score "$fixtures/minimax" --cases "$lists/shapes.jsonl" --resamples 0 -o recurrent-score.h5
datasets recurrent-score recurrent-score.h5
tried ablate "$fixtures/minimax" --cases "$lists/shapes.jsonl" --heads 1.1,3.4,2.0 --mode zero_z --draws 2 -o recurrent-ablate.h5
datasets recurrent-ablate recurrent-ablate.h5
tried patch "$fixtures/minimax" --cases "$lists/shapes.jsonl" -o recurrent-patch.h5
datasets recurrent-patch recurrent-patch.h5

run lab plant -o demo
run score demo --cases "$lists/demo.jsonl" --resamples 0 -o score.h5
datasets demo-score score.h5
head -n 3 "$lists/demo.jsonl" >three.jsonl
run record demo --cases three.jsonl -o record.h5 \
    --at 'hook_embed,blocks.*.attn.hook_pattern,blocks.*.attn.hook_rot_k,blocks.*.hook_resid_post,hook_logits'
datasets demo-record record.h5
run ablate demo --cases "$lists/demo.jsonl" --heads 3.1,4.6 --mode knockout --draws 2 -o ablate.h5
datasets demo-ablate ablate.h5
run patch demo --cases "$lists/demo.jsonl" -o patch.h5
datasets demo-patch patch.h5

run lab plant --zoo -o zoo
run score zoo --cases "$lists/zoo.jsonl" --resamples 0 -o zoo.h5
datasets zoo-score zoo.h5

run lab plant -o run --series 4 --retrieval 3.1 --births 20 --every 10
run scan run --cases "$lists/demo.jsonl" -o scan
run merge scan -o study.h5
datasets series-study study.h5

cat >tiny.json <<'END'
{"name": "tiny", "checkpoint_every": 10, "validation_sequences": 8,
 "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "warmup": 4, "steps": 20}}
END
run train tiny.json -o tiny --seed 3
weights train-weights tiny

if [ -e "$stories/model.safetensors" ]; then
    tried score "$stories" --cases "$lists/stories.jsonl" --resamples 0 -o stories.h5
    datasets stories-score stories.h5
else
    echo "$stories is absent: its scores were not compared"
fi
finish
