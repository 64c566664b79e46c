#!/bin/sh
# live.sh GOLDEN [4 | 5 | fla] - fresh random checkpoints of every family (another seed than the fixtures') through transformers 4 or 5, or
# flash-linear-attention, and through us; docs/models.md lists these families.
# live.sh GOLDEN --page PEER_TRAIN prints that page, from all of them; NEEDLESCOPE_LIB is set.
here=$(dirname "$0")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/python_of.sh
. "$here/../python_of.sh"
run() {     # run NAME: models in $work/NAME, what golden says of them in $work/NAME.lines, what computed them in $work/NAME.title
    script=make_fixtures.py package=transformers
    [ "$1" != fla ] || { script=make_fla.py package=flash-linear-attention; }
    python_of "$1"
    "$python" -B "$here/$script" "$work/$1" --live --seed "${NS_SEED:-20}" >/dev/null 2>"$work/log" || { cat "$work/log"; exit 1; }
    "$python" -c 'import importlib.metadata as m, sys; print(sys.argv[1], m.version(sys.argv[1]))' "$package" >"$work/$1.title"
    "$golden" "$work/$1"/* >"$work/$1.lines" || { cat "$work/$1.lines"; exit 1; }
}
walk_back() {     # walk_back NAME: the table of its gradients in $work/NAME.gradients
    of=of_transformers
    [ "$1" != fla ] || of=of_fla
    "$python" -B "$here/../referee.py" "$here/../peers/backward.py" $of "$peer" "$here/fixtures" "$work/$1.gradients" --page >&2
}
golden=$1 peer=$3
if [ "$2" = --page ]; then
    for name in 4 5 fla; do run $name && walk_back $name || exit 1; done
    "$NS_PYTHON" "$here/page.py" "$work/4" "$work/5" "$work/fla"
    exit
fi
run "$2"
cat "$work/$2.lines"
"$python" "$here/page.py" "$work/$2" --check "$here/../../docs/models.md"
