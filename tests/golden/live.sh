#!/bin/sh
# live.sh GOLDEN [4 | 5 | fla] - fresh random checkpoints of every family (another seed than the fixtures') through transformers 4 or 5, or
# flash-linear-attention, and through us; docs/models.md lists these families.
# live.sh GOLDEN --page prints that page, from all of them.
here=$(dirname "$0")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
# python_of NAME: the Python that has it, in $python
python_of() {
    script=make_fixtures.py python=$NS_PYTHON name=NS_PYTHON package=transformers
    case $1 in
    5 | fla) python=$NS_PYTHON5 name=NS_PYTHON5 ;;
    esac
    [ -n "$python" ] || { echo "SKIP: $name is not set; run ./start test --referees"; exit 77; }
    [ "$1" != fla ] || own_python
}
# flash-linear-attention beside transformers 5 and on top of its environment (about 1.1 GB, most of it Triton), made once.
own_python() {
    script=make_fla.py package=flash-linear-attention venv=${XDG_CACHE_HOME:-$HOME/.cache}/needlescope/fla
    wanted="flash-linear-attention==0.6.0 fla-core==0.6.0 einops==0.8.2 triton==3.9.0"
    site() { "$1" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }
    if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "making $venv with $wanted" >&2
        # shellcheck disable=SC2086  # a list of requirements
        "$python" -m venv "$venv" && site "$python" >"$(site "$venv/bin/python")/referees5.pth" &&
            "$venv/bin/python" -m pip install -q --no-deps $wanted >&2 ||
            { echo "SKIP: flash-linear-attention could not be installed into $venv"; exit 77; }
        echo "$wanted" >"$venv/stamp"
    fi
    python=$venv/bin/python
}
run() {     # run NAME: models in $work/NAME, what golden says of them in $work/NAME.lines, what computed them in $work/NAME.title
    python_of "$1"
    "$python" -B "$here/$script" "$work/$1" --live --seed "${NS_SEED:-20}" >/dev/null 2>"$work/log" || { cat "$work/log"; exit 1; }
    "$python" -c 'import importlib.metadata as m, sys; print(sys.argv[1], m.version(sys.argv[1]))' "$package" >"$work/$1.title"
    "$golden" "$work/$1"/* >"$work/$1.lines" || { cat "$work/$1.lines"; exit 1; }
}
golden=$1
if [ "$2" = --page ]; then
    for name in 4 5 fla; do run $name; done
    "$NS_PYTHON" "$here/page.py" "$work/4" "$work/5" "$work/fla"
    exit
fi
run "$2"
cat "$work/$2.lines"
"$python" "$here/page.py" "$work/$2" --check "$here/../../docs/models.md"
