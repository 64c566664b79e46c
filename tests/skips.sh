#!/bin/bash
# skips.sh TESTLOG LIST - every test that meson's testlog.json calls skipped must stand in the list with its reason. Names those that do
# not; how many is the status.
set -u
without_leave=0
# in_list NAME REASON: a line of the list has the name, a tab and a pattern (grep -E) of the reason.
in_list() {
    local name pattern
    while IFS=$'\t' read -r name pattern; do
        [ "$name" != "$1" ] || ! grep -qE -- "$pattern" <<<"$2" || return 0
    done < <(grep -v '^#' "$list")
    return 1
}
log=$1 list=$2
[ -s "$log" ] && [ -s "$list" ] || { echo "skips.sh: $log or $list is empty or not there"; exit 99; }
while IFS= read -r line; do
    name=$(sed -E 's/^\{"name": "[^"]* \/ ([^"]*)".*/\1/' <<<"$line")
    reason=$(grep -oE 'SKIP: [^"\\]*' <<<"$line" | head -n 1)
    in_list "$name" "${reason#SKIP: }" && continue
    echo "skipped without leave: $name: ${reason:-it gives no reason}"
    without_leave=$((without_leave + 1))
done < <(grep '"result": "SKIP"' "$log" | sed 's/, "env": .*//')
exit $((without_leave < 98 ? without_leave : 98))
