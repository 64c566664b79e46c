#!/usr/bin/env python3
"""No writer of needlescope.py replaces what it reads: not by its name, a symbolic link, a hard link, nor inside a folder; and says so.
Beside it is written. No reader takes values that the commands refuse.

    outputs.py NEEDLESCOPE ROOT"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings

import h5py

from compare import count

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

TRAIN = {"name": "small", "checkpoint_every": 2, "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4,
                                                           "length": 32, "steps": 2}}


def call(*command):
    subprocess.run([tool, *map(str, command), "-q"], check=True, stdout=subprocess.DEVNULL)


def tree():
    """Every file and what it holds: what a refused call must leave."""
    return {os.path.join(folder, name): hashlib.sha256(open(os.path.join(folder, name), "rb").read()).hexdigest()
            for folder, _, names in os.walk(".") for name in names}


def refused(path, write):
    """write(output) for every name that the file at path has."""
    os.makedirs("names", exist_ok=True)
    symbolic, hard = "names/symbolic" + os.path.splitext(path)[1], "names/hard" + os.path.splitext(path)[1]
    os.symlink(os.path.abspath(path), symbolic)
    os.link(os.path.realpath(path), hard)
    before = tree()
    for name in (path, os.path.abspath(path), symbolic, hard):
        try:
            write(name)
        except ns.Error as e:
            assert "the output is also the input" in str(e) or "the output is part of the input" in str(e), e
        else:
            raise AssertionError(f"{name} ({path}) was written")
        assert tree() == before, (name, set(tree().items()) ^ set(before.items()))
        count(len(before), "files that a refused call left")
    os.remove(symbolic), os.remove(hard)


def made(path):
    assert os.path.getsize(path) > 0, path
    os.remove(path)


def test_measuring():
    with ns.load(os.path.abspath("m"), arch="arch.json", tokenizer=os.path.abspath("words")) as m:
        cases = m.cases("cases.jsonl")
        writers = [lambda out: m.score(cases, "retrieval_find", output=out), lambda out: m.score(cases[:2], ["retrieval_find"], output=out),
                   lambda out: m.patch(cases, [(2, 1)], draws=2, output=out), lambda out: m.record(cases, out, "hook_embed"),
                   lambda out: m.score([cases[0], cases[1]], "retrieval_find", output=out)]
        for write in writers:
            for path in ("cases.jsonl", "m/model.safetensors", "m/config.json", "arch.json", "words/tokenizer.json"):
                refused(path, write)
            write("m/mine.h5"), made("m/mine.h5")
        os.mkdir("elsewhere")
        os.chdir("elsewhere")                   # names are those of the call, wherever it is made
        try:
            m.score(cases, "retrieval_find", output="../cases.jsonl")
            raise AssertionError("replaced from another folder")
        except ns.Error as e:
            assert "also the input" in str(e), e
        finally:
            os.chdir("..")
    with ns.load("m") as m, ns.load("runs/a/step000010") as other:
        refused("runs/a/step000010/model.safetensors", lambda out: m.score("cases.jsonl", ["qk_distance"], reference=other, output=out))


def test_studies():
    refused("scan/shards/a/step000010.h5", lambda out: ns.merge("scan", out))
    refused("scan/index/a.json", lambda out: ns.merge("scan", out))
    ns.merge("scan", "scan/study.h5"), ns.merge("scan", "scan/study.h5")            # a study is no input of a merge
    refused("study.h5", lambda out: ns.emergence("study.h5").write_csv(out))
    ns.emergence("study.h5").write_csv("out"), made("out"), made("out-metadata.json")


def test_figures_and_exports():
    for suffix in (".png", ".pdf", ".svg"):
        for source, draw in (("scores.h5", ns.figure_heads), ("scores.h5", ns.figure_rank), ("scores.h5", ns.figure_agreement),
                             ("scores.h5", ns.figure_grid),
                             ("maps.h5", lambda file, out: ns.figure_map(file, out, 2, 1)), ("patch.h5", ns.figure_ablation),
                             *(("study.h5", lambda file, out, kind=kind: ns.figure_study(kind, file, out)) for kind in ("laziness",
                                                                                                                        "births", "curves",
                                                                                                                        "strip"))):
            file = source + suffix                 # a figure's ending says what it is, so the file has it
            shutil.copy(source, file)
            refused(file, lambda out: draw(file, out))
            draw(file, "out" + suffix), made("out" + suffix)
            os.remove(file)
    for export in (ns.export_csv, ns.export_latex, ns.export_notebook):
        for source in ("scores.h5", "study.h5"):
            refused(source, lambda out: export(source, out))
            export(source, "out"), made("out")
    shutil.copy("study.h5", "t.csv-metadata.json")          # what stands beside a table is an output, too
    for write in (lambda file: ns.emergence(file).write_csv("t.csv"), lambda file: ns.export_csv(file, "t.csv")):
        refused("t.csv-metadata.json", write)


def test_seals():
    """Whoever reads a file that h5repack or h5py left without our seal warns, once, at the caller's line."""
    readers = {"scores.h5": (ns.read, lambda file: ns.figure_heads(file, "out.svg"), lambda file: ns.figure_rank(file, "out.svg"),
                             lambda file: ns.figure_agreement(file, "out.svg"), lambda file: ns.figure_grid(file, "out.svg"),
                             lambda file: ns.export_csv(file, "out.csv"), lambda file: ns.export_latex(file, "out.tex")),
               "study.h5": (ns.read, ns.emergence, lambda file: ns.figure_study("curves", file, "out.svg"),
                            lambda file: ns.export_notebook(file, "out.ipynb")),
               "maps.h5": (ns.read, lambda file: ns.figure_map(file, "out.svg", 2, 1)),
               "patch.h5": (ns.read, lambda file: ns.figure_ablation(file, "out.svg"))}
    for name, calls in readers.items():
        with open(name, "rb") as f, open("bare.h5", "wb") as bare:
            bare.write(f.read()[:-28])
        for call_it in calls:
            for file in (name, "bare.h5"):
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    call_it(file)
                told = [x for x in said if "has no seal" in str(x.message)]
                assert len(told) == (file == "bare.h5"), (name, call_it, file, [str(x.message) for x in said])
                assert not told or ("bare.h5" in str(told[0].message) and told[0].filename == __file__), (told[0].filename, name, call_it)
                count(1, "files with and without a seal")


AXES = "the name of its first axis is lost"


def test_values():
    """What h5py writes into a sound file, and cannot be: read() refuses it in the words of the commands that show it."""
    csv, curves = ("export", "csv", "-o", "out.csv"), ("figure", "rank", "-o", "out.svg", "--score", "induction")
    planted = (("scores.h5", "retrieval_find", 1.5, csv, "dataset 'retrieval_find' holds 1.5"),
               ("scores.h5", "score_low", .9, curves, "an interval of 0.9 to"), ("scores.h5", "score_low", float("nan"), curves, "nan to"),
               ("scores.h5", "find_hits", 9, ("figure", "grid", "--of", "find", "--head", "2.1", "-o", "out.svg"), "in 'find_events'"),
               ("scores.h5", "depth", -1, ("figure", "grid", "-o", "out.svg"), "dataset 'depth' holds -1"),
               ("study.h5", "tokens", 5, ("emergence",), "they never become fewer"),
               ("study.h5", "step", 7, ("emergence",), "steps ascend"),
               ("study.h5", "retrieval_find", float("inf"), ("emergence",), "dataset 'retrieval_find' holds inf"))
    for shown in (("figure", "heads", "-o", "out.svg", "--score", "retrieval_find"), ("figure", "rank", "-o", "out.svg"), csv,
                  ("export", "latex", "-o", "out.tex"), ("export", "notebook", "-o", "out.ipynb")):
        planted += (("scores.h5", "retrieval_find", float("nan"), shown, "dataset 'retrieval_find' holds nan of head 3.3"),)
        planted += (("scores.h5", "retrieval_find", AXES, shown, "dataset 'retrieval_find' has the axes '? head', where 'layer head'"),)
    planted += (("study.h5", "retrieval_find", float("nan"), ("emergence",), "dataset 'retrieval_find' holds nan of head 3.3"),
                ("study.h5", "retrieval_find", AXES, ("emergence",), "has the axes '? step layer head'"),
                ("scores.h5", "induction", float("nan"), csv, "though 'case_induction' counts"),
                ("scores.h5", "score_low", AXES, curves, "dataset 'score_low' has the axes '? layer head'"),
                ("scores.h5", "depth", AXES, ("figure", "grid", "-o", "out.svg"), "dataset 'depth' has the axes '?'"),
                ("scores.h5", "find_hits", AXES, ("figure", "grid", "--of", "find", "--head", "2.1", "-o", "out.svg"), "'? layer head'"))
    for file, dataset, value, command, words in planted:
        with open(file, "rb") as f, open("bare.h5", "wb") as bare:
            bare.write(f.read()[:-28])
        with h5py.File("bare.h5", "r+") as f:
            if value is AXES:
                f[dataset].dims[0].detach_scale(f[dataset].dims[0][0])
            else:
                f[dataset][(..., 2, 1) if dataset == "find_hits" else (-1,) * f[dataset].ndim] = value        # head 2.1
        done = subprocess.run([tool, *command, "bare.h5", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = done.stderr.strip().partition("error: ")[2]
        assert done.returncode == 65 and words in said, (file, dataset, done)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ns.read("bare.h5")
            raise AssertionError(f"{dataset} = {value} was read")
        except ns.Error as e:
            places = [re.sub(r"\(value \d+\)", "", x) for x in (str(e), said)]           # the one counts in the file, the other in a part
            assert words in str(e) if value is AXES else places[0] == places[1], places
        count(1, "values that cannot be")


def test_recordings_and_interventions():
    """What no command shows is held by read() all the same; what is sound, and what recurrent layers may have, is read."""
    ns.train({**TRAIN, "train": {**TRAIN["train"], "pattern": "GF"}}, "gated")
    call("cases", "repeat", "--model", "gated/step000002", "--length", 24, "-o", "short.jsonl")
    for maps in ("dense", "topk", "pooled", "stats"):
        call("record", "gated/step000002", "--cases", "short.jsonl", "--maps", maps, "-o", f"gated-{maps}.h5")
        ns.read(f"gated-{maps}.h5")
    for maps in ("rows", "topk", "pooled", "stats"):
        call("record", "m", "--cases", "cases.jsonl", "--maps", maps, "-o", f"maps-{maps}.h5")
        ns.read(f"maps-{maps}.h5")
    call("record", "m", "--cases", "cases.jsonl", "--at", "blocks.*.hook_resid_post", "-o", "activations.h5")
    call("ablate", "m", "--cases", "cases.jsonl", "--heads", "2.1", "--draws", 2, "-o", "ablation.h5")
    nan = float("nan")
    planted = (("maps.h5", "case0000/attn", (1.5, -.25, nan), 1), ("maps-rows.h5", "case0000/rows_attn", (1.5, nan), 1),
               ("maps-topk.h5", "case0000/topk_value", (7, nan), 0), ("maps-topk.h5", "case0000/topk_rest", (-.5, 1.5), 0),
               ("maps-topk.h5", "case0000/topk_index", (-2,), 0), ("maps-pooled.h5", "case0000/pool_mean", (1.5, -1), nan),
               ("maps-pooled.h5", "case0000/pool_max", (2,), nan), ("maps-stats.h5", "stat_needle", (1.5, -1), nan),
               ("maps-stats.h5", "stat_entropy", (-1,), 3), ("maps-stats.h5", "stat_sink_sq", (1.25,), 1),
               ("maps-stats.h5", "stat_argmax_dist", (-1,), 0), ("maps-stats.h5", "stat_count", (-1,), 1),
               ("activations.h5", "case0000/hook_resid_post", (nan,), -1e4),
               ("ablation.h5", "content_right", (9,), 0), ("ablation.h5", "first_right", (2,), 1),
               ("ablation.h5", "margin", (float("inf"),), nan),
               ("patch.h5", "flipped", (1.5, -1), 1), ("patch.h5", "recovery", (float("inf"),), -7),
               ("patch.h5", "recovery_low", (1e9,), -7), ("patch.h5", "set_recovery_low", (1e9,), -7),
               ("patch.h5", "says_source", (2,), 0), ("patch.h5", "map_difference", (float("inf"),), -7))
    for file, dataset, bad, good in planted:
        for value in (good, *bad):
            with open(file, "rb") as f, open("bare.h5", "wb") as bare:
                bare.write(f.read()[:-28])
            with h5py.File("bare.h5", "r+") as f:
                f[dataset][(-1,) * f[dataset].ndim] = value
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ns.read("bare.h5")
                assert value is good, f"{file}: {dataset} = {value} was read"
            except ns.Error as e:
                assert value is not good and f"'{dataset}'" in str(e).replace("'/", "'") and "bare.h5" in str(e), (file, dataset, value, e)
            count(1, "values of recordings and interventions")


def test_training():
    os.mkdir("run")
    with open("run/metrics.h5", "wb") as f:
        f.write(bytes(range(32)) * 2000)
    config = {**TRAIN, "corpus": {"file": os.path.abspath("run/metrics.h5"), "width": 2}}
    config["train"] = {**config["train"], "vocab": 65536}
    before = tree()
    try:
        ns.train(config, "run")
        raise AssertionError("a corpus was replaced")
    except ns.Error as e:
        assert "also the input" in str(e) and tree() == before, e


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    call("lab", "plant", "-o", "runs/a" if os.mkdir("runs") is None else "", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--vocab", 66,
         "--previous-token", "0.1",
         "--retrieval", "2.1", "--series", 4, "--births", 20)
    shutil.copytree("runs/a/step000030", "m")
    call("cases", "needle", "--model", "m", "--lengths", "40,97", "--depths", "0,.6", "--count", 2, "--twins", "swap", "-o", "cases.jsonl")
    call("inspect", "m", "--arch-out", "arch.json")
    os.mkdir("words")
    with open("words/tokenizer.json", "w") as f:
        f.write('{"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[]}}')
    call("score", "m", "--cases", "cases.jsonl", "--probe", "retrieval_find,induction", "-o", "scores.h5")
    call("record", "m", "--cases", "cases.jsonl", "--at", "blocks.*.attn.hook_pattern", "--maps", "dense", "-o", "maps.h5")
    call("patch", "m", "--cases", "cases.jsonl", "--heads", "2.1", "--draws", 2, "-o", "patch.h5")
    call("scan", "runs/a", "--cases", "cases.jsonl", "--probe", "retrieval_find,previous_token", "-o", "scan")
    call("merge", "scan", "-o", "study.h5")
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            print(name[5:].replace("_", " "), flush=True)
            test()
    os.chdir(root)
