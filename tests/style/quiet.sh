#!/bin/sh
# quiet.sh ROOT - the library never prints, exits, aborts, reads the environment or installs handlers (names in comments and strings do not
# count); and no source holds a path of somebody's machine.
set -u
. "$(dirname "$0")/strip.sh"
cd "$1" || exit 2
# One file may fork: child.c does in a child process what files of strangers may crash, and that child alone resets signals and leaves by
# _exit. The rest holds for it too.
forks=lib/core/child.c
before='(^|[^A-Za-z0-9_])'
calls='exit|_exit|abort|assert|printf|vprintf|puts|putchar|perror|getenv|secure_getenv'
calls=$calls'|setenv|putenv|setlocale|signal|sigaction|atexit|system|popen|fork'
hits=$(find lib probes datasets notebooks_export -name '*.[ch]' | sort | while read -r f; do strip "$f"; done |
    grep -E "$before($calls)[ ]*\(|$before(stdout|stderr|stdin)([^A-Za-z0-9_]|\$)|fprintf[ ]*\([ ]*std" |
    grep -vE "^$forks:[0-9]+:.*[^a-z](fork|_exit|signal)[ ]*\(")
[ -z "$hits" ] || { printf 'FAILED: the library prints, exits or reads the environment:\n%s\n' "$hits"; exit 1; }
# Files are opened by lib/core alone: inputs by their kind, outputs as temporaries, claims of work, none of them mapped. Beside it: locks of
# folders, and what is no file.
doors='lib/core/(file|output|temporary|claim)\.c:|lib/lab/(laboratory|run_config)\.c:[0-9]+:.*(lab|run)->lock = '
doors=$doors'|lib/core/folder\.c:[0-9]+:.*O_DIRECTORY|lib/core/child\.c:[0-9]+:.*(fopen\(.*"r"|open\("/", O_RDONLY \| O_DIRECTORY)'
doors=$doors'|lib/(math/blas|core/child)\.c:[0-9]+:.*MAP_ANONYMOUS'
openers='open|openat|creat|fopen|freopen|mkstemp|mkostemp|mkdtemp|tmpfile|mmap'
opens=$(grep -rnE "(^|[^A-Za-z0-9_>.])($openers)[ ]*\(" lib probes datasets notebooks_export --include='*.[ch]' |
    grep -vE '^[^:]*:[0-9]+: *(/\*| \*)' | grep -vE "^($doors)")
[ -z "$opens" ] || { printf 'FAILED: a file that lib/core does not open:\n%s\n' "$opens"; exit 1; }
paths=$(grep -rnE '/(home|root|work|Users)/[A-Za-z]' lib probes datasets notebooks_export cli tests start .ci --include='*.[ch]' \
    --include='*.build' --include='*.py' --include='*.sh' --include=start --include=run 2>/dev/null | grep -v 'tests/style/quiet.sh')
[ -z "$paths" ] || { printf 'FAILED: a path of one machine:\n%s\n' "$paths"; exit 1; }
echo "quiet"
