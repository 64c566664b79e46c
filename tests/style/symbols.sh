#!/bin/sh
# symbols.sh SHARED STATIC - what the libraries give to a linker: the shared one only ns_*, neither a global name without that prefix, and
# no global state.
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
# Global state: anything that can be written after the loader has finished. Tables of pointers (.data.rel.ro) cannot.
# Three exceptions, which are one for the process whatever we do: lib/math/blas.c's handle on OpenBLAS, lib/core/fork.c's list of who is
# told of a fork, and what lib/core/child.c's child process knows of itself.
state=$(objdump -t "$2" 2>/dev/null |
    awk '{ for (i = 1; i < NF - 1; i++) if ($i ~ /^\.(t?data|t?bss)(\.|$)/ && $i !~ /^\.data\.rel\.ro/ && $NF !~ /^\./) print $i, $NF }' |
    sort -u)
writable=$(printf '%s\n' "$state" | grep -vxE '.* (openblas|at_fork|this_child)')
[ "$(printf '%s\n' "$state" | grep -cxE '.* (openblas|at_fork|this_child)')" = 3 ] ||
    { echo "FAILED: the three that are known are not found: $state"; fail=1; }
[ -z "$writable" ] || { printf 'FAILED: %s has global state\n%s\n' "$2" "$writable"; fail=1; }
echo "$(printf '%s\n' "$exported" | wc -l) exported symbols"
exit "$fail"
