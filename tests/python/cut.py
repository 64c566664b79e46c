#!/usr/bin/env python3
"""Weights that are cut while a model holds them: an exception with the file's name, and this interpreter lives.

    cut.py NEEDLESCOPE ROOT"""
import os
import subprocess
import sys
import tempfile

import numpy as np

from compare import same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

IDS = [11, 42, 7, 99, 42]



def refused(weights, what, function, *arguments):
    try:
        function(*arguments)
    except ns.Error as e:
        assert weights in str(e), e
    else:
        raise SystemExit(f"FAILED: {what}")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "planted")
    subprocess.run([tool, "lab", "plant", "-o", path], check=True, capture_output=True)
    weights = os.path.join(path, "model.safetensors")
    with ns.Model(path) as model:
        before = np.asarray(model.run(IDS)[0])
        assert np.isfinite(before).all() and before.size
        with open(weights, "rb") as f:
            whole = f.read()
        os.truncate(weights, 2000)
        refused(weights, "a pass over weights that were cut", model.run, IDS)
        with open(weights, "r+b") as f:
            f.write(whole)
        same(np.asarray(model.run(IDS)[0]), before, "after the weights came back")
    os.truncate(weights, 2000)
    refused(weights, "weights that were cut are a model", ns.Model, path)
print("an exception, and life goes on")
