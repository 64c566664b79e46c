#!/bin/sh
# symbols.sh SHARED STATIC - what the libraries give to a linker: the shared one only ns_*, and neither a global name without that prefix.
set -u
fail=0
exported=$(nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ && $2 != "A" { print $3 }')
[ -n "$exported" ] || { echo "FAILED: $1 exports nothing"; exit 1; }
foreign=$(printf '%s\n' "$exported" | grep -v '^ns_')
[ -z "$foreign" ] || { printf 'FAILED: %s exports\n%s\n' "$1" "$foreign"; fail=1; }
global=$(nm --defined-only "$2" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }')
[ -n "$global" ] || { echo "FAILED: $2 has no symbol"; exit 1; }
foreign=$(printf '%s\n' "$global" | grep -v '^ns_' | sort -u)
[ -z "$foreign" ] || { printf 'FAILED: %s has the global names\n%s\n' "$2" "$foreign"; fail=1; }
writable=$(nm --defined-only "$2" 2>/dev/null | awk 'NF == 3 && $2 ~ /[BbDC]/ && $3 !~ /^\./ { print $2, $3 }' | sort -u)
echo "$(printf '%s\n' "$exported" | wc -l) exported symbols"
[ -z "$writable" ] || printf 'writable data, each to be constant after its first use:\n%s\n' "$writable"
exit "$fail"
