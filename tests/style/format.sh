#!/bin/sh
# format.sh ROOT - the rules of form that a machine can hold: lines of at most 140 characters, no tabs, no blanks at the end of a line, one
# newline at the end of a file, one spelling of literals. Of C, Python, shell and build files; tables that a script wrote are as they are.
set -u
cd "$1" || exit 2
LC_ALL=C.UTF-8
export LC_ALL
files=$(find lib probes datasets notebooks_export cli tests docs meson.build meson_options.txt start .ci -type f \
    \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name 'meson*' -o -name start -o -path .ci/run \) \
    ! -name rope_values.h ! -name colormap_tables.h ! -path '*/__pycache__/*' | sort)
[ "$(printf '%s\n' "$files" | wc -l)" -gt 300 ] || { echo "FAILED: hardly any file was found"; exit 1; }
failed=0
# look PATTERN WORDS FILE...: lines that it matches break a rule
look() {
    pattern=$1 words=$2
    shift 2
    hits=$(grep -nE -- "$pattern" "$@") || return 0
    printf 'FAILED: %s:\n%s\n' "$words" "$(printf '%s\n' "$hits" | cut -c1-160 | head -n 20)"
    failed=1
}
# shellcheck disable=SC2086  # no file of ours has a blank in its name
{
    look '^.{141,}' 'lines of more than 140 characters' $files
    look "$(printf '\t')" 'tabs' $files
    look ' +$' 'blanks at the end of a line' $files
    look '(= |\)|\(|, |\{)\{ ([^;\\ ][^;\\]*$|[^;]* \}[,;)])' 'literals are {1, 2} and (type){1, 2}, without blanks inside' \
        $(printf '%s\n' $files | grep '\.[ch]$')
    for f in $files; do
        [ ! -s "$f" ] || [ -z "$(tail -c 1 "$f")" ] || { echo "FAILED: $f does not end with a newline"; failed=1; }
    done
}
[ $failed = 0 ] && echo "$(printf '%s\n' "$files" | wc -l) files"
exit $failed
