#!/usr/bin/env python3
"""Numbers, flags and texts that needlescope.py is given reach the library as they are, or are refused by the argument's name, before any
work: ctypes alone would cut numbers to 32 or 64 bits and texts at a NUL, and take any object for a flag. Outputs are refused before the
work, too.

    arguments.py NEEDLESCOPE ROOT"""
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

from compare import count, same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

IDS = [11, 42, 7, 9, 42]
HEADS = [(2, 1)]
CONFIG = {"name": "small", "checkpoint_every": 2,
          "train": {"pattern": "SF", "window": 4, "d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "steps": 4}}


def call(*command):
    subprocess.run([tool, *map(str, command), "-q"], check=True, stdout=subprocess.DEVNULL)


def began(*_):
    raise AssertionError("the work was begun")


def refused(words, fn, *given, kinds=(ValueError,)):
    """fn raises one of the kinds and says all the words; what could be written is not there."""
    try:
        fn(*given)
    except kinds as e:
        assert all(x in str(e) for x in words), f"{words} are not in {type(e).__name__}: {e}"
    else:
        raise AssertionError(f"{words[0]}: {given} was taken")
    assert not [x for x in os.listdir() if x.startswith("no")], os.listdir()
    count(1, words[0])


def whole_numbers():
    """By the name that the error says: what takes a whole number of at least 0."""
    score = lambda **how: m.score(cases, ["induction"], progress=began, **how)
    patch = lambda heads=HEADS, **how: m.patch(cases, heads, progress=began, **how)
    record = lambda **how: m.record(cases, "no.h5", maps=how.pop("maps", "stats"), progress=began, **how)
    scan = lambda **how: ns.scan("run", cases, "no", progress=began, **how)
    lab = lambda **how: ns.lab("no", "quick", say=began, progress=began, program=tool, **how)
    return [("threads", lambda x: ns.load("m", threads=x)), ("memory", lambda x: ns.load("m", memory=x)),
            ("threads", lambda x: scan(threads=x)), ("shard", lambda x: scan(shard=(x, 4))), ("shard", lambda x: scan(shard=(0, x))),
            ("steps", lambda x: scan(steps=(0, x))), ("steps", lambda x: scan(steps=(x, 9))),
            ("max_new_tokens", lambda x: m.generate(IDS, x)), ("max_bytes", lambda x: m.run_with_cache(IDS, max_bytes=x)),
            ("last", lambda x: m.gradient(cases, last=x)), ("length", lambda x: m.gradient(cases, length=x)),
            ("edges", lambda x: m.attribute(cases, edges=x)), ("steps", lambda x: m.attribute(cases, steps=x)),
            ("draws", lambda x: m.ablation(cases, HEADS, draws=x)),
            ("loss_cases", lambda x: m.ablation(cases, HEADS, loss_cases=x)), ("context", lambda x: m.nll(cases, context=x)),
            ("tokens", lambda x: m.answers(cases, tokens=x)), ("k", lambda x: ns.compare("s.h5", "s.h5", k=x)),
            ("permutations", lambda x: ns.compare("s.h5", "s.h5", permutations=x)), ("k", lambda x: ns.profile("s.h5", k=x)),
            ("k", lambda x: ns.top(np.ones((2, 2)), x)),
            ("resamples", lambda x: score(resamples=x)), ("seed", lambda x: score(resamples=2, seed=x)),
            ("draws", lambda x: patch(draws=x)), ("resamples", lambda x: patch(resamples=x)), ("seed", lambda x: patch(seed=x)),
            ("top_k", lambda x: record(maps="topk", top_k=x)), ("pool_block", lambda x: record(maps="pooled", pool_block=x)),
            ("max_bytes", lambda x: record(max_bytes=x)),
            ("seed", lambda x: m.ablate(HEADS, mode="knockout_others", seed=x)),
            ("heads", lambda x: m.ablate([(x, 1)])), ("heads", lambda x: m.ablate([(2, x)])), ("heads", lambda x: patch(heads=[(2, x)])),
            ("persist", lambda x: ns.emergence("study.h5", persist=x)), ("top", lambda x: ns.emergence("study.h5", top=x)),
            ("resamples", lambda x: ns.emergence("study.h5", resamples=x)), ("seed", lambda x: ns.emergence("study.h5", seed=x)),
            ("seed", lambda x: ns.train(CONFIG, "no", seed=x)), ("steps", lambda x: ns.train(CONFIG, "no", steps=x)),
            ("seeds", lambda x: lab(seeds=x)), ("cores", lambda x: lab(cores=x)), ("windows", lambda x: lab(windows=[8, x])),
            ("marks", lambda x: ns.figure_heads("s.h5", "no.png", marks=[(x, 1)])),
            ("top", lambda x: ns.figure_heads("s.h5", "no.png", top=x)),
            ("dpi", lambda x: ns.figure_heads("s.h5", "no.png", dpi=x)), ("top", lambda x: ns.figure_rank("s.h5", "no.png", top=x)),
            ("head", lambda x: ns.figure_grid("s.h5", "no.png", of="find", head=(2, x))),
            ("layer", lambda x: ns.figure_map("maps.h5", "no.png", x, 1)), ("head", lambda x: ns.figure_map("maps.h5", "no.png", 2, x)),
            ("top", lambda x: ns.export_latex("s.h5", "no.tex", top=x)), ("top", lambda x: ns.export_notebook("s.h5", "no.ipynb", top=x)),
            ("persist", lambda x: ns.export_notebook("study.h5", "no.ipynb", persist=x))]


def test_whole_numbers():
    """2**64 + 1 and 2**32 + 1 would be 1 in 64 and 32 bits."""
    for name, fn in whole_numbers():
        for x in (2 ** 64 + 1, 2 ** 70, -1, 1.5, float("nan"), True, "1", np.float64(1), np.bool_(True), 1j):
            refused([name], fn, x)
    for name, fn in whole_numbers():
        if name in ("threads", "persist", "n", "k", "draws", "dpi", "cores"):
            refused([name, str(2 ** 32 + 1)], fn, 2 ** 32 + 1)
    for name, fn in (("rows", lambda x: m.run(IDS, at="hook_embed", rows=[x])),
                     ("rows", lambda x: m.hook("hook_embed", read=print, rows=[x])),
                     ("rows", lambda x: m.record(cases, "no.h5", rows=[x], progress=began)),
                     ("rows", lambda x: m.grad(IDS, {"hook_logits": (x, 1)}, "hook_embed")),
                     ("token ids", lambda x: m.run([3, x])), ("token ids", lambda x: words.decode([x])),
                     ("stop", lambda x: m.generate(IDS, 2, stop=[x]))):
        for x in (2 ** 64 + 1, 2 ** 64 - 1, 2 ** 70, -2 ** 63 - 1, 1.5, float("nan"), True, "1"):
            refused([name], fn, x)
    for wrong in ([2, 1, 3, 0], (2, 1), [(2, 1, 0)], [[(2, 1)]]):
        refused(["heads", "(layer, head)"], m.ablate, wrong)


def test_seeds_of_runs():
    """2**53 + 1 is 2**53 where JSON tells of it."""
    for x in (2 ** 53, 2 ** 53 + 1, 2 ** 62):
        refused(["seed"], lambda: ns.train(CONFIG, "no", seed=x), kinds=(ns.Error,))


def test_numpy_numbers():
    same(m.generate(np.array(IDS, np.uint8), np.int64(2), stop=np.array([511], np.uint16)), m.generate(IDS, 2), "generate")
    with ns.load("m", threads=np.int32(1), memory=np.uint64(1 << 30), hash=np.bool_(True)) as other:
        assert other.threads == 1
    a, b = (m.score(cases, ["induction"], resamples=n, seed=s) for n, s in ((10, 2 ** 63), (np.uint8(10), np.uint64(2 ** 63))))
    same(np.asarray(a["score_low"]), np.asarray(b["score_low"]), "intervals", nan=True)
    assert a.attrs["ranking_seed"] == str(2 ** 63)
    assert ns.top(np.array([[2., 1.], [0., 0.]]), np.int16(1)) == [(0, 0)]
    ns.figure_map("maps.h5", "map.svg", np.int64(2), np.int8(1), width=np.float32(5))
    of = lambda zero: np.asarray(m.score(cases, {"name": "x", "rows": "first", "keys": [zero], "stat": "mass"})["x"])
    same(of(np.int64(0)), of(0), "a definition")
    with m.ablate(np.array(HEADS, np.uint8)):
        m.run(IDS)
    assert ns.emergence("study.h5", theta=np.float32(.5), persist=np.int64(2)).persist == 2


def test_reals():
    for name, fn in (("theta", lambda x: ns.emergence("study.h5", theta=x)), ("horizon", lambda x: ns.emergence("study.h5", horizon=x)),
                     ("theta", lambda x: ns.export_notebook("study.h5", "no.ipynb", theta=x)),
                     ("width", lambda x: ns.figure_heads("s.h5", "no.svg", width=x)),
                     ("vmin", lambda x: ns.figure_heads("s.h5", "no.svg", vmin=x)),
                     ("vmax", lambda x: ns.figure_heads("s.h5", "no.svg", vmax=x))):
        for x in (float("nan"), float("inf"), -float("inf"), np.float32("nan"), True, "1", 1j, 10 ** 400):
            refused([name], fn, x)
        if name[0] != "v":
            refused([name], fn, -1)
    refused(["real numbers"], ns.top, np.ones((2, 2)) * 1j, kinds=(TypeError,))
    with m.hook("blocks.0.hook_resid_post", edit=lambda x, site: x * 1j):
        refused(["real numbers"], m.run, IDS, kinds=(TypeError,))
    with m.hook("blocks.0.hook_resid_post", edit=lambda x, site: np.full(x.shape, "x")):
        refused(["real numbers"], m.run, IDS, kinds=(TypeError,))


def test_flags():
    for name, fn in (("hash", lambda x: ns.load("m", hash=x)), ("map", lambda x: m.patch(cases, HEADS, map=x, progress=began)),
                     ("force", lambda x: ns.scan("run", cases, "no", force=x)),
                     ("retry_failed", lambda x: ns.scan("run", cases, "no", retry_failed=x)),
                     ("mixed_kernels", lambda x: ns.merge("scan", "no.h5", mixed_kernels=x)),
                     ("resume", lambda x: ns.train(CONFIG, "no", x)),
                     ("leave_short", lambda x: ns.emergence("study.h5", horizon=1, leave_short=x)),
                     ("standalone", lambda x: ns.export_latex("s.h5", "no.tex", standalone=x)),
                     ("births", lambda x: ns.export_notebook("study.h5", "no.ipynb", births=x)),
                     ("spearman", lambda x: ns.figure_agreement("s.h5", "no.svg", spearman=x)),
                     ("log_scale", lambda x: ns.figure_map("maps.h5", "no.svg", 2, 1, log_scale=x)),
                     ("spans", lambda x: ns.figure_map("maps.h5", "no.svg", 2, 1, spans=x)),
                     ("special", lambda x: words.encode("a", x)), ("skip_special", lambda x: words.decode([0], x))):
        for x in ("no", 2, 1.0, None, [True]):
            refused([name], fn, x)


def test_texts():
    """Each would be cut at its NUL: "m\\0" is m."""
    took = lambda fn: refused(["NUL"], fn)
    for option in ("revision", "arch", "names", "tokenizer", "cpu", "olmo3_rope", "heads_of"):
        took(lambda: ns.load("m", **{option: "m\0x"}))
    took(lambda: ns.load("m", constrain=["full=8", "swa=4\0"]))
    for fn in (ns.load, ns.read, ns.read_cases, ns.emergence, ns.Tokenizer, ns.merge):
        took(lambda: fn("m\0x"))
    for draw in (ns.figure_heads, ns.figure_rank, ns.figure_agreement, ns.figure_grid, ns.figure_ablation, ns.export_csv, ns.export_latex,
                 ns.export_notebook):
        took(lambda: draw("s.h5\0x", "no.svg")), took(lambda: draw("s.h5", "no.svg\0x"))
    for option in ("title", "colormap", "scores"):
        took(lambda: ns.figure_heads("s.h5", "no.svg", **{option: "retrieval_find\0x"}))
    for given in (dict(recording="maps.h5\0"), dict(out="no.svg\0"), dict(case="0\0")):
        took(lambda: ns.figure_map(**{**dict(recording="maps.h5", out="no.svg", layer=2, head=1), **given}))
    for given in (dict(study="study.h5\0"), dict(out="no.svg\0"), dict(rule=dict(score="retrieval_find\0")),
                  dict(run="run\0", kind="strip")):
        took(lambda: ns.figure_study(**{**dict(kind="births", study="study.h5", out="no.svg"), **given}))
    for given in (dict(runs="run\0"), dict(out="no\0"), dict(manifest="m\0"), dict(probes=["induction\0"]), dict(cases="cases.jsonl\0")):
        took(lambda: ns.scan(**{**dict(runs="run", cases=cases, out="no"), **given}))
    for given in (dict(config="c\0"), dict(folder="no\0")):
        took(lambda: ns.train(**{**dict(config=CONFIG, folder="no"), **given}))
    for option in ("folder", "scale", "protocol", "program", "study"):
        took(lambda: ns.lab(**{"folder": "no", option: "quick\0"}))
    for option in ("scores", "run"):
        took(lambda: ns.export_csv("study.h5", "no.csv", **{option: "run\0"}))
    born = ns.emergence("study.h5")
    took(lambda: born.write_csv("no.csv\0")), took(lambda: born.laziness("arm\0"))
    took(lambda: m.score(cases, "induction\0")), took(lambda: m.score(cases, ["induction\0"]))
    took(lambda: m.score("cases.jsonl\0", "induction"))
    took(lambda: m.score(cases, "induction", output="no.h5\0")), took(lambda: m.patch(cases, HEADS, output="no.h5\0", progress=began))
    took(lambda: m.score(cases, {"name": "x\0", "rows": "first", "keys": [0], "stat": "mass"}))
    took(lambda: m.record(cases, "no.h5\0")), took(lambda: m.record(cases, "no.h5", at="hook_embed\0"))
    took(lambda: m.points("hook_embed\0"))
    took(lambda: m.run(IDS, at="hook_embed\0")), took(lambda: m.grad(IDS, {"hook_logits\0": (1, 1)}, "hook_embed"))
    took(lambda: m.hook("hook_embed\0", read=print)), took(lambda: m.ablate(HEADS, mode="knockout", span="needle\0"))
    took(lambda: words.id("a\0"))
    for wrong in ({"tokens": IDS, "id": "a\0b"}, {"tokens": IDS, "answer": [1], "spans": {"needle\0": [0, 1]}}):
        refused(["these cases"], m.cases, [wrong], kinds=(ns.Error,))
    refused(["the config"], ns.train, {**CONFIG, "name": "no\0"}, "no", kinds=(ns.Error,))


def test_nothing():
    """None where a path belongs would be no pointer: it ended the interpreter."""
    took = lambda fn: refused(["NoneType"], fn, kinds=(TypeError,))
    for fn in (ns.read, ns.merge, ns.Tokenizer, ns.emergence):
        took(lambda: fn(None))
    for draw in (ns.figure_rank, ns.figure_agreement, ns.figure_grid, ns.export_csv, ns.export_latex, ns.export_notebook):
        took(lambda: draw(None, "no.svg")), took(lambda: draw("study.h5", None))
    took(lambda: ns.figure_map(None, "no.svg", layer=2, head=1)), took(lambda: ns.figure_map("maps.h5", None, layer=2, head=1))
    took(lambda: ns.figure_study("births", None, "no.svg")), took(lambda: ns.figure_study("births", "study.h5", None))
    took(lambda: ns.scan("run", cases, None)), took(lambda: ns.scan([None], cases, "no"))
    took(lambda: ns.train(CONFIG, None)), took(lambda: m.record(cases, None)), took(lambda: ns.emergence("study.h5").write_csv(None))


def test_generation():
    """A wish beyond the model's positions is refused before its first pass; the last token takes no position."""
    passes, prompt = [], np.resize(IDS, m.max_positions - 3)
    with m.hook("hook_embed", read=lambda x, site: passes.append(site.rows.size)):
        refused(["can say 4"], m.generate, prompt, 5, kinds=(ns.Error,))
        assert not passes
        assert m.generate(prompt, 4).size == 4 and sum(passes) == m.max_positions


def test_gradients():
    """Points behind the seed have no derivative: torch.autograd.grad refuses those too."""
    seed = {"blocks.1.hook_resid_post": (-1, np.ones(m.d_model))}
    for at in ("blocks.2.hook_resid_pre", "blocks.2.mlp.*", "hook_logits", ["hook_embed", "ln_final.hook_normalized"]):
        refused(["behind the seed at blocks.1.hook_resid_post"], m.grad, IDS, seed, at, kinds=(ns.Error,))
    refused(["behind the seed at blocks.1.hook_resid_mid"], m.grad, IDS, {"blocks.1.hook_resid_mid": (-1, np.ones(m.d_model)), **{
        "hook_embed": (0, np.ones(m.d_model))}}, "blocks.1.hook_resid_post", kinds=(ns.Error,))
    refused(["no point"], m.grad, IDS, seed, [])
    refused(["no row"], m.grad, IDS, {"hook_logits": ([], [])}, "hook_embed")
    same(m.grad(IDS, seed, "blocks.1.hook_resid_post")["blocks.1.hook_resid_post"][-1], np.ones(m.d_model, np.float32), "of itself")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        got = m.grad(IDS, seed, "blocks.*.hook_resid_post")
    assert sorted(got) == ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"], list(got)
    assert len(said) == 1 and "2 points of blocks.*.hook_resid_post lie behind the seed" in str(said[0].message), said


def test_outputs():
    """Another kind of file, a folder, no folder, a link to nowhere, a stream, an input: before the work. What a one-call writer reads is
    not there, so the output is the first thing that is wrong."""
    os.symlink("nowhere-at-all", "dangling.h5")
    os.mkdir("folder.h5")
    ns.figure_heads("s.h5", "drawn.png")
    for out in ("drawn.png", "folder.h5", "missing/x.h5", "dangling.h5", "/dev/stdout", "cases.jsonl", "m/model.safetensors"):
        refused([out], lambda: m.score(cases, ["induction"], output=out, progress=began), kinds=(ns.Error,))
        refused([out], lambda: m.patch(cases, HEADS, output=out, progress=began), kinds=(ns.Error,))
        refused([out], lambda: m.record(cases, out, "hook_embed", progress=began), kinds=(ns.Error,))
    refused(["s.h5"], lambda: m.patch(cases, HEADS, output="s.h5", progress=began), kinds=(ns.Error,))
    refused(["int"], lambda: m.score(cases, ["induction"], output=3, progress=began), kinds=(TypeError,))
    for out in ("cases.jsonl", "folder.h5", "missing/x.h5", "dangling.h5"):
        refused([out], ns.merge, "scan", out, kinds=(ns.Error,))
        refused([out], ns.export_csv, "study.h5", out, "nothing", kinds=(ns.Error,))
        refused([out], ns.export_latex, "study.h5", out, "nothing", kinds=(ns.Error,))
        refused([out], ns.export_notebook, "study.h5", out, "nothing", kinds=(ns.Error,))
        for draw in (ns.figure_heads, ns.figure_rank, ns.figure_agreement, ns.figure_grid, ns.figure_ablation,
                     lambda file, to: ns.figure_map(file, to, 2, 1), lambda file, to: ns.figure_study("births", file, to)):
            refused([out], draw, "not-there.h5", out, kinds=(ns.Error,))


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    call("lab", "plant", "-o", "run", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.1", "--series", 4, "--births", 10)
    os.symlink("run/step000030", "m")
    call("cases", "needle", "--model", "m", "--lengths", "64,96", "--depths", ".5", "--twins", "swap", "-o", "cases.jsonl")
    call("score", "m", "--cases", "cases.jsonl", "--probe", "retrieval_find", "-o", "s.h5")
    call("record", "m", "--cases", "cases.jsonl", "--at", "blocks.*.attn.hook_pattern", "--maps", "dense", "-o", "maps.h5")
    call("scan", "run", "--cases", "cases.jsonl", "-o", "scan")
    call("merge", "scan", "-o", "study.h5")
    with open("words.json", "w") as f:
        f.write('{"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[]}}')
    words = ns.Tokenizer("words.json")
    with ns.load("m") as m:
        cases = m.cases("cases.jsonl")
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name[5:].replace("_", " "), flush=True)
                test()
    os.chdir(root)
