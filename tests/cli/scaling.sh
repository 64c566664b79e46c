#!/bin/sh
# scaling.sh PROGRAM JSON_OK - a table of losses to a law, its residuals, two tables to a verdict; every table that is no table.
. "$(dirname "$0")/common.sh"

# table FACTOR: 3 sizes x 4 budgets of ln LongPPL = FACTOR (90 / n^.25 + 3000 / D^.33)
table() {
    printf 'model_size\ttoken_multiplier\tn\tloss\n'
    awk -v factor="$1" 'BEGIN { for (s = 1; s <= 3; s++) for (m = 100; m <= 800; m *= 2) { n = 15e6 * 2^s; d = m * n
        printf "S%d\t%.1fn\t%d\t%.12g\n", s, m, n, exp(factor * (90 / n^.25 + 3000 / d^.33)) } }'
}
table 1 >one.tsv
table 1.3 >two.tsv
run scaling one.tsv --longppl --validate --json
for key in laws held_out without_size points; do
    "$JSON_OK" needlescope.scaling/1 $key <out >/dev/null || fail "scaling --json: no $key"
done
number() { sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e]*\).*/\1/p" out | head -n 1; }
awk -v a="$(number alpha)" -v b="$(number beta)" -v r="$(number r2)" '
    BEGIN { exit !(a > .2499 && a < .2501 && b > .3299 && b < .3301 && r > .999999) }' ||
    fail "the law of a table without noise: alpha $(number alpha), beta $(number beta), R2 $(number r2)"
[ "$(grep -c '"held_out":[[:space:]]*1' out)" = 4 ] || fail "not the four points of the largest size are held out"
run scaling one.tsv two.tsv --longppl --resamples 20
grep -q '^converge' out && grep -q 'ln LongPPL' out || fail "two tables: $(cat out)"
run scaling one.tsv
grep -q '^y  *loss' out || fail "losses: $(cat out)"
run figure scaling one.tsv two.tsv --longppl --validate -o f.svg
for text in 'ln LongPPL' 'training tokens' 'not fitted, foretold' S1 S3; do grep -q ">$text<" f.svg || fail "the figure lacks '$text'"; done
run verify --facts f.svg
grep -q "^source_sha256.*$(sha256sum one.tsv | cut -d' ' -f1)" out || fail "the figure does not say what it is of: $(cat out)"

# ---- what is no table ----
bad() {     # bad PATTERN SED [ARGS]: the table, changed
    pattern=$1 change=$2
    shift 2
    sed "$change" one.tsv >bad.tsv
    expect 65 "bad.tsv: $pattern" scaling bad.tsv --longppl "$@"
}
bad 'line 3: has no .model_size' '3s/^S1//'
bad "line 3: has no 'n'" '3s/\t30000000\t/\t\t/'
bad 'line 3: has no .loss' '3s/\t[^\t]*$//'
bad "has no column 'model_size'" '1s/model_size/size/'
bad "has no column 'loss'" '1s/\tloss//'
bad "line 5: n is not that of an earlier line of size 'S1'" '5s/30000000/30000001/'
bad "line 4: token_multiplier is no number above 0 like 200.1n: '-5n'" '4s/400.0n/-5n/'
bad "line 4: token_multiplier .*'4x'" '4s/400.0n/4x/'
bad "line 2: loss is no number above 0: 'nan'" '2s/[^\t]*$/nan/'
bad "line 2: a LongPPL of 1 and less" '2s/[^\t]*$/1/'
head -n 9 one.tsv >few.tsv
expect 2 'few.tsv: 4 points of 1 size without S2 to fit: a scaling law takes 5 points, 2 sizes' scaling few.tsv --longppl --validate
head -n 4 one.tsv >few.tsv
expect 2 'few.tsv: 3 points of 1 size to fit' scaling few.tsv --longppl
head -n 1 one.tsv >few.tsv
expect 2 'few.tsv: 0 points' scaling few.tsv
: >none.tsv
expect 65 'none.tsv' scaling none.tsv
expect 66 'absent.tsv' scaling absent.tsv
printf '{"a": 1}' >j.json
expect 65 'j.json: is .*JSON' scaling j.json
printf 'model_size\ttoken_multiplier\tn\tloss\nS\0\t1n\t1\t2\n' >nul.tsv
expect 65 'nul.tsv' scaling nul.tsv
expect 2 'one.tsv' figure scaling one.tsv -o one.tsv
finish
