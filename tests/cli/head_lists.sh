#!/bin/sh
# head_lists.sh PROGRAM JSON_OK - lists of heads out and in: every form that is exported is the heads it was made of, to --heads, --scores,
# --by and compare; what is no list, or of another model, is refused; compare says what it left out.
. "$(dirname "$0")/common.sh"

run lab plant -o model --retrieval 3.1,4.6
run cases needle --model model --lengths 64,96 --depths .2,.7 --count 2 -o cases.jsonl
run cases needle --model model --lengths 64,96 --depths .2,.7 --count 2 --seed 7 -o others.jsonl
run score model --cases cases.jsonl --probe retrieval_find,retrieval_mass -o scores.h5
run score model --cases others.jsonl --probe retrieval_find -o others.h5
run lab plant -o small --layers 4 --heads 4 --kv-heads 2 --previous-token 0.1 --retrieval 2.3,3.0 --vocab 66 --seed 5
run cases needle --model small --lengths 40 --count 2 -o small.jsonl
run score small --cases small.jsonl --probe retrieval_find -o small.h5
mkdir duo

# ---- out, and in again ----
for form in retrieval_head target_heads qrhead locos names duo; do
    case $form in duo) file=duo/full_attention_heads.tsv of=duo ;; *) file=$form.txt of=$form.txt ;; esac
    run export heads scores.h5 --format $form --top 2 -o "$file"
    grep -q "\"source_file\":.\"scores.h5\"" "$file-metadata.json" || fail "$form: what it was made of does not stand beside it"
    run compare scores.h5 "$of" --json
    "$JSON_OK" needlescope.compare/1 pairs <out >found || fail "$form: compare prints no JSON"
    case $form in
        duo) grep -q 'list of KV heads' err || fail "duo: nothing says that it is of KV heads: $(cat err)" ;;
        names) grep -q '"rank_biased_overlap":.1,' out && grep -q '"only_a":.46,' out ||
            fail "names: the two best in their order are not the two best: $(cat out)" ;;
        *) grep -q '"spearman":.1,' out && grep -q '"rank_biased_overlap":.1,' out && grep -q '"max_difference":.0,' out ||
            fail "$form: what was exported is not what was scored: $(cat out)" ;;
    esac
    run ablate model --cases cases.jsonl --scores "$of" --top 2 --mode zero_z --draws 2 --loss-cases 0
    case $form in duo) want='3.0,3.1' ;; *) want='3.1,4.6' ;; esac
    grep -q "^heads  *$want\$" out || fail "$form: --scores $of: $(grep '^heads' out)"
done
run ablate model --cases cases.jsonl --by qrhead.txt --top 1 --mode zero_z --draws 2 --loss-cases 0
grep -q '^heads  *3.1$' out || fail "--by FILE: $(grep '^heads' out)"
grep -q 'qrhead.txt: it is not known whether the scores are of this model' err || fail "a list's model is not asked for: $(cat err)"
for list in names.txt target_heads.txt 3-1,4-6; do
    run ablate model --cases cases.jsonl --heads $list --mode zero_z --draws 2 --loss-cases 0
    grep -q '^heads  *3.1,4.6$' out || fail "--heads $list: $(grep '^heads' out)"
done
grep -q '"sink_size": 128, "recent_size": 256' duo/config.json || fail "config.json of duo: $(cat duo/config.json)"

# ---- refused ----
expect 2 'scores 48 heads and chooses none \(take the best: --scores qrhead.txt --top K\)' ablate model --cases cases.jsonl \
    --heads qrhead.txt
expect 2 "has one number a head, and no score 'induction'" ablate model --cases cases.jsonl --scores qrhead.txt --by induction
expect 2 'a list of heads of another model' ablate small --cases small.jsonl --by qrhead.txt
printf '3-1,3-1' >twice.txt
expect 65 'head 3-1 is listed twice' ablate model --cases cases.jsonl --heads twice.txt
printf '{"3-1": ["x"]}' >text.json
expect 65 '3-1: its list holds what is no number' compare scores.h5 text.json
expect 65 'is a list of cases \(JSONL\), not a score file or a list of heads' compare scores.h5 cases.jsonl
expect 65 'is a checkpoint folder, not a score file or a list of heads' compare scores.h5 model
expect 66 'nowhere.json' compare scores.h5 nowhere.json
expect 2 'models of other layers or heads' compare scores.h5 small.h5
expect 2 'a list of heads of another model' compare small.h5 qrhead.txt
expect 2 'a score that one file lacks' compare scores.h5 others.h5 --score retrieval_mass
expect 2 'persistence 1' compare scores.h5 others.h5 --persistence 1
mkdir taken && cp model/config.json taken
expect 73 'taken/config.json' export heads scores.h5 --format duo -o taken/full_attention_heads.tsv
cmp -s model/config.json taken/config.json || fail "a model's config.json was replaced"
[ ! -e taken/full_attention_heads.tsv ] || fail "half of a list of duo was written"

# ---- what is compared ----
run compare scores.h5 others.h5 small.h5 --json
grep -q '2 pairs of models of other layers or heads' out || fail "pairs of other models are not counted: $(cat err)"
grep -q '^10 pairs of scores of other cases' err || fail "other cases are not said: $(cat err)"
run compare scores.h5 others.h5 --json --seed 3
cp out once
run compare scores.h5 others.h5 --json --seed 3
cmp -s out once || fail "the same seed gives other numbers"
run compare scores.h5 others.h5 --json --seed 4
! cmp -s out once || fail "another seed gives the same numbers"
# the planted heads lead both lists: no permutation is as good
run compare scores.h5 others.h5 --top 2 --score retrieval_find --json
grep -q '"jaccard":.1,' out || fail "the planted heads are not the two best of both: $(cat out)"
finish
