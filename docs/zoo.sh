#!/bin/sh
# zoo.sh NEEDLESCOPE - prints zoo.md: what every score must say of every head of the zoo, and what it says.
export LC_ALL=C
cat <<'END'
# The zoo: scores against heads that are known

`lab plant --zoo` writes a model whose heads are constructed, the true retrieval heads beside decoys; `doctor --self-test` scores it. Every
cell below is what was seen, with the range that the construction promises under it; a dash is where it promises nothing. Heads are
LAYER.HEAD. The construction is `datasets/zoo.c`; this page is what `docs/zoo.sh build/cli/needlescope` prints, and a test compares them.

END
"$1" doctor --self-test --json | awk '
function text(line) { sub(/^[^:]*:[ \t]*/, "", line); sub(/,?$/, "", line); gsub(/"/, "", line); return line }
function short(x) { x = sprintf("%.3f", x); sub(/0+$/, "", x); sub(/\.$/, "", x); return x == "-0" ? "0" : x }
/"zoo":/ { inside = 1 }
/"silenced":/ { inside = 2 }
inside == 1 && /"layer":/ { layer = text($0) }
inside == 1 && /"head":/ { head = layer "." text($0) }
inside == 1 && /"kind":/ { if (!(head in kind)) { heads[++n_heads] = head; kind[head] = text($0) } }
inside == 1 && /"score":/ { score = text($0); if (!(score in known)) { known[score] = 1; scores[++n_scores] = score } }
inside == 1 && /"least":/ { least = text($0) }
inside == 1 && /"most":/ { most = text($0) }
inside == 1 && /"seen":/ { cell[score, head] = short(text($0)) "<br>" short(least) " – " short(most) }
inside == 2 && /"heads":/ { set = text($0) }
inside == 2 && /"expected":/ { want = text($0) }
inside == 2 && /"seen":/ { rows = rows "| " set " | " want " | " short(text($0)) " |\n" }
END {
    print "| head | what it does |\n|---|---|"
    for (h = 1; h <= n_heads; h++) print "| " heads[h] " | " kind[heads[h]] " |"
    printf "\n| score |"; for (h = 1; h <= n_heads; h++) printf " %s |", heads[h]
    printf "\n|---|"; for (h = 1; h <= n_heads; h++) printf "---|"
    print ""
    for (s = 1; s <= n_scores; s++) {
        printf "| `%s` |", scores[s]
        for (h = 1; h <= n_heads; h++) printf " %s |", (scores[s], heads[h]) in cell ? cell[scores[s], heads[h]] : "–"
        print ""
    }
    print "\nNeedle cases of 64 and 128 tokens; `induction`, `duplicate_token` and `echo` on random repeats. The lifts are the masses"
    print "times (q + 1) / m: 1 is a head that looks everywhere. `qr` averages the rows QUERY KEY ANS, two of which ask for the needle."
    print "Not in the table: `retrieval_wu2024`, the published code\x27s way of counting, and the distances, which need a reference"
    print "checkpoint.\n"
    print "Share of the cases that are answered when heads are silenced (`zero_z`):\n"
    printf "| silenced | expected | seen |\n|---|---|---|\n%s", rows
}'
