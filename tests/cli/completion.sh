#!/bin/sh
# completion.sh PROGRAM JSON_OK - the scripts are accepted by their shells, bash completes what it should, and groff reads the pages without
# a warning.
. "$(dirname "$0")/common.sh"

for shell in bash zsh fish; do
    "$NEEDLESCOPE" help-completion $shell >completion.$shell || fail "help-completion $shell"
    if command -v $shell >/dev/null; then
        $shell -n completion.$shell 2>err || fail "$shell does not accept its script: $(cat err)"
    else
        echo "$shell is not here: its script is not checked by it"
    fi
done

if command -v bash >/dev/null; then
    cat >complete_one.bash <<'BASH'
compopt() { :; }
. ./completion.bash
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_needlescope
printf '%s ' "${COMPREPLY[@]}"
BASH
    completes() {   # completes WORD... -- EXPECTED
        wanted=$1
        shift
        got=$(bash complete_one.bash needlescope "$@")
        case " $got" in
        *" $wanted "*) ;;
        *) fail "bash: '$*' completes to '$got', without '$wanted'" ;;
        esac
    }
    : >scores.h5
    completes score sc
    completes inspect ''
    completes needle cases ''
    completes repeat cases re
    completes --lengths cases needle --le
    completes --threads score m --thr
    completes dense record m --maps d
    completes scores.h5 figure heads sco
    completes retrieval_find score m --probe retrieval_f
    completes retrieval_mass,induction score m --probe retrieval_mass,indu
    completes writes score m --probe wri
    completes retrieval_find figure heads scores.h5 --score retrieval_f
    completes retrieval_continue ablate m --by retrieval_con
    completes 'blocks.*.attn.hook_pattern' record m --at 'blocks.*.attn.hook_pa'
    completes scores.h5 figure heads x -o --output sco
    case " $(bash complete_one.bash needlescope cases needle --) " in
    *" --maps "*) fail "bash: an option of record is offered to cases needle" ;;
    *" --threads "* | *" --memory "*) fail "bash: cases needle is offered what has no effect on it" ;;
    esac
fi

if command -v groff >/dev/null; then
    "$NEEDLESCOPE" help-man >page.1
    groff -man -Tutf8 -ww -z page.1 2>err && [ ! -s err ] || fail "groff: needlescope.1: $(head -3 err)"
    "$NEEDLESCOPE" help-commands >commands
    for group in cases figure lab export; do
        "$NEEDLESCOPE" help-man $group >page.1 || fail "help-man $group"
        groff -man -Tutf8 -ww -z page.1 2>err && [ ! -s err ] || fail "groff: $group: $(head -3 err)"
        grep "^$group " commands | tr ' ' - | while read -r page; do
            tr -d '\\' <page.1 | grep -q "fBneedlescope-${page}fR(1)" || echo "$page"
        done >missing
        [ ! -s missing ] || fail "the page of $group lacks $(cat missing)"
    done
    expect 2 "unknown command 'score heads'" help-man 'score heads'
    while read -r command; do
        "$NEEDLESCOPE" help-man "$command" >page.1 || fail "help-man $command"
        groff -man -Tutf8 -ww -z page.1 2>err && [ ! -s err ] || fail "groff: $command: $(head -3 err)"
    done <commands
fi
finish
