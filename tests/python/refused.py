#!/usr/bin/env python3
"""What needlescope.py is given and cannot use is an error, as on the command line: a number cut to a whole one, a selection of nothing,
an argument of something else, a word that is not known (with the nearest).

    refused.py NEEDLESCOPE ROOT"""
import copy
import os
import pickle
import subprocess
import sys
import tempfile
import warnings

import numpy as np

from compare import same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

warnings.simplefilter("error")
IDS = [11, 42, 7, 9, 42]
CONFIG = {"name": "small", "checkpoint_every": 2,
          "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "steps": 4}}


def call(*command):
    subprocess.run([tool, *map(str, command), "-q"], check=True, stdout=subprocess.DEVNULL)


def refused(words, fn, *args, **named):
    """An error (or a warning, where the rest of what was asked is done) that says these words."""
    try:
        fn(*args, **named)
    except (ns.Error, ValueError, TypeError, IndexError, UserWarning) as e:
        assert words in str(e), f"{words!r} is not in {type(e).__name__}: {e}"
    else:
        raise AssertionError(f"{fn.__name__}{args}{named} was done: no {words!r}")


def test_passes():
    for rows in ([1.5], np.array([1.0]), [True]):
        refused("no whole numbers", m.run, IDS, at="hook_logits", rows=rows)
        refused("no whole numbers", m.record, cases, "no.h5", at="hook_logits", rows=rows)
    refused("the points that `at` names", m.run, IDS, rows=[0])
    refused("matches no point", m.points, "nothing*")
    refused("the nearest is 'blocks.0.attn.hook_pattern'", m.points, "blocks.1.attn.hook_patern")
    refused("512 is outside the vocabulary of 512", m.generate, IDS, 2, stop=[512])
    for seed in (*({"hook_logits": x} for x in (np.ones(512), np.ones((2, 512)), (-1,), -1, None)), [("hook_logits", (-1, 42))]):
        refused("{point: (rows, values)} is wanted", m.grad, IDS, seed, at="hook_embed")
    refused("a value is not finite in 32 bits", m.grad, IDS, {"hook_logits": (-1, np.full(512, 1e300))}, at="hook_embed")
    with m.hook("hook_embed", edit=lambda x, where: np.full(x.shape, 1e300)):
        refused("an edit broke it", m.run, IDS)
    same(m.generate(IDS, 2, stop=[511]), m.generate(IDS, 2), "a stop that is not said")
    same(m.run(IDS, at="hook_logits", rows=np.array([-1], np.int32))[1]["hook_logits"][0], m.run(IDS)[0], "the last row")


def test_copies():
    for x in (m, cases):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            refused("is of the process that made it", copied, x)


def test_heads():
    refused("no head is named", m.ablate, [])
    refused("no whole numbers", m.ablate, [(2.7, 1)])
    refused("no whole numbers", m.patch, cases, [(2.7, 1)], map=False)
    refused("span is of the modes knockout", m.ablate, [(2, 1)], span="question")
    refused("seed is of the mode knockout_others", m.ablate, [(2, 1)], mode="knockout", seed=3)
    refused("cases is of the mode mean_z", m.ablate, [(2, 1)], cases=cases)
    refused("did you mean zero_z?", m.ablate, [(2, 1)], mode="zeroz")
    refused("did you mean prefill?", m.ablate, [(2, 1)], scope="prefil")
    refused("did you mean denoising?", m.patch, cases, [(2, 1)], direction="denoisin")
    refused("k is 0", ns.top, np.ones((2, 2)), 0)
    m.ablate([(2, 1)], mode="knockout_others", span="question", seed=3)


def test_scores():
    refused("is named twice", m.score, cases, ["induction", "induction"])
    refused("seed is of the resampling", m.score, cases, "induction", seed=3)
    refused("load('m')", m.score, cases, ["qk_distance"], reference="m")
    refused("lack a row of \"rows\"", m.score, cases, {"name": "x", "rows": [3, 80], "keys": [0], "stat": "mass"})
    refused("sees such \"keys\"", m.score, cases, {"name": "x", "rows": "first", "keys": "offset:-500", "stat": "mass"})
    m.score(cases, ["induction"], resamples=10, seed=3)


def test_arguments():
    refused("did you mean threads?", ns.load, "m", thread=2)
    refused("did you mean title?", ns.figure_heads, "s.h5", "no.svg", titel="x")
    refused("did you mean theta?", ns.emergence, "study.h5", thta=.5)
    refused("memory 10", ns.load, "m", memory=10)
    refused("did you mean curves?", ns.figure_study, "curve", "study.h5", "no.svg")
    refused("did you mean quick?", ns.lab, "no", "qick")
    refused("these cases: line 1: unknown key 'anwser' (did you mean 'answer'?)", m.cases, [{"tokens": IDS, "anwser": [1]}])
    refused("the config: unknown key 'chekpoint_every'", ns.train, {"name": "x", "chekpoint_every": 2}, "no")
    for draw in (lambda **look: ns.figure_rank("s.h5", "no.svg", **look),
                 lambda **look: ns.figure_study("curves", "study.h5", "no.svg", **look)):
        for look in ({"vmin": .3}, {"vmax": .3}, {"colormap": "magma"}):
            refused("figures whose colours are a scale", draw, **look)
    ns.figure_study("laziness", "study.h5", "scale.svg", vmin=.3, colormap="magma")
    refused("dpi 300 is of a PNG", ns.figure_heads, "s.h5", "no.svg", dpi=300)


def test_runs():
    refused("theta is 0", ns.emergence, "study.h5", theta=0)
    refused("persist is 0", ns.emergence, "study.h5", persist=0)
    refused("leave_short is of a horizon", ns.emergence, "study.h5", leave_short=True)
    refused("shard 4/4: I/N", ns.scan, "run", cases, "no", shard=(4, 4))
    refused("shard 9/20 has no checkpoint of its own: there are only 4", ns.scan, "run", cases, "shards", shard=(9, 20))
    refused("no run is given", ns.scan, [], cases, "no")
    refused("induction is named twice", ns.scan, "run", cases, "no", ["induction", "induction"])
    refused("rule of births, which are left out", ns.export_notebook, "study.h5", "no.ipynb", theta=.3, births=False)
    refused("of one checkpoint", ns.export_notebook, "s.h5", "no.ipynb", persist=2)
    refused("of one checkpoint", ns.export_notebook, "s.h5", "no.ipynb", births=False)
    refused("theta is 3", ns.export_notebook, "study.h5", "no.ipynb", theta=3)
    refused("top is 0", ns.export_latex, "study.h5", "no.tex", top=0)
    assert not os.path.exists("no") and not os.path.exists("no.ipynb") and not os.path.exists("no.tex")
    ns.train(CONFIG, "trained")
    refused("stands at step 4, beyond the 2", ns.train, CONFIG, "trained", resume=True, steps=2)
    ns.export_notebook("study.h5", "births.ipynb", theta=.3, persist=2)


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    call("lab", "plant", "-o", "run", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.1", "--series", 4, "--births", 10)
    os.symlink("run/step000030", "m")
    call("cases", "needle", "--model", "m", "--lengths", "64,96", "--depths", ".5", "--twins", "swap", "-o", "cases.jsonl")
    call("score", "m", "--cases", "cases.jsonl", "--probe", "retrieval_find", "-o", "s.h5")
    call("scan", "run", "--cases", "cases.jsonl", "-o", "scan")
    call("merge", "scan", "-o", "study.h5")
    with ns.load("m") as m:
        cases = m.cases("cases.jsonl")
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name[5:], flush=True)
                test()
    os.chdir(root)
