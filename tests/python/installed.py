#!/usr/bin/env python3
"""The installed module: one file below the prefix, where the Python that meson found looks for it, if it looks there at all; it finds the
installed library by itself.

    installed.py BUILD PREFIX NEEDLESCOPE PYTHON"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from compare import same

build, prefix, tool, python = sys.argv[1:5]
with tempfile.TemporaryDirectory() as work:
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", work], check=True, stdout=subprocess.DEVNULL)
    root = work + prefix
    found = glob.glob(os.path.join(root, "lib*", "**", "needlescope.py"), recursive=True)
    same(len(found), 1, found)
    assert os.path.basename(os.path.dirname(found[0])) in ("site-packages", "dist-packages"), found
    looks = subprocess.run([python, "-c", "import site; print(*site.getsitepackages())"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    below = [path for path in looks if path.startswith(prefix + "/")]
    assert not below or os.path.dirname(found[0])[len(work):] in below, (found, below)
    subprocess.run([tool, "lab", "plant", os.path.join(work, "model"), "-q"], check=True)
    code = "import sys, needlescope as ns; m = ns.load(sys.argv[1]); print(ns._lib._name); print(m.run([1, 2, 3])[0].shape)"
    env = {k: v for k, v in os.environ.items() if k != "NEEDLESCOPE_LIB"} | {"PYTHONPATH": os.path.dirname(found[0])}
    command = [sys.executable, "-B", "-c", code, os.path.join(work, "model")]
    said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    library, shape = said.splitlines()
    assert library.startswith(root) and shape == "(512,)", said
    for machine in "aaa-linux-gnu", "zzz-linux-gnu":          # of another machine, as Debian puts it beside ours: whatever comes first
        os.makedirs(os.path.join(root, "lib", machine))
        with open(os.path.join(root, "lib", machine, "libneedlescope.so.0"), "wb") as f:
            f.write(b"\x7fELF of another machine")
    assert subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout == said

    # as a wheel lies in an environment that nobody activated: its program is found, and no other one of the PATH
    wheel = os.path.join(work, "wheel", "lib", "python3", "site-packages")
    for folder in os.path.join(wheel, "needlescope.libs"), os.path.join(work, "wheel", "bin"), os.path.join(work, "other"):
        os.makedirs(folder)
    shutil.copy(found[0], wheel), shutil.copy(library, os.path.join(wheel, "needlescope.libs", "libneedlescope.so.0"))
    for folder, says in (os.path.join(work, "wheel", "bin"), 1), (os.path.join(work, "other"), 2):
        with open(os.path.join(folder, "needlescope"), "w") as f:
            f.write(f"#!/bin/sh\necho '{{\"which\": {says}}}'\n")
        os.chmod(f.name, 0o755)
    code_of_wheel = "import needlescope as ns; print(ns.program('doctor')['which'])"
    said = subprocess.run([sys.executable, "-B", "-c", code_of_wheel], check=True, stdout=subprocess.PIPE, text=True,
                          env=env | {"PYTHONPATH": wheel, "PATH": os.path.join(work, "other") + ":/usr/bin:/bin"}).stdout
    assert said == "1\n", said

    wrong = subprocess.run([sys.executable, "-B", "-c", code], env=env | {"NEEDLESCOPE_LIB": "/absent/lib.so"}, stderr=subprocess.PIPE,
                           text=True)
    assert wrong.returncode and "ImportError: /absent/lib.so" in wrong.stderr, wrong.stderr
    print(os.path.relpath(found[0], root), "finds", os.path.relpath(library, root))
