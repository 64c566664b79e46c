#!/bin/sh
# hardened.sh FILE... - what the build says of a release is true of the ELF: position-independent, all of its tables read-only before main,
# stack canaries, checked copies, no executable stack.
set -u
failures=0
fail() {
    echo "FAILED: $*"
    failures=1
}
has() {   # has FILE OPTION PATTERN WHAT
    readelf "$2" -W "$1" | grep -Eq -- "$3" || fail "$1: $4"
}
for file in "$@"; do
    has "$file" -h 'Type: +DYN' "not position-independent"
    has "$file" -l 'GNU_RELRO' "no RELRO"
    has "$file" -d 'BIND_NOW|FLAGS.* NOW' "RELRO is not full"
    has "$file" -l 'GNU_STACK .* RW +0x' "an executable stack"
    has "$file" --dyn-syms '__stack_chk_fail' "no stack protector"
    has "$file" --dyn-syms '__[a-z]+_chk(@|$)' "no FORTIFY_SOURCE"
done
[ $failures -eq 0 ] && echo "hardened"
exit $failures
