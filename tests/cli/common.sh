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

# expect CODE PATTERN ARGS...: the exit code; PATTERN (grep -E) in what stderr says; stdout stays empty when the code is not 0; nothing that
# looks like a temporary is left.
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

# letters FIRST LAST [ID [STEP]]: the characters FIRST to LAST as members of a vocabulary, with ids from ID on, STEP apart.
letters() {
    awk -v first="$1" -v last="$2" -v id="${3:-0}" -v step="${4:-1}" 'BEGIN {
        for (i = first; i <= last; i++) {
            c = sprintf("%c", i)
            if (c == "\"" || c == "\\") c = "\\" c
            printf "%s\"%s\": %d", (i > first ? ", " : ""), c, id + step * (i - first)
        }
    }'
}

# byte_tokenizer VOCABULARY [MERGES [ADDED [POST_PROCESSOR]]]: a tokenizer.json of byte-level BPE.
byte_tokenizer() {
    cat <<END
{"version": "1.0", "added_tokens": [${3:-}], "normalizer": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
 "post_processor": ${4:-null},
 "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
           "fuse_unk": false, "byte_fallback": false, "vocab": {$1}, "merges": [${2:-}]}}
END
}

# bos_first TOKEN ID: a post_processor that puts TOKEN, whose id is ID, in front.
bos_first() {
    token="{\"SpecialToken\": {\"id\": \"$1\", \"type_id\": 0}}"
    cat <<END
{"type": "TemplateProcessing", "single": [$token, {"Sequence": {"id": "A", "type_id": 0}}],
  "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
  "special_tokens": {"$1": {"id": "$1", "ids": [$2], "tokens": ["$1"]}}}
END
}

# added TOKEN ID: a special token of a tokenizer.json.
added() {
    printf '{"id": %d, "content": "%s", "special": true, ' "$2" "$1"
    printf '"single_word": false, "lstrip": false, "rstrip": false, "normalized": false}'
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
