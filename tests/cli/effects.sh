#!/bin/sh
# effects.sh PROGRAM LIST_OPTIONS TABLE - each option of each command has an effect, or the command does not offer it.
#
# LIST_OPTIONS prints the option tables. TABLE says for each option where its effect is seen; two real runs on small planted models, without
# and with it, must differ there. An option without a line fails, and so does a line whose runs agree. What a file says of its making
# (command line, time) is no effect.
list=$(realpath "$2") table=$(realpath "$3")
. "$(dirname "$0")/common.sh"

# ---- what the runs work on ----
run lab plant -o m --layers 4 --heads 4 --kv-heads 2 --previous-token 0.1 --retrieval 2.3,3.0 --vocab 66 --seed 5
run lab plant -o other --layers 4 --heads 4 --kv-heads 2 --previous-token 0.2 --retrieval 2.1 --vocab 70 --seed 6
run lab plant -o hybrid --layers 4 --heads 4 --kv-heads 2 --retrieval 2.3,3.0 --window 16 --vocab 66 --seed 5
run inspect m --arch-out arch.json
sed 's/"window":[[:space:]]*0/"window": 16/; s/"vocab":[[:space:]]*66/"vocab": 65/' arch.json >narrow.json
sed 's/"window":[[:space:]]*0/"window": 16/' arch.json >window.json
echo '{"model.norm.weight": "absent.weight"}' >names.json
mkdir -p words letters models--o--n/refs models--o--n/snapshots
byte_tokenizer "$(letters 33 97), \"Ġ\": 65" >words/tokenizer.json
byte_tokenizer "$(letters 33 97 64 -1), \"Ġ\": 65" >letters/tokenizer.json
mkdir text
byte_tokenizer "$(letters 33 126), \"Ġ\": 94, \"Ċ\": 95" '' "$(added '<s>' 96), $(added '<|im_start|>' 97), $(added '<|im_end|>' 98)" \
    "$(bos_first '<s>' 96)" >text/tokenizer.json
cp -r m models--o--n/snapshots/aaa && cp -r other models--o--n/snapshots/bbb && cp words/tokenizer.json models--o--n/snapshots/aaa &&
    cp letters/tokenizer.json models--o--n/snapshots/bbb
printf aaa >models--o--n/refs/main && printf bbb >models--o--n/refs/late
touch laziness mixers     # lab laziness and lab mixers, whose usual folders those are, fail at once
cp -r m synthetic && cp text/tokenizer.json synthetic
run cases needle --model m --lengths 40,97 --depths 0,.6 --count 2 --twins swap -o c.jsonl
run cases needle --model m --lengths 50 --depths .3 --count 2 --seed 9 -o d.jsonl
printf '{"id": "words", "text": "A B C A B", "spans": {"needle": [0, 3]}}\n' >text.jsonl
cat >train.json <<'END'
{"checkpoint_every": 5, "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 64,
                                  "steps": 10, "warmup": 2, "max_positions": 128}}
END
"$NEEDLESCOPE" score m --cases c.jsonl -o s.h5 --resamples 20 >out 2>err || fail "scores: $(cat err)"
"$NEEDLESCOPE" score other --cases d.jsonl -o s2.h5 --resamples 0 >out 2>err
"$NEEDLESCOPE" score m --cases d.jsonl -o t.h5 --resamples 20 >out 2>err || fail "scores: $(cat err)"
run record m --cases c.jsonl --at 'blocks.2.attn.hook_pattern' --maps dense -o r.h5
echo '{"colors": {"ink": "#203040"}, "line_width": 1.5}' >theme.json
run cases needle --model m --lengths 400 --depths .5 --count 1 -o l.jsonl
grep -v -e '-97-0.6-' c.jsonl >fewer.jsonl && run score m --cases fewer.jsonl --probe retrieval_find --resamples 0 -o fewer.h5
run record m --cases l.jsonl --at 'blocks.2.attn.hook_pattern' --maps dense -o long.h5
run ablate m --cases c.jsonl --heads 2.3 --draws 2 -o a.h5
run patch m --cases c.jsonl --resamples 20 -o p.h5
run gradient m --text c.jsonl --last 3 --window 8 --resamples 20 -o gradient.h5
run cases needle --model m --lengths 40 --depths 0,.5 --count 8 --values 2 --keys 2 --twins without -o l.jsonl
run cases needle --model m --lengths 45 --depths 0,.5 --count 4 --values 2 --keys 2 --twins without -o l2.jsonl
run cases needle --model m --lengths 60 --distances 9,30 --count 8 --values 2 --keys 2 -o far.jsonl
run probe m --cases far.jsonl --folds 2 --shuffles 1 -o probe.h5
mkdir runs
series() {  # series NAME CHECKPOINTS RETRIEVAL BIRTHS COORDS: a run that was planted
    run lab plant --series "$2" -o "runs/$1" --layers 4 --heads 4 --kv-heads 2 --retrieval "$3" --births "$4" --rise 2 --vocab 66
    echo "{\"schema\": 1, \"name\": \"$1\", \"coords\": {$5}}" >"runs/$1/run.json"
}
series one 5 2.3,3.0 10,30 '"window": 4, "seed": 0, "arm": "swa"'
series two 5 2.1,3.0 20,30 '"window": 16, "seed": 0, "arm": "swa"'
series short 3 2.1,3.0 10,20 '"window": 16, "seed": 1, "arm": "swa"'
series near 5 2.1,3.0 20,30 '"window": 4, "seed": 0, "arm": "other"'
series far 5 2.1,3.0 10,30 '"window": 8, "seed": 0, "arm": "other"'
study() {   # study NAME RUNS...: what a scan of these runs becomes
    name=$1
    shift
    run scan "$@" --cases c.jsonl --probe retrieval_find,previous_token -o "scan_$name"
    run merge "scan_$name" -o "$name.h5"
}
study study runs/one runs/two
study short runs/one runs/two runs/short
study arms runs/one runs/two runs/near runs/far
mv scan_study scan
run scan runs/one runs/two runs/short --cases c.jsonl --probe retrieval_find,previous_token,entropy_norm,distance -o scan_traced
run merge scan_traced -o traced.h5
run trace traced.h5 -o tr.h5
# a shard as another engine leaves it: the class in its bytes, its hash, and no seal (28 bytes), which would call that damage
cp -r scan other_kernels && shard=$(find other_kernels/shards/one -name '*10.h5') &&
    sed 's/invariant-1/invariant-9/g' "$shard" | head -c -28 >shard && mv shard "$shard" &&
    hash=$("$NEEDLESCOPE" verify "$shard" 2>&1 | sed -n 's/.*says \([0-9a-f]*\), but the content gives \([0-9a-f]*\).*/s,\1,\2,g/p') &&
    sed -i "$hash" "$shard"
"$NEEDLESCOPE" verify "$shard" >out 2>err || { cat out err; exit 1; }
# runs of the trainer, which have metrics; one is short
run train train.json -o trained_one --steps 20
run train train.json -o trained_two --seed 7 --steps 15
mkdir trained && mv trained_one trained/one && mv trained_two trained/two
sed -i 's/"name":[[:space:]]*"[^"]*"/"name": "two"/' trained/two/run.json
run cases lab --count 2 --length 32 -o lab.jsonl
run scan trained/one trained/two --cases lab.jsonl --probe retrieval_find -o scan_trained
run merge scan_trained -o trained.h5
# a checkpoint that cannot be read, and one that is gone
cp -r runs/short runs/broken && rm runs/broken/step000010/model.safetensors
"$NEEDLESCOPE" scan runs/broken --cases c.jsonl --probe retrieval_find -o failed >out 2>err
cp -r scan scan_gone && mkdir away && mv runs/one/step000010 away && run scan runs/one --cases c.jsonl \
    --probe retrieval_find,previous_token -o scan_gone && mv away/step000010 runs/one
printf '{"id": "said", "text": "A B C A B", "answer": " C"}\n' >said.jsonl
printf '{"id": "more", "text": "A B C A", "answer": " B"}\n' >more.jsonl
printf '[2, 5]\n' >keys.txt
printf '{"data": [{"paragraphs": [{"context": "A B.", "qas": [{"question": "A?", "answers": [{"text": "B"}]}]}]}]}' >squad.json
# 3 sizes x 3 budgets; t and u differ where noise is
scaling_table() {
    awk -v factor="$1" 'BEGIN { print "model_size\ttoken_multiplier\tn\tloss"
        for (s = 1; s <= 3; s++) for (m = 1; m <= 3; m++)
            printf "S%d\t%dn\t%d\t%.9g\n", s, 100 * m, 1e7 * 2^s, 12 - s - factor * m + (s * m % 2) / 10 }'
}
scaling_table .5 >t.tsv
scaling_table .4 >u.tsv
echo '{"name": "own", "rows": "first", "keys": "needle", "stat": "mass"}' >own.json
cat >lab.json <<'END'
{"schema": 1, "first_seed": 5, "checkpoint_every": 2, "validation_seed": 7, "draws": 2,
 "emergence": {"score": "retrieval_find", "theta": 0.5, "sweep": [0.3, 0.5, 0.7], "consecutive": 3},
 "cases": {"seed": 1, "count": 2, "lengths": [32]},
 "claims": {"alpha": 0.05, "P1": {"edges_cut_below": 0.5, "other_edges_cut_from": 0.9}, "Competition": {"recall_in_window_above": 0.9},
            "P3": {"accuracy_from": 0.9}, "P4": {"kept_from": 0.9}, "swap": {"accuracy_from": 0.9}},
 "sizes": {"quick": {"seeds": 1, "steps": 4}, "default": {"seeds": 1, "steps": 6}, "full": {"seeds": 1, "steps": 8}},
 "arms": [{"arm": "swa", "pattern": "SF", "windows": [4, 16], "in": ["quick", "default", "full"]}],
 "train": {"d_model": 16, "heads": 2, "d_ff": 16, "batch": 2, "length": 32, "warmup": 1, "max_positions": 64}}
END
sed 's/"first_seed": 5/"first_seed": 6/' lab.json >other_lab.json
echo '{"name": "tiny", "checkpoint_every": 1, "train": {"d_model": 8, "heads": 1, "d_ff": 8, "batch": 1, "length": 64, "warmup": 1,
 "max_positions": 256, "steps": 2, "pattern": "F"}}' >tiny.json
mkdir tiny
sed 's/"tiny"/"other"/' tiny.json >other.json
"$NEEDLESCOPE" train tiny.json -o tiny/one -q >out 2>err && "$NEEDLESCOPE" train other.json -o tiny/two --seed 1 -q >out 2>err ||
    fail "tiny runs: $(cat err)"
printf '{"path": "step%06d", "step": 77}\n' 0 >runs/one/order.jsonl
head -n 2 c.jsonl | sed 's/"seed"/"sead"/; s/needle-s0/needle-s9/g' >e.jsonl

# ---- two runs ----
# what a run leaves, without what a file says of its making: stdout, stderr, exit code, the file @.ENDING
kept() {    # kept PLACE
    for f in "$1".*; do
        echo "${f#"$1"}"
        case $f in
        *.h5) "$NEEDLESCOPE" verify --content "$f" 2>&1 | sed "s/^attribute run_config.*//" ;;
        *.png) od -An -tx1 -j16 -N8 "$f" ;;
        *.svg) sed '/<desc>/d; /<metadata>/,/<\/metadata>/d' "$f" ;;
        *.html) sed 's/"command_line":"[^"]*"//g' "$f" ;;
        *) [ -f "$f" ] && grep -Ev '^(% |[[:space:]]*")(command_line|created_utc|source_created_utc)' "$f" ;;
        esac
    done
    [ ! -d "$1" ] || (
        cd "$1" && find . -name '*.json' -o -name '*.jsonl' -o -name '*.csv' -o -name '*.safetensors' | sort | xargs sha256sum
        find . | sort
        for f in $(find . -name '*.h5' | sort); do "$NEEDLESCOPE" verify --content "$f"; done
    )
}
once() {    # once PLACE ARGS: a run whose @ is PLACE
    place=$1
    shift
    set -f
    # shellcheck disable=SC2046  # words of the table
    eval "\"\$NEEDLESCOPE\" $(printf '%s' "$*" | sed "s#@#$place#g")" >"seen/$place.out" 2>"seen/$place.err" </dev/null
    echo $? >"seen/$place.exit"
    set +f
    sed -i -E "s#$place#@#g; s#, [0-9.]+ s\$#, some s#" "seen/$place.out" "seen/$place.err"       # how long it took is no effect
    kept "$place" >"seen/$place.file" 2>/dev/null
}
mkdir seen
"$list" >options
# COMMAND|--OPTION|WHERE|ARGUMENTS WITHOUT|ARGUMENTS WITH, a line for each option that has its line in the table
awk -F'|' -v table="$table" '
    function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
    BEGIN {
        while ((getline line < table) > 0) {
            if (line ~ /^#/ || line !~ /\|/) continue
            n = split(line, c, "|")
            for (i = 1; i <= n; i++) c[i] = trim(c[i])
            if (n == 2) base[c[1]] = c[2]
            else { rows++; of[rows] = c[1]; option[rows] = c[2]; where[rows] = c[3]; with[rows] = c[4]; own[rows] = n > 4 ? c[5] : "" }
        }
    }
    {
        at = match($0, / --[^ ]*$/); command = substr($0, 1, at - 1); name = substr($0, at + 1); found = 0
        for (i = 1; i <= rows && !found; i++) {
            m = split(of[i], list, ",")
            for (k = 1; k <= m && !found; k++) {
                p = trim(list[k]); star = sub(/\*$/, "", p)
                if ((star ? index(command, p) == 1 : command == p) && option[i] == name) {
                    found = 1
                    b = own[i] != "" ? own[i] : base[command]
                    print command "|" name "|" where[i] "|" (command == "*" ? "" : command " ") b "|" with[i]
                }
            }
        }
        if (!found) print command "|" name "|none||"
    }' options >plan
number=0 last=
while IFS='|' read -r command option where base with; do
    number=$((number + 1))
    [ "$where" != none ] || { fail "$command $option: $table says nothing of its effect"; continue; }
    if [ "$base" != "$last" ]; then      # one run without serves all options of a command
        rm -rf run_a run_a.*
        once run_a "$base"
        last=$base
    fi
    rm -rf run_b run_b.*
    once run_b "$base $with"
    case $where in
    *same)
        cmp -s "seen/run_a.file" "seen/run_b.file" || fail "$command $option changes results"
        [ "$where" != same ] || continue
        where=${where%,same} ;;
    esac
    cmp -s "seen/run_a.$where" "seen/run_b.$where" &&
        fail "$command $option: no effect on $where: $base AND $with: $(head -c 200 "seen/run_b.err")"
    # an effect is no mistake: but where the exit code is what it shows, both runs do what they are asked
    [ "$where" = exit ] || [ "$(cat "seen/run_b.exit")" -le 1 ] ||
        fail "$command $option: exit $(cat "seen/run_b.exit"): $(head -c 300 "seen/run_b.err")"
    [ "$(cat "seen/run_a.exit")" -le 1 ] || [ "$where" = exit ] ||
        fail "$command $option: without it, exit $(cat "seen/run_a.exit"): $base: $(head -c 300 "seen/run_a.err")"
done <plan
echo "$number options"
[ "$number" -gt 300 ] || fail "only $number options were walked"
finish
