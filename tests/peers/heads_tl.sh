#!/bin/sh
# heads_tl.sh NEEDLESCOPE ROOT - heads_tl.py, and python_tl.py where Python can load the library, under a second Python environment:
# TransformerLens 4.3 wants transformers 5, the referees have 4.57. It is made once, beside the referees' and on top of it (about 500 MB),
# since PyTorch, NumPy and h5py are there.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
venv=${XDG_CACHE_HOME:-$HOME/.cache}/needlescope/lens
wanted="transformer-lens==4.3.0 transformers==5.24.0"
site() { "$1" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "making $venv with $wanted"
    # shellcheck disable=SC2086  # a list of requirements
    "$NS_PYTHON" -m venv "$venv" && site "$NS_PYTHON" >"$(site "$venv/bin/python")/referees.pth" &&
        "$venv/bin/python" -m pip install -q $wanted ||
        { echo "SKIP: TransformerLens could not be installed into $venv"; exit 77; }
    echo "$wanted" >"$venv/stamp"
fi
referee() { "$venv/bin/python" "$(dirname "$0")/../referee.py" "$@"; }
referee "$(dirname "$0")/heads_tl.py" "$1" || exit
[ -z "$NEEDLESCOPE_LIB" ] || referee "$(dirname "$0")/python_tl.py" "$2"
