#!/bin/bash
# fail_alloc.sh PROGRAM PRELOAD [-s OURS] [-l LIBRARIES] [-j JOBS] [-k FOLDER] COMMAND... - each OURS-th allocation of each command is
# refused once, and each LIBRARIES-th of those that libraries ask for (0: none); see fail_alloc.c. Then the command says so with exit 75 and
# leaves nothing but what an undisturbed run writes, or gives the very answer of an undisturbed run; it never crashes, hangs or leaks.
# COMMAND is a name from the table below, or "careless WORD" for the program that does not. Prints one line a command, and the first
# faults (SHOW=N of them). -k keeps FOLDER to look at.
set -u
corpus=$(realpath "$(dirname "$0")/../fuzz/corpus")
ns=$(realpath "$1") preload=$(realpath "$2") ours=1 libraries=1 jobs=2 keep=
shift 2
while getopts s:l:j:k: option; do
    case $option in s) ours=$OPTARG ;; l) libraries=$OPTARG ;; j) jobs=$OPTARG ;; k) keep=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
if [ -n "$keep" ]; then
    mkdir -p "$keep" && dir=$(realpath "$keep") || exit 99
else
    dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT || exit 99
fi
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
# They end the process when they are refused memory: docs/robustness.md says how each was seen to. They may, and never more than that.
export FAIL_ALLOC_DIES=${FAIL_ALLOC_DIES-libhdf5:libfontconfig:libfreetype:libexpat:libharfbuzz:libcairo}
# They take another typeface, or leave a line out, without a word when they are refused memory: a figure's bytes are not asked for then.
export FAIL_ALLOC_DRAW=${FAIL_ALLOC_DRAW-libfontconfig:libfreetype:libexpat:libharfbuzz:libcairo}
in=$dir/in
mkdir -p "$in" && cd "$in" || exit 99

tokenizer() {   # a letter each
    vocabulary=$(awk 'BEGIN { for (i = 33; i < 127; i++) {
        c = sprintf("%c", i); if (c == "\"" || c == "\\") c = "\\" c; printf "\"%s\":%d,", c, i - 33 } }')
    byte_level='"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false'
    printf '{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {%s}, "post_processor": null, "decoder": {%s},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
 "fuse_unk": false, "byte_fallback": false, "vocab": {%s "\\u0120": 94, "\\u010a": 95}, "merges": []}}\n' \
        "$byte_level" "$byte_level" "$vocabulary"
}
# Tokenizers in other forms than tokenizer.json, out of the fuzzers' seeds.
parts() { tail -c "+$1" "$2" | tr '\036' '\n' | sed -n "$3"; }
other_forms() {
    mkdir -p t5 bert gpt2 rebuilt ranks llama2c && cp "$corpus/llama2c/tokenizer" llama2c/tokenizer.bin &&
    cp "$corpus/llama2c/model-0-own" llama2c/stories.bin && tail -c +2 "$corpus/pieces/llama" >rebuilt/tokenizer.model &&
    cp told/tokenizer.json rebuilt &&
    echo '{"add_prefix_space": true, "tokenizer_class": "LlamaTokenizer"}' >rebuilt/tokenizer_config.json &&
    echo '{"<x>": 99}' >rebuilt/added_tokens.json && tail -c +2 "$corpus/pieces/t5" >t5/spiece.model &&
    echo '{"tokenizer_class": "T5Tokenizer", "extra_ids": 2}' >t5/tokenizer_config.json &&
    parts 1 "$corpus/wordpiece/plain" 1,11p >bert/vocab.txt && echo '{"tokenizer_class": "BertTokenizer"}' >bert/tokenizer_config.json &&
    parts 2 "$corpus/pair/gpt2" 1p >gpt2/vocab.json && parts 2 "$corpus/pair/gpt2" 2,4p >gpt2/merges.txt &&
    parts 1 "$corpus/ranks/small" 1,6p >ranks/tokenizer.model &&
    echo '{"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": ["<s>"]}' >ranks/tokenizer_config.json &&
    echo '{"<x>": 6}' >gpt2/added_tokens.json &&
    echo '{"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "<x>"}' >gpt2/tokenizer_config.json
}
mixed() {       # checkpoints as people have them: a nest, two names of one step, main of the same tensors, a cache without a tokenizer
    mkdir -p mixed/checkpoints/step20 mixed/main models--o--n/refs models--o--n/snapshots/s models--o--n/snapshots/m &&
        cp model/* mixed/checkpoints/step20 && cp model/model.safetensors mixed/main &&
        cp told/model.safetensors mixed/checkpoints/step10.safetensors &&
        cp told/model.safetensors mixed/checkpoints/checkpoint-10.safetensors &&
        cp model/* models--o--n/snapshots/s && cp told/* models--o--n/snapshots/m &&
        printf s >models--o--n/refs/step1 && printf m >models--o--n/refs/main
}
staged() {      # two stages, and a main of which nothing says the step
    mkdir staged && cp -r run/step000000 staged/stage1-step20-tokens1M && cp -r run/step000010 staged/stage2-step5-tokens1M &&
        cp -r run/step000020 staged/stage2-step9-tokens2M && cp -r told staged/main
}
run_of_window() {    # run_of_window FOLDER WINDOW: the planted run with another coordinate and name, which are all that is read of it twice
    cp -r run "$1" && sed -i "s/\"window\":[[:space:]]*0/\"window\": $2/; s/\"name\":[[:space:]]*\"run\"/\"name\": \"$1\"/" "$1/run.json"
}
losses() {      # of three sizes at three budgets
    printf 'model_size\ttoken_multiplier\tn\tloss\n' && awk 'BEGIN { for (n = 1; n <= 3; n++) for (d = 1; d <= 3; d++)
        printf "S%d\t%dn\t%d\t%.4f\n", n, 20 * d, 1000 * 4 ^ n, 3 / n + 2 / d }'
}
make_inputs() {
    local small='--layers 4 --heads 4 --kv-heads 2 --vocab 200 --previous-token 0.1 --retrieval 3.1'
    # shellcheck disable=SC2086  # options
    "$ns" lab plant -o told $small && tokenizer >told/tokenizer.json && other_forms &&
    "$ns" lab plant -o model $small && "$ns" cases needle --model model --lengths 48,64 --depths 0,.5 --twins swap -o cases.jsonl &&
    mixed &&
    "$ns" cases needle --model model --lengths 40 --depths .5 --twins swap -o few.jsonl &&
    "$ns" lab plant -o run $small --series 3 --births 10 --every 10 && "$ns" scan run --cases cases.jsonl -o scan &&
    staged && "$ns" scan staged --cases few.jsonl --probe retrieval_find,qk_distance -o stages &&
    "$ns" merge scan -o study.h5 && run_of_window narrow 4 && run_of_window wide 16 &&
    "$ns" scan narrow wide --cases few.jsonl -o windows && "$ns" merge windows -o windows.h5 &&
    "$ns" score model --cases cases.jsonl -o scores.h5 && "$ns" export heads scores.h5 -o heads.json &&
    "$ns" record model --cases few.jsonl --maps dense --at 'blocks.1.attn.hook_pattern' -o maps.h5 &&
    "$ns" scan run --cases few.jsonl --probe retrieval_find,entropy_norm,qk_distance -o paths && "$ns" merge paths -o traced.h5 &&
    printf '{"text": "a few words of which a text is made"}\n{"text": "and another of them"}\n' >texts.jsonl &&
    "$ns" cases ruler --model told --task copy --lengths 500 -o asked.jsonl &&
    printf '[2, 6];[9, 12]\n\n' >keys && losses >table.tsv && touch ready
}
[ "$1" = careless ] || [ -f ready ] || make_inputs >"$dir/setup" 2>&1 || { cat "$dir/setup"; exit 99; }
model=$in/model few=$in/few.jsonl
declare -A lines=(
    [inspect]="inspect $model" [cases]='cases needle --vocab 512 --lengths 48 --depths 0,.5 -o out'
    [text]="cases needle --model $in/told --lengths 600 --depths .5 --value-types numbers --templates noise -o out"
    [tokenize]="tokenize $in/told Hello" [score]="score $model --cases $few --resamples 2 -o out"
    [record]="record $model --cases $few --at blocks.*.attn.hook_pattern -o out" [scan]="scan $in/run --cases $few -o out"
    [merge]="merge $in/scan -o out" [emergence]="emergence $in/study.h5" [compare]="compare $in/study.h5 $in/scores.h5 --permutations 3"
    [lists]="export heads $in/scores.h5 --format qrhead -o out" [listed]="ablate $model --cases $few --by $in/heads.json --top 1 --draws 1"
    [profile]="profile $in/scores.h5" [inputs]="verify --inputs $in/scores.h5"
    [laziness]="laziness $in/windows.h5 --arm planted" [figure]="figure heads $in/scores.h5 -o out.png"
    [births]="figure births $in/study.h5 -o out.svg" [csv]="export csv $in/scores.h5 -o out"
    [latex]="export latex $in/scores.h5 -o out" [notebook]="export notebook $in/scores.h5 -o out.ipynb"
    [verify]="verify $in/scores.h5" [ablate]="ablate $model --cases $few --heads 3.1 --draws 1 --loss-cases 1 -o out"
    [patch]="patch $model --cases $few --heads 3.1 --draws 1 -o out"
    [map]="figure map $in/maps.h5 --layer 1 --head 1 -o out.svg" [rank]="figure rank $in/scores.h5 -o out.svg"
    [grid]="figure grid $in/scores.h5 -o out.svg" [agreement]="figure agreement $in/scores.h5 -o out.svg"
    [strip]="figure strip $in/study.h5 -o out.svg" [curves]="figure curves $in/study.h5 -o out.svg"
    [check]="cases check $few --list -o out" [repeat]="cases repeat --vocab 100 --length 10 --count 2 -o out"
    [tensors]="inspect $model --tensors --points --cost --json" [content]="verify --content $in/scores.h5"
    [plant]="lab plant -o out --layers 3 --heads 2 --kv-heads 1 --vocab 60 --previous-token 0.1 --retrieval 2.1"
    [zip]="inspect $corpus/torch/whole-zip --tensors" [legacy]="inspect $corpus/torch/whole-legacy --tensors"
    [gguf]="inspect $corpus/gguf/llama_half --tensors" [pieces]="tokenize $corpus/gguf/sentences A[N]b"
    [bytes]="tokenize $corpus/gguf/bytes ab" [t5]="tokenize $in/t5 Aab" [bert]="tokenize $in/bert unaffable"
    [gpt2]="tokenize $in/gpt2 ab<x>" [list]="scan $in/mixed --list" [revisions]="scan $in/models--o--n --list --write-manifest out"
    [revision]="inspect $in/models--o--n --revision step1 --tensors" [llama2c]="inspect $corpus/llama2c/model-0-own --tensors"
    [status]="status $in/stages --all --json" [sbatch]="sbatch -o out --tasks 4 -- $in/staged --cases $few"
    [task]="scan $in/staged --cases $few --probe retrieval_find,qk_distance -o shared --shard 1/2"
    [moved]="scan $in/staged --cases $few --probe retrieval_find,qk_distance -o shared --shard 0/2"
    [stages]="scan $in/staged --cases $few --probe retrieval_find,qk_distance -o out" [left]="merge $in/stages -o out"
    [staged]="scan $in/staged --list --write-manifest out"
    [rebuilt]="tokenize $in/rebuilt Aab" [llama_beside]="tokenize $in/llama2c/stories.bin Aab"
    [ranks]="tokenize $in/ranks abc<s>abcab" [experts]="inspect $corpus/gguf/experts_llama --tensors"
    [llama_pieces]="tokenize $corpus/llama2c/tokenizer Aab"
    [nll]="nll $model --text $few --context 24 --stride 8 -o out" [keys]="nll $in/told --text $in/texts.jsonl --short 8 --make-keys out"
    [read_keys]="nll $in/told --text $in/texts.jsonl --keys $in/keys --per-token"
    [ruler]="cases ruler --model $in/told --task vt --lengths 2000 -o out"
    [qa]="cases ruler --model $in/told --task qa_1 --qa $corpus/qa/squad --lengths 900 -o out"
    [generate]="generate $in/told --cases $in/asked.jsonl --tokens 3 --list"
    [gradient]="gradient $model --text $few --window 8 --resamples 3 -o out"
    [attribute]="attribute $model --cases $few --edges 3 --resamples 3 -o out"
    [path]="patch $model --cases $few --path 1.0:3.1.q -o out"
    [trace]="trace $in/traced.h5 -o out" [scaling]="scaling $in/table.tsv --validate"
    [writes]="score $model --cases $few --probe retrieval_logit,dla,write_norm,contribution --resamples 2 -o out"
    [dot]="inspect $in/model/." [stats]="record $model --cases $few --maps stats+topk -o out"
)
run() {   # run FOLDER HOW: in FOLDER/work
    (cd "$1/work" && FAIL_ALLOC=$2 FAIL_ALLOC_OURS=$ours FAIL_ALLOC_LIBRARIES=$libraries FAIL_ALLOC_JOBS=$jobs FAIL_ALLOC_DIR=$at \
        LD_PRELOAD=$preload "$ns" "${words[@]}" "${one_thread[@]}" </dev/null >"$1/said" 2>"$1/err")
}
# Finished shards that nobody shares: of a task that has looked at them before, and of another task's, as they were copied there.
own_shards() {   # own_shards FOLDER: in shared of its work
    (cd "$1/work" && cp -r "$in/stages" shared && case $name in task) "$ns" "${words[@]}" >/dev/null 2>&1 ;; esac)
}
bad=0 all=0
while [ $# -gt 0 ]; do
    name=$1 at=$dir/$1
    if [ "$1" = careless ]; then
        words=("$2")
        shift
    else
        read -ra words < <(printf '%s\n' "${lines[$name]:?no such command in the table}")
    fi
    shift
    one_thread=()
    case ${words[0]} in score | record | scan | ablate | patch | nll | generate | gradient | attribute) one_thread=(-t 1) ;; esac
    rm -rf "$at"
    mkdir -p "$at/0/work" "$at/want/work"
    case $name in task | moved) own_shards "$at/0" && own_shards "$at/want" || exit 99 ;; esac
    run "$at/want" count
    code=$?
    echo $code >"$at/want/code"
    [ $code = 0 ] || { echo "$name fails without being refused: exit $code: $(cat "$at/want/err")"; exit 1; }
    mv "$at/0/live" "$at/want/live"
    run "$at/0" all
    tail -1 "$at/log" | sed "s/^/$name: /"
    diff -r -x "*.seen" "$at/0/work" "$at/want/work" >/dev/null && diff "$at/0/said" "$at/want/said" ||
        { echo "the run itself was disturbed"; bad=$((bad + 1)); }
    grep -v ^asked "$at/log" | head -${SHOW:-5}
    read -r _ _ _ refused rest < <(tail -1 "$at/log")
    faults=${rest##* }
    all=$((all + ${refused:-0})) bad=$((bad + ${faults:-1}))
done
echo "$all allocations refused, $bad faults"
[ "$all" -gt 0 ] && [ $bad = 0 ]
