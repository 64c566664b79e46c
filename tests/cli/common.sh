# common.sh - what the shell tests share. $1 = the program, $2 = json_ok.
set -u
NEEDLESCOPE=$(realpath "$1")      # Meson gives paths relative to the build folder, and we leave it
JSON_OK=$(realpath "${2:-/dev/null}")
[ -x "$NEEDLESCOPE" ] || { echo "no program at $NEEDLESCOPE"; exit 99; }
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
unset NEEDLESCOPE_CPU NO_COLOR
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE PATTERN ARGS...: the exit code; PATTERN (grep -E) in what stderr says; stdout stays empty when the code is not 0; nothing that looks like a temporary is left.
expect() {
    code=$1 pattern=$2
    shift 2
    "$NEEDLESCOPE" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$code" ] || fail "$*: exit $got, not $code: $(head -c 300 err)"
    grep -Eq -- "$pattern" err || fail "$*: stderr lacks '$pattern': $(head -c 300 err)"
    if [ "$code" -ne 0 ]; then
        [ ! -s out ] || fail "$*: prints an answer and fails: $(head -c 200 out)"
        [ "$(grep -c 'error:' err)" -eq 1 ] || fail "$*: not one error line: $(cat err)"
    fi
    [ -z "$(find . -name '*.tmp.*')" ] || fail "$*: leaves $(find . -name '*.tmp.*')"
}

# run ARGS...: must succeed; output in the file out, conversation in err.
run() {
    "$NEEDLESCOPE" "$@" >out 2>err </dev/null || fail "$*: exit $?: $(head -c 300 err)"
}

# no_line PATTERN FILE WHY: no line of the file, which is there and holds something, has PATTERN (grep -E).
no_line() {
    [ -s "$2" ] || fail "$2 is empty where it should lack '$1'"
    ! grep -Eq -- "$1" "$2" || fail "$3"
}

# skip WHY: what this machine cannot compare is not counted as passed.
skip() {
    echo "SKIP: $1"
    exit 77
}

finish() {
    [ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
    exit 0
}
