# python_of 4 | 5 | fla: the Python of the referees that has transformers 4, 5, or flash-linear-attention, in $python, the latter made here;
# where there is none the test is skipped. Sourced.
python_of() {
    python=$NS_PYTHON name=NS_PYTHON
    case $1 in
    5 | fla) python=$NS_PYTHON5 name=NS_PYTHON5 ;;
    esac
    [ -n "$python" ] || { echo "SKIP: $name is not set; run ./start test --referees"; exit 77; }
    [ "$1" != fla ] || python_of_fla
}
# flash-linear-attention beside transformers 5 and on top of its environment (about 1.1 GB, most of it Triton), made once.
python_of_fla() {
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/needlescope/fla
    wanted="flash-linear-attention==0.6.0 fla-core==0.6.0 einops==0.8.2 triton==3.9.0"
    site() { "$1" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }
    mkdir -p "$venv" && exec 9>"$venv.lock" && flock 9                 # two tests want it
    if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "making $venv with $wanted" >&2
        # shellcheck disable=SC2086  # a list of requirements
        "$python" -m venv "$venv" && site "$python" >"$(site "$venv/bin/python")/referees5.pth" &&
            "$venv/bin/python" -m pip install -q --no-deps $wanted >&2 ||
            { echo "SKIP: flash-linear-attention could not be installed into $venv"; exit 77; }
        echo "$wanted" >"$venv/stamp"
    fi
    exec 9>&-
    python=$venv/bin/python
}
