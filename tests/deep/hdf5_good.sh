#!/bin/bash
# hdf5_good.sh PROGRAM FOLDER - makes in FOLDER a sound HDF5 file of each kind, small, and a laboratory with its shards and metrics; of
# scores and studies also few: what takes the time of a reader is the number of datasets.
set -eu
ns=$(realpath "$1") folder=$2 protocol=$(realpath "$(dirname "$0")/../tiny_protocol.json")
mkdir -p "$folder"
cd "$folder"
export OPENBLAS_NUM_THREADS=1
exec >made 2>&1
"$ns" lab plant -o small --layers 3 --heads 2 --kv-heads 1 --vocab 128 --positions 128 --retrieval 1.1
"$ns" cases needle --model small --lengths 32,48 --depths 0,1 --count 1 --keys 2 --twins swap -o small.jsonl
head -n 2 small.jsonl >pair.jsonl
"$ns" score small --cases small.jsonl --probe retrieval_find,induction,previous_token --resamples 20 -o scores.h5
"$ns" score small --cases small.jsonl --probe induction,previous_token --resamples 20 -o few_scores.h5
"$ns" record small --cases pair.jsonl --maps dense -o dense.h5
"$ns" record small --cases pair.jsonl --maps rows --rows answer -o rows.h5
"$ns" ablate small --cases pair.jsonl --heads 1.1,0.0 --mode zero_z,knockout --draws 3 --loss-cases 2 -o ablation.h5
"$ns" patch small --cases small.jsonl --heads 1.1 --draws 3 --resamples 20 -o patching.h5
sed 's/"checkpoint_every": 10/"checkpoint_every": 20/; s/"consecutive": 3/"consecutive": 2/' "$protocol" >tiny.json
"$ns" lab laziness --protocol tiny.json --quick -o lab
cp lab/study.h5 study.h5
head -n 3 lab/cases/64.jsonl >lab.jsonl
few=(--cases lab.jsonl --probe induction,previous_token)
for run in lab/runs/*; do "$ns" scan "$run" "${few[@]}" -o all; done
"$ns" merge all -o few_study.h5
"$ns" scan lab/runs/SFS-W16-s5 "${few[@]}" -o scan
