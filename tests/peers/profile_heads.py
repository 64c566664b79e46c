#!/usr/bin/env python3
"""The probe selectivity and the command profile against PyTorch and numpy: selectivity is a quotient of sums of eager transformers'
attention (prompts so short that all other keys are taken, and long ones, whose 50 random keys mean the same as all of them), classes are
counted from it; Gini's coefficient by its definition (mean absolute difference), sets of best heads token by token.

    profile_heads.py NEEDLESCOPE"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from compare import close, count, same
from transformers import AutoModelForCausalLM

SMOL = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
CLASSES = ("first", "previous", "self", "duplicate", "induction")


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 or (done.returncode == 1 and "score" in command), (command, done.returncode)
    return json.loads(done.stdout) if "--json" in command else done.stdout


def targets(ids):
    q = len(ids) - 1
    copies = [i for i in range(q) if ids[i] == ids[q]]
    copy = copies[-1] if copies else None
    return {"first": 0, "previous": q - 1, "self": q, "duplicate": copy, "induction": None if copy is None else copy + 1}


def reference(model, cases):
    """{class: [case, layer, head] of the target, of the mean of all other keys}; 0 where a case has no such target."""
    out = {name: ([], []) for name in CLASSES}
    for ids in cases:
        with torch.no_grad():
            maps = model(torch.tensor([ids]), output_attentions=True).attentions
        row = torch.stack(maps)[:, 0, :, -1].double().numpy()
        at = targets(ids)
        rest = [k for k in range(len(ids)) if k not in at.values()]
        for name in CLASSES:
            there = at[name] is not None
            out[name][0].append(row[..., at[name]] if there else np.zeros(row.shape[:2]))
            out[name][1].append(row[..., rest].mean(-1) if there else np.zeros(row.shape[:2]))
    return {name: tuple(np.array(x) for x in pair) for name, pair in out.items()}


def make_cases(tool, work, length, count_of):
    path = os.path.join(work, f"{length}.jsonl")
    run(tool, "cases", "repeat", "--model", SMOL, "--kind", "pair,previous", "--length", length, "--count", count_of, "--first-id", 100,
        "-o", path)
    return path, [json.loads(line) for line in open(path)]


def check_pairs(lines):
    """filler, A, B, filler, A."""
    pairs = [c for c in lines if c["meta"]["template"] == "pair"]
    for c in pairs:
        ids, a = c["tokens"], c["spans"]["a"][0]
        assert ids[a] == ids[-1] and ids.count(ids[-1]) == 2 and c["spans"]["b"] == [a + 1, a + 2] and ids[a + 1] != ids[a], c["id"]
        assert len(ids) // 4 <= a < len(ids) // 2 + 1
    count(len(pairs), "pairs")


def check_short(tool, work, model):
    path, lines = make_cases(tool, work, 40, 4)
    check_pairs(lines)
    out = os.path.join(work, "short.h5")
    run(tool, "score", SMOL, "--cases", path, "--probe", "selectivity", "-o", out, "-q")
    lines.sort(key=lambda c: c["id"])
    want = reference(model, [c["tokens"] for c in lines])
    with h5py.File(out) as f:
        for name in CLASSES:
            target, other = want[name]
            close(f[f"case_target_{name}"][:], target, 1e-5, name)
            close(f[f"case_other_{name}"][:], other, 1e-5, name)
            score = target.sum(0) / other.sum(0)
            close(np.log(f[f"selectivity_{name}"][:]), np.log(score), 1e-2, "quotient of " + name)
    told = run(tool, "profile", out, "--json")["classes"]
    pair = np.array([c["meta"]["template"] == "pair" for c in lines])
    n = 0
    for row in told:
        of = pair if row["template"] == "pair" else ~pair
        target, other = (x[of].sum(0) for x in want[row["class"]])
        ratio = target / other
        for least, key in ((30, "heads_30"), (50, "heads_50")):
            near = np.abs(ratio / least - 1) < 1e-2
            assert (ratio >= least).sum() - near.sum() <= row[key] <= (ratio >= least).sum() + near.sum(), (row, (ratio >= least).sum())
            n += 1
        assert row["best"] == "%d.%d" % np.unravel_index(ratio.argmax(), ratio.shape), row
    assert {(row["template"], row["class"]) for row in told} == {("pair", name) for name in CLASSES} | {("previous", name) for name in
                                                                                                         CLASSES[:3]}
    count(n)


def check_long(tool, work, model):
    """50 random keys of a prompt: not all of them, and in the mean over cases and heads the same."""
    path, lines = make_cases(tool, work, 256, 8)
    out = os.path.join(work, "long.h5")
    run(tool, "score", SMOL, "--cases", path, "--probe", "selectivity", "-o", out, "-q")
    lines.sort(key=lambda c: c["id"])
    want = reference(model, [c["tokens"] for c in lines])["first"]
    with h5py.File(out) as f:
        close(f["case_target_first"][:], want[0], 1e-5, "first")
        got = f["case_other_first"][:].astype(float)
    apart = got.sum(0) / want[1].sum(0)
    assert 0.85 < np.median(apart) < 1.15 and np.abs(apart - 1).max() > 1e-3, (np.median(apart), apart.min(), apart.max())
    count(1)


def gini(values):
    return np.abs(values[:, None] - values[None]).sum() / (2 * len(values) ** 2 * values.mean())


def shares(score, k):
    best = np.sort(score[score > 0])[::-1][:k]
    last = best.min(initial=np.inf)
    return (score > last) + (score == last) * ((len(best) - (score > last).sum()) / max((score == last).sum(), 1))


def check_profile(tool, work):
    model, cases, out = (os.path.join(work, name) for name in ("model", "cases.jsonl", "scores.h5"))
    run(tool, "lab", "plant", "-o", model, "-q")
    run(tool, "cases", "needle", "--model", model, "--lengths", "64,96", "--count", "3", "-o", cases, "-q")
    run(tool, "score", model, "--cases", cases, "--resamples", "0", "-q", "-o", out)
    told = run(tool, "profile", out, "--top", "5", "--json")
    with h5py.File(out) as f:
        for row in told["sparsity"]:
            values = np.maximum(f[row["score"]][:].astype(float), 0).ravel()
            close(row["gini"], gini(values), 1e-6, row["score"])
            close(row["top1"], np.sort(values)[-1:].sum() / values.sum(), 1e-6, row["score"])      # 48 heads: one is 1 %
        hits = f["answer_hits"][:].astype(float)
    hits[hits == 255] = np.nan
    by_token = np.nanmean(hits, 0).reshape(hits.shape[1], -1)
    sets = [shares(x, 5) for x in by_token]
    for t, row in enumerate(told["dynamics"]):
        close(row["with_first"], np.minimum(sets[t], sets[0]).sum() / np.maximum(sets[t], sets[0]).sum(), 1e-6, "dynamics")
        close(row["hits"], by_token[t].max(), 1e-6, "hits")
        if t:
            close(row["with_before"], np.minimum(sets[t], sets[t - 1]).sum() / np.maximum(sets[t], sets[t - 1]).sum(), 1e-6, "dynamics")
    same(len(told["dynamics"]), hits.shape[1])


def main():
    tool = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        check_profile(tool, work)
        subprocess.run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_smollm2.py"), SMOL], check=True)
        model = AutoModelForCausalLM.from_pretrained(SMOL, torch_dtype=torch.float32, attn_implementation="eager").eval()
        check_short(tool, work, model)
        check_long(tool, work, model)


main()
