#!/bin/bash
# can_fail.sh ROOT - the ways to write a comparison that a NaN passes, a test that is skipped unseen, and a comment that names a test that
# is not there: none is in tests/. can_fail.sh --self-test: planted ones are found.
set -u
# what it is, files, pattern (grep -E), what to use instead
rules=(
    "cmocka lets a NaN pass|c h|assert_(float|double)_(not_)?equal|assert_near of unit.h"
    "a NaN is erased|c h|= *fmaxf?\(.*fabs|ns_worst_add of compare.h"
    "a skipped test of a group is counted as passed|c h|^[^#]*\bskip\(\)|SKIP of unit.h"
    "a NaN is erased|py|\b(\w+)\b = max\(\1\b|compare.Worst"
    "a NaN passes|py|assert not .* > |compare.close"
    "a NaN equals a NaN|py|assert_(all|array_almost|almost)|compare.close"
    "nothing is near to nothing|py|\ballclose\(|compare.close"
    "a NaN passes|py|(failed|bad) \+?= .* > [0-9.]+e-[0-9]+$|compare.Worst"
)

# faults ROOT: prints what is wrong below it
faults() {
    local rule what endings pattern instead include ending
    for rule in "${rules[@]}"; do
        IFS='|' read -r what endings _ <<<"$rule"
        pattern=${rule#*|*|} instead=${pattern##*|} pattern=${pattern%|*}
        include=()
        for ending in $endings; do include+=(--include="*.$ending"); done
        grep -rnE "${include[@]}" --exclude=unit.h --exclude=compare.h --exclude=compare.py -- "$pattern" "$1/tests" |
            sed "s|^$1/||; s|\$|   <- $what: $instead|"
    done
    grep -rohE 'tests/[a-z_/]+\.(py|c|sh)\b' "$1"/{tests,lib,probes,datasets,notebooks_export,cli} --include='*.[ch]' --include='*.py' |
        sort -u |
        while read -r named; do [ -e "$1/$named" ] || echo "$named   <- a comment names it, and it is not there"; done
}

if [ "$1" = --self-test ]; then
    tree=$(mktemp -d) || exit 99
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree"/{tests,lib,probes,datasets,notebooks_export,cli}
    [ -z "$(faults "$tree")" ] || { echo "FAILED: faults in nothing"; exit 1; }
    printf '%s\n' 'assert_float_equal(a, b, 1);' 'worst = fmax(worst, fabs(a - b));' '    skip();' '/* see tests/peers/absent.py */' \
        >"$tree/tests/planted.c"
    printf '%s\n' 'worst = max(worst, np.abs(a - b).max())' 'assert not (x > 1)' 'np.testing.assert_allclose(a, b)' 'failed += gap > 1e-4' \
        >"$tree/tests/planted.py"
    found=$(faults "$tree" | wc -l)
    [ "$found" = 8 ] || { echo "FAILED: $found of 8 planted lines were found:"; faults "$tree"; exit 1; }
    echo "each planted fault is found"
    exit 0
fi
found=$(faults "$1")
[ -z "$found" ] || { echo "$found"; exit 1; }
