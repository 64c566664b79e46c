#!/bin/sh
# codes.sh ROOT - one idiom for return codes: `rc` is compared (rc == NS_OK, rc != NS_OK) and is no truth value; rc < 0 stands where
# NS_STOP, which is no error, or a code of another process may be in it: in the files of `stops`.
# codes.sh --self-test: planted lines are found.
set -u
. "$(dirname "$0")/strip.sh"
folders='tests lib probes datasets notebooks_export cli'
stops='lib/core/child|lib/model/deliver|probes/(decode|scan|score)|cli/(main|selftest|cmd_doctor|cmd_lab_laziness|cmd_paper)'

# faults ROOT: the lines that break the rule
faults() {
    cd "$1" || exit 2
    code='(^|[^A-Za-z0-9_.>])rc'
    # shellcheck disable=SC2086  # no file of ours has a blank in its name
    strip $(find $folders -name '*.[ch]' | sort) >"$work"
    grep -E "!rc([^A-Za-z0-9_]|\$)|(if|while) \\(rc\\)|(&&|\\|\\|) rc[);]" "$work"
    grep -E "$code (\\?|&&|\\|\\|)" "$work" | grep -vE '(==|!=|<|>=) rc (\?|&&|\|\|)'
    grep -E '(^|[^A-Za-z0-9_])([a-z_]+) \? \2 : [a-z_]+\(.*err\)' "$work"
    grep -E '(if|while) \(\(rc = [^<!]*\)\)$|\(rc = [^<!]*\)\) (&&|\|\|)|(&&|\|\|) \(rc = [^<!]*\)\)$' "$work" | grep -vE '\) == '
    grep -E "$code (<|>=) 0|\\(rc = .*\\) (<|>=) 0" "$work" | grep -vE "^($stops)\\.c:"
}

work=$(mktemp) || exit 99
trap 'rm -rf "$work" "${tree:-}"' EXIT
if [ "$1" = --self-test ]; then
    tree=$(mktemp -d) || exit 99
    for folder in $folders lib/core; do mkdir -p "$tree/$folder"; done
    missed=0
    while IFS= read -r line; do
        printf '%s\n' '/* if (!rc) */' 'const char *s = "!rc";' "$line" >"$tree/lib/core/a.c"
        found=$(faults "$tree" | sort -u | wc -l)
        case $line in *'// fine') want=0 ;; *) want=1 ;; esac
        [ "$found" = $want ] || { echo "FAILED: $found faults, not $want, in: $line"; missed=1; }
    done <<'END'
    if (rc)
    if (!rc)
    rc = rc ? rc : next();
    for (int i = 0; i < n && !rc; i++)
    return a && rc;
    if (rc || b)
    if ((rc = one(a)))
    if ((rc = one(a)) || (rc = two(b)) != NS_OK)
    if (rc < 0)
    return read ? read : next(a, err);
    return text ? text : next(a); // fine
    rc = rc != NS_OK ? rc : next(); // fine
    if (rc == NS_OK && b) // fine
    if ((rc = one(a)) != NS_OK) // fine
    return end(rc); // fine
    if (x->rc) // fine
END
    [ $missed = 0 ] && echo "what is planted is found"
    exit $missed
fi
found=$(faults "$1" | sort -u)
[ -z "$found" ] || { printf 'FAILED: a code is compared, rc != NS_OK, and rc < 0 only where it may be NS_STOP:\n%s\n' "$found"; exit 1; }
echo "$(sed 's/:.*//' "$work" | sort -u | wc -l) files"
