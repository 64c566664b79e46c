#!/usr/bin/env python3
"""needlescope.py over training runs and files, against the command line: scan, merge, emergence, laziness, patch, record, train, lab,
paper.

    runs.py NEEDLESCOPE ROOT"""
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import h5py
import numpy as np

from compare import close, count, same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

PROBES = ["retrieval_find", "previous_token", "qk_distance"]
BIRTHS = {(4, 0): 20, (4, 1): 30, (16, 0): 30, (16, 1): 30}
TRAIN = {"name": "small", "checkpoint_every": 2, "validation_sequences": 4,
         "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "steps": 6}}


def call(*command, status=0):
    done = subprocess.run([tool, *map(str, command), "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == status, (command, done.returncode, done.stderr)
    return done.stdout


def content(path):
    """The lines of content_sha256 that are datasets, and the attribute itself."""
    lines = call("verify", path, "--content").splitlines()
    with h5py.File(path) as f:
        return [line for line in lines if line.startswith("dataset ")], f.attrs["content_sha256"]


def same_file(a, b):
    x, y = content(a), content(b)
    count(len(x[0]), a)
    assert x == y, (a, b, set(x[0]) ^ set(y[0]))


def raises(kind, fragment, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except kind as e:
        assert fragment in str(e), (fragment, str(e))
        return e
    raise AssertionError(f"no {kind.__name__}: {fragment}")


def interrupted(function, *arguments, **named):
    """Ctrl-C half a second into the call."""
    timer = threading.Timer(.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        function(*arguments, **named)
    except KeyboardInterrupt:
        return time.monotonic()
    finally:
        timer.cancel()
    raise AssertionError("it went on")


def make_runs():
    """Two seeds of two windows, six checkpoints each; births are known."""
    os.mkdir("runs")
    for (window, seed), born in BIRTHS.items():
        folder = f"runs/w{window}-s{seed}"
        call("lab", "plant", "-o", folder, "--seed", seed, "--layers", 4, "--heads", 4, "--kv-heads", 2, "--vocab", 66, "--previous-token",
             "0.1",
             "--retrieval", "2.1", "--series", 6, "--births", born)
        with open(f"{folder}/run.json") as f:
            told = json.load(f)
        with open(f"{folder}/run.json", "w") as f:
            json.dump({**told, "name": f"w{window}-s{seed}", "coords": {"window": window, "seed": seed}}, f)
    call("cases", "needle", "--model", "runs/w4-s0/step000010", "--lengths", "40,97", "--depths", "0,.6", "--count", 2, "--twins", "swap",
         "-o", "cases.jsonl")


def test_scan_and_merge():
    runs = sorted(os.path.join("runs", x) for x in os.listdir("runs"))
    call("scan", *runs, "--cases", "cases.jsonl", "--probe", ",".join(PROBES), "-o", "scan-c")
    call("merge", "scan-c")
    seen = []
    first = ns.scan(runs, "cases.jsonl", "scan-p", PROBES, shard=(0, 2), threads=1, progress=lambda *x: seen.append(x))
    rest = ns.scan(runs, "cases.jsonl", "scan-p", PROBES)
    assert (first.scored, rest.scored, rest.present, rest.failed) == (12, 12, 12, 0) and len(seen) == 12, (first, rest, len(seen))
    assert {x[2] for x in seen} == {"scored"} and {x[0] for x in seen} == {os.path.basename(x) for x in runs}
    assert ns.merge("scan-p") == "scan-p/study.h5"
    same_file("scan-c/study.h5", "scan-p/study.h5")
    for folder, _, names in os.walk("scan-c/shards"):
        for name in names:
            mine, other = os.path.join(folder, name), os.path.join(folder.replace("scan-c", "scan-p"), name)
            if name.endswith(".seen"):                          # a note that this very shard is done, and of what
                said = [[line for line in open(x) if not line.startswith("shard ")] for x in (mine, other)]
                assert len(said[0]) == 3 and said[0] == said[1], (mine, said)
            else:
                same_file(mine, other)
    shutil.copytree("scan-p", "scan-changed")                  # by hand: HDF5 is sound, the seal is gone, the hash says what was measured
    changed = next(os.path.join(folder, x) for folder, _, names in os.walk("scan-changed/shards") for x in names if x.endswith(".h5"))
    with h5py.File(changed, "r+") as f:
        f["retrieval_find"][...] = .987
    raises(ns.Error, "content_sha256 says", ns.merge, "scan-changed")
    with h5py.File(changed, "r+") as f:
        f["layer"][...] = f["layer"][...][::-1]
    raises(ns.Error, "must count from 0", ns.export_csv, changed, "changed.csv", "retrieval_find")
    raises(ValueError, "seven", ns.scan, runs, "cases.jsonl", "x", PROBES, progress=lambda *x: (_ for _ in ()).throw(ValueError("seven")))
    raises(ns.Error, "did you mean", ns.scan, runs, "cases.jsonl", "x", ["retrieval_fnd"])
    raises(ns.Error, "absent", ns.scan, "absent", "cases.jsonl", "x")


def test_failures_are_told():
    os.makedirs("bad/step2")
    with open("runs/w4-s0/step000010/config.json") as f, open("bad/step2/config.json", "w") as g:
        g.write(f.read())
    with open("bad/step2/model.safetensors", "w") as f:
        f.write("not safetensors")
    os.symlink(os.path.abspath("runs/w4-s0/step000010"), "bad/step1")
    os.mkdir("bad/epoch-last-copy")
    os.mkdir("bad/step3"), os.mkdir("bad/step4")
    for name in ("config.json", "model.safetensors"):
        os.symlink(os.path.abspath(f"runs/w4-s0/step000010/{name}"), f"bad/epoch-last-copy/{name}")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        told = ns.scan("bad", "cases.jsonl", "scan-bad", ["retrieval_find"])
    said = [str(x.message) for x in seen if "left out of" in str(x.message)]
    listed = json.loads(call("scan", "--list", "bad", "--json"))
    names = [x["name"] for x in listed["left_out"]] if "left_out" in listed else []
    assert len(said) == 1 and "epoch-last-copy" in said[0], (said, listed)
    assert (told.scored, told.failed) == (1, 1) and told.failures[0][:2] == ("bad", 2) and "model.safetensors" in told.failures[0][2], told


def test_read_is_what_h5py_reads():
    study = ns.read("scan-c/study.h5")
    if ns.xarray:
        with ns.xarray.open_dataset("scan-c/study.h5", engine="h5netcdf") as bare:        # what a study says of its runs and steps, too
            assert set(bare.coords) == set(study.coords) >= {"run_name", "seed", "tokens", "depth"}, set(bare.coords) ^ set(study.coords)
    n = 0
    with h5py.File("scan-c/study.h5") as f:
        for name, x in f.items():
            if not isinstance(x, h5py.Dataset):
                continue
            got, want = np.asarray(study[name]), x[()]
            if want.dtype == object:
                assert got.shape == want.shape and got.ravel().tolist() == [y.decode() for y in want.ravel()], name
            else:
                assert got.dtype == want.dtype and got.tobytes() == np.ascontiguousarray(want).tobytes(), (name, got.dtype, want.dtype)
            n += 1
        assert study.attrs["content_sha256"] == f.attrs["content_sha256"]
    assert n > 20 and study.retrieval_find.dims == ("run", "step", "layer", "head"), (n, study.retrieval_find.dims)


def same_event(event, text):
    assert str(event) == text, (event, text)


def test_emergence():
    told = json.loads(call("emergence", "scan-c/study.h5", "--json", "-o", "births.csv"))
    e = ns.emergence("scan-c/study.h5")
    assert (e.score, e.previous, e.axis, e.horizon) == (told["score"], told["previous"], told["axis"], told["horizon"])
    assert list(e.runs) == [x["run"] for x in told["runs"]] and len(e.runs) == 4
    for row in told["runs"]:
        run = e.runs[row["run"]]
        same_event(run.best, row["born"]), same_event(run.second, row["second"]), same_event(run.previous, row["previous_born"])
        same_event(run.sweep[.3], row["born_theta_0.3"]), same_event(run.sweep[.7], row["born_theta_0.7"])
        assert "%d.%d" % run.best.head == row["head"] and run.measured == row["checkpoints"]
        close(run.null["p"], np.nan if row["null_p"] is None else row["null_p"], 1e-12, nan=True)
    for (window, seed), born in BIRTHS.items():
        best = e.runs[f"w{window}-s{seed}"].best
        assert (best.step, best.at, best.after, best.head) == (born, born * 2048, (born - 10) * 2048, (2, 1)), best
    with h5py.File("scan-c/study.h5") as f:
        same(e.steps, f["step"][()])
        r = list(e.runs).index("w4-s0")
        heads = e.runs["w4-s0"].best_head
        at = f["retrieval_find"][r][range(len(heads)), [h[0] for h in heads], [h[1] for h in heads]]
        same(np.float32(e.runs["w4-s0"].best_score), at)
    e.write_csv("births-p.csv")
    assert open("births-p.csv").read() == open("births.csv").read()
    with open("births.csv") as f:
        assert len(list(csv.DictReader(f))) == len(e.lives)
    assert [g.runs for g in e.groups] and sorted(sum((g.runs for g in e.groups), [])) == sorted(e.runs)
    raises(ns.Error, "retrieval_fnd", ns.emergence, "scan-c/study.h5", score="retrieval_fnd")
    e.close()
    raises(ValueError, "closed", e.laziness)


def test_laziness():
    told = json.loads(call("laziness", "scan-c/study.h5", "--json"))
    l = ns.emergence("scan-c/study.h5").laziness()
    assert l.windows == [4, 16] and l.seeds == [0, 1] and l.births.tolist() == [[20 * 2048, 30 * 2048], [30 * 2048, 30 * 2048]], l
    assert [p.verdict for p in l.pairs] == [x["verdict"] for x in told["pairs"]] and l.pairs[0].earlier == told["pairs"][0]["earlier"] == 1
    assert (l.page_p, l.logrank_p, l.page_seeds) == (told["page_p"], told["logrank_p"], told["page_seeds"])
    for x in told["births"]:
        assert f"{l.births[int(x['seed']), l.windows.index(x['window'])]:.0f}]" in x["born"], x


def test_patch(m):
    call("patch", "runs/w4-s0/step000050", "--cases", "cases.jsonl", "--heads", "2.1", "--draws", 3, "-o", "patch.h5")
    seen = []
    got = m.patch("cases.jsonl", [(2, 1)], draws=3, output="patch-p.h5", progress=seen.append)
    same_file("patch.h5", "patch-p.h5")
    assert seen and seen[-1] == 1, seen
    again = m.patch("cases.jsonl", [(2, 1)], draws=3)
    with h5py.File("patch.h5") as f:
        for x in (got, again):
            count(same(x["recovery"], f["recovery"][()], nan=True))
    raises(ValueError, "site 'x' is none of z, q, k, v", m.patch, "cases.jsonl", site="x")
    raises(ns.Error, "9.0", m.patch, "cases.jsonl", [(9, 0)])
    raises(ZeroDivisionError, "", m.patch, "cases.jsonl", progress=lambda x: 1 / 0)


def test_record(m):
    points = ["blocks.*.attn.hook_pattern", "blocks.*.hook_resid_post"]
    for maps, dtype, rows in (("dense", "f32", None), ("stats+topk", "f16", None), ("rows", "f16", [-2, -1])):
        options = [] if rows is None else ["--rows=-2,-1"]
        call("record", "runs/w4-s0/step000050", "--cases", "cases.jsonl", "--at", ",".join(points), "--maps", maps, "--dtype", dtype, "-o",
             "rec.h5", *options)
        facts = m.record("cases.jsonl", "rec-p.h5", points, rows=rows, maps=maps, dtype=dtype)
        same_file("rec.h5", "rec-p.h5")
        assert facts["content_sha256"] == content("rec-p.h5")[1]
        os.remove("rec-p.h5")
    raises(ns.Error, "more than the limit", m.record, "cases.jsonl", "rec-q.h5", maps="dense", max_bytes=1000)
    raises(ZeroDivisionError, "", m.record, "cases.jsonl", "rec-q.h5", progress=lambda x: 1 / 0)
    assert not [x for x in os.listdir(".") if x.startswith("rec-q")]
    with m.ablate([(2, 1)]):
        raises(RuntimeError, "untouched", m.record, "cases.jsonl", "rec-q.h5")


def same_picture(a, b):
    from matplotlib.image import imread
    x, y = imread(a), imread(b)
    assert same(x, y, (a, b)) > 10000


def test_figures(m):
    call("score", "runs/w4-s0/step000050", "--cases", "cases.jsonl", "--probe", "retrieval_find,induction,previous_token", "-o",
         "scores.h5")
    m.record("cases.jsonl", "maps.h5", maps="dense")
    study, two = "scan-c/study.h5", ["--score", "retrieval_find,induction"]
    names = ["retrieval_find", "induction"]
    look = {"width": 6, "dpi": 120}
    for options, draw, arguments, named in (
            (["heads", "scores.h5", *two, "--top", 3], ns.figure_heads, ["scores.h5"], dict(scores=names, top=3)),
            (["rank", "scores.h5", *two], ns.figure_rank, ["scores.h5"], dict(scores=names)),
            (["agreement", "scores.h5"], ns.figure_agreement, ["scores.h5"], {}),
            (["grid", "scores.h5"], ns.figure_grid, ["scores.h5"], {}),
            (["map", "maps.h5", "--layer", 2, "--head", 1], ns.figure_map, ["maps.h5"], dict(layer=2, head=1)),
            (["ablation", "patch.h5"], ns.figure_ablation, ["patch.h5"], {}),
            (["curves", study], lambda *x, **y: ns.figure_study("curves", *x, **y), [study], {}),
            (["strip", study, "--run", "w16-s1", "--theta", .3], lambda *x, **y: ns.figure_study("strip", *x, **y), [study],
             dict(run="w16-s1", rule={"theta": .3}))):
        call("figure", *options, "-o", "c.png", "--width", 6, "--dpi", 120)
        told = draw(*arguments, "p.png", **named, **look)
        assert told.shows, options
        same_picture("c.png", "p.png")
    raises(ns.Error, "did you mean", ns.figure_heads, "scores.h5", "x.png", "retrieval_fnd")
    raises(ValueError, "find", ns.figure_grid, "scores.h5", "x.png", "find")
    raises(ValueError, "rule: persist is of the figures laziness, births, pairs, strip", ns.figure_study, "curves", study, "x.png",
           rule={"persist": 2})
    raises(ValueError, "rule: theta is of the figures", ns.figure_study, "loss", study, "x.png", rule={"theta": .4})
    raises(ValueError, "rule: top is of emergence(), and of no figure", ns.figure_study, "births", study, "x.png", rule={"top": 2})
    raises(TypeError, "there is no argument 'presist' (did you mean persist?", ns.figure_study, "births", study, "x.png",
           rule={"presist": 2})
    raises(ValueError, "run is of the figure strip", ns.figure_study, "curves", study, "x.png", run="w16-s1")
    assert not os.path.exists("x.png")


def test_exports():
    study = "scan-c/study.h5"
    call("export", "csv", study, "-o", "c.csv")
    rows = ns.export_csv(study, "p.csv")
    assert open("c.csv").read() == open("p.csv").read() and rows + 1 == len(open("p.csv").readlines())
    body = lambda path: [x for x in open(path) if not x.startswith("%")]
    call("export", "latex", study, "--score", "retrieval_find,previous_token", "--top", 3, "--run", "w4-s1", "-o", "c.tex")
    ns.export_latex(study, "p.tex", ["retrieval_find", "previous_token"], run="w4-s1", top=3)
    assert body("c.tex") == body("p.tex") and len(body("p.tex")) > 5
    call("export", "notebook", study, "-o", "c.ipynb")
    note = ns.export_notebook(study, "p.ipynb")
    cells = lambda path: json.load(open(path))["cells"]
    text = lambda path, name: json.dumps([x.get("source") for x in cells(path)]).replace(name, "")
    assert note == "" and len(cells("c.ipynb")) == len(cells("p.ipynb")) and text("c.ipynb", "c.ipynb") == text("p.ipynb", "p.ipynb"), note
    raises(ns.Error, "did you mean", ns.export_latex, study, "x.tex", "retrieval_fnd")


def test_train():
    with open("config.json", "w") as f:
        json.dump(TRAIN, f)
    call("train", "config.json", "-o", "run-c")
    seen = []
    raises(ZeroDivisionError, "", ns.train, TRAIN, "run-p", progress=lambda step, steps, loss: 1 // (4 - step))
    told = ns.train(TRAIN, "run-p", resume=True, progress=lambda *x: seen.append(x))
    assert told.steps == 6 and told.first in (2, 4) and seen[-1][:2] == (6, 6) and np.isfinite(told.loss), (told, seen)
    for name in ("step000006/model.safetensors", "step000004/model.safetensors", "run.json"):
        assert open(f"run-c/{name}", "rb").read() == open(f"run-p/{name}", "rb").read(), name
    raises(ns.Error, "d_modell", ns.train, {**TRAIN, "train": {**TRAIN["train"], "d_modell": 3}}, "run-q")
    interrupted(ns.train, {**TRAIN, "train": {**TRAIN["train"], "steps": 100000}}, "run-i")


def test_lab():
    raises(ns.Error, "sises", ns.lab, "lab", protocol=wrong_protocol())
    interrupted(ns.lab, "lab", "quick", program=tool)
    assert os.path.isdir("lab")


def test_paper():
    os.mkdir("papers")
    for pattern in ("FFF", "SFS"):
        ns.train({"name": pattern, "coords": {"window": 4}, "checkpoint_every": 4, "validation_seed": 7, "train": {
            **TRAIN["train"], "pattern": pattern, "length": 64, "max_positions": 256, "steps": 8}}, f"papers/{pattern}")
    lines, stages = [], set()
    plan = ns.paper("papers", "page", dry_run=True, program=tool)
    assert plan["runs"] == 2 and {s["stage"] for s in plan["stages"]} >= {"losses", "trace"} and not os.path.exists("page"), plan
    page = ns.paper(["papers/FFF", "papers/SFS"], "page", program=tool, say=lines.append, progress=lambda stage, x: stages.add(stage))
    with open("page/paper.json") as f:
        assert page == json.load(f) and [run["run"] for run in page["runs"]] == ["FFF", "SFS"], page
    assert any("losses: 0 taken, 2 made" in line for line in lines) and "losses" in stages, (lines, stages)
    with open("page/paper.json", "rb") as f:
        ours = f.read()
    call("paper", "papers/FFF", "papers/SFS", "-o", "page")
    with open("page/paper.json", "rb") as f:
        assert f.read() == ours
    raises(ns.Error, "no training run", ns.paper, "papers/FFF/step000004", "none", program=tool)
    raises(ns.Error, "of runs that are trained", ns.paper, "papers", "none", scale="quick", program=tool)
    assert not os.path.exists("none")
    interrupted(ns.paper, (), "trained", scale="quick", program=tool)


def wrong_protocol():
    text = call("lab", "laziness", "--print-protocol")
    with open("protocol.json", "w") as f:
        f.write(text.replace('"sizes"', '"sises"'))
    return "protocol.json"


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    make_runs()
    with ns.load("runs/w4-s0/step000050", threads=2) as model:
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name[5:].replace("_", " "), flush=True)
                test(*[model] * test.__code__.co_argcount)
    os.chdir(root)
