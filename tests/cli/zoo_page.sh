#!/bin/sh
# zoo_page.sh PROGRAM PAGE SCRIPT - docs/zoo.md is what docs/zoo.sh prints with this program.
page=$(mktemp) || exit 99
trap 'rm -f "$page"' EXIT
"$3" "$1" >"$page" || exit 1
[ "$(grep -c '^| `' "$page")" -ge 20 ] || { echo "not a page of scores: $(head -c 300 "$page")"; exit 1; }
diff -u "$2" "$page" || { echo "docs/zoo.md is old: docs/zoo.sh build/cli/needlescope >docs/zoo.md"; exit 1; }
