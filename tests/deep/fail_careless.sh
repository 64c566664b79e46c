#!/bin/bash
# fail_careless.sh FAIL_ALLOC.SH CARELESS PRELOAD - fail_alloc.sh finds each fault that careless.c has, by its kind, and none where
# there is none.
set -u
finds() {   # finds WORD REGEX
    said=$(bash "$script" "$program" "$preload" careless "$1")
    code=$?
    { [ $code = 1 ] && grep -Eq "by careless: $2\$" <<<"$said"; } || { echo "careless $1 is not found (exit $code): $said"; exit 1; }
}
script=$1 program=$2 preload=$3
finds answer 'exit 0 with ANOTHER ANSWER'
finds crash 'Segmentation fault'
finds leak 'exit 75, and holds memory at its end'
finds code 'exit 65'
finds mute 'exit 75, but the message does not speak of memory'
finds file 'exit 75, and leaves out.tmp'
finds figure 'exit 0, and leaves out.svg'
finds replaces 'exit 74'
export FAIL_ALLOC_DRAW=careless
finds figure 'exit 0, and leaves out.svg'    # that is cut, of the two
grep -q ' drawn otherwise 1 .* bad 1$' <<<"$said" || { echo "a figure that is drawn otherwise is not counted: $said"; exit 1; }
finds file 'exit 75, and leaves out.tmp'
for word in jump heap; do                    # in nobody's code, in libc's: who was refused did it
    finds $word 'Segmentation fault'
    FAIL_ALLOC_DIES=careless bash "$script" "$program" "$preload" careless $word | grep ' died 1 bad 0$' ||
        { echo "careless $word: who ended the program is not known"; exit 1; }
done
for word in sound looks; do
    bash "$script" "$program" "$preload" careless $word || { echo 'a fault is found where there is none'; exit 1; }
done
