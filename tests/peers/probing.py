#!/usr/bin/env python3
"""Layer-wise probing against scikit-learn: LogisticRegression (L2, the same C) of the activations that `record` writes.

    probing.py NEEDLESCOPE MODELS

A planted model, whose layers are known, and stories260K. What the readers of each fold tell of each case, with needle and without; their
balanced accuracy; weights and intercepts of all cases; the folds; the shuffled control's mean."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from compare import Worst, close, count, same

C, FOLDS = .3, 4


def call(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def activations(path, point, lines, order):
    """[cases, layers, features] at the row that says the answer's first content token, in the order of the probe's ids."""
    with h5py.File(path) as f:
        ids = [x.decode() if isinstance(x, bytes) else x for x in f["case_id"][:]]
        of = {}
        for i, name in enumerate(ids):
            group, case = f[f"case{i:04d}"], lines[name]
            row = len(case["tokens"]) - 1 + case.get("lead", 0)
            data = group[point][:][:, list(group["row"][:]).index(row)]
            of[name] = data.reshape(data.shape[0], -1)
    return np.stack([of[name] for name in order]).astype(np.float64)


def reader(x, y):
    scale = StandardScaler().fit(x)
    scale.scale_[scale.scale_ < 1e-6 * np.abs(scale.mean_)] = 1        # what varies by rounding alone
    return scale, LogisticRegression(C=C, tol=1e-12, max_iter=100000).fit(scale.transform(x), y)


class Near:
    """Answers that are no near ties must be the same."""

    def __init__(self):
        self.n = self.ties = 0

    def add(self, got, scale, model, x, what):
        logits = model.decision_function(scale.transform(x))
        logits = np.stack([-logits, logits], 1) / 2 if logits.ndim == 1 else logits
        two = np.sort(logits, 1)[:, -2:]
        clear = two[:, 1] - two[:, 0] > 1e-6
        want = model.classes_[logits.argmax(1)]
        assert (got[clear] == want[clear]).all(), (what, got, want)
        self.n += int(clear.sum())
        self.ties += int((~clear).sum())


def compare(needlescope, model, cases, point):
    with tempfile.TemporaryDirectory() as work:
        probed, recorded = os.path.join(work, "probe.h5"), os.path.join(work, "rec.h5")
        call(needlescope, "probe", model, "--cases", cases, "--at", f"blocks.*.{point}", "--weights", "--l2-c", str(C), "--folds",
             str(FOLDS), "--shuffles", "3", "-o", probed)
        call(needlescope, "record", model, "--cases", cases, "--at", f"blocks.*.{point}", "--rows", "answer", "--dtype", "f32", "-o",
             recorded)
        with open(cases, encoding="utf-8") as f:
            lines = {c["id"]: c for c in map(json.loads, f)}
        with h5py.File(probed) as f:
            p = {n: f[n][:] for n in f if n.startswith("probe_")}
            order = [x.decode() if isinstance(x, bytes) else x for x in f["case_id"][:]]
        x = activations(recorded, point, lines, order)
    names = [" ".join(f"{t:010d}" for t in lines[i]["answer"][lines[i].get("lead", 0):]) for i in order]
    same(p["probe_class"], np.unique(names, return_inverse=True)[1], "classes")
    root = [lines[i].get("twin_of", i) for i in order]
    for r in set(root):
        assert len({p["probe_fold"][i] for i in range(len(order)) if root[i] == r}) == 1, f"{r}: a prompt and its twins in two folds"
    y, fold, bare, said = p["probe_class"], p["probe_fold"], p["probe_without_needle"] > 0, p["probe_said"]
    for k in np.unique(y):
        n = [int(((y == k) & (fold == f) & ~bare).sum()) for f in range(FOLDS)]
        assert max(n) - min(n) <= 1, ("a class is dealt unevenly", n)
    told, weights, intercepts = Near(), Worst(), Worst()
    for layer in range(x.shape[1]):
        for kind in (False, True):
            for f in range(FOLDS):
                learn, judge = (bare == kind) & (fold != f), (bare == kind) & (fold == f)
                scale, m = reader(x[learn, layer], y[learn])
                told.add(said[judge, layer], scale, m, x[judge, layer], f"layer {layer}, fold {f}")
        scale, m = reader(x[~bare, layer], y[~bare])
        weights.add(p["probe_weights"][layer].T, m.coef_, f"weights of layer {layer}")
        intercepts.add(p["probe_intercepts"][layer], m.intercept_, f"intercepts of layer {layer}")
        close(p["probe_size"][layer], scale.scale_, 1e-6, "size", scale=scale.scale_)
        close(p["probe_mean"][layer], scale.mean_, 1e-6, "mean", scale=np.abs(scale.mean_) + scale.scale_)
        same(p["probe_accuracy"][layer], np.float32(balanced_accuracy_score(y[~bare], said[~bare, layer])), "accuracy")
        same(p["probe_accuracy_without_needle"][layer], np.float32(balanced_accuracy_score(y[bare], said[bare, layer])), "without needle")
        assert abs(p["probe_accuracy_shuffled"][layer] - p["probe_shuffled"][~bare, layer].mean()) < 1e-5
    count(told.n, "answers that are no near ties")
    assert weights.within(1e-3) and intercepts.within(1e-3), (weights, intercepts)
    print(f"{os.path.basename(model)} {point}: {told.n} answers the same ({told.ties} near ties left out), weights within "
          f"{weights.most:.1e}, intercepts {intercepts.most:.1e}; accuracies {' '.join(f'{a:.2f}' for a in p['probe_accuracy'])}")


def main():
    needlescope, models = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as work:
        planted, cases = os.path.join(work, "planted"), os.path.join(work, "cases.jsonl")
        call(needlescope, "lab", "plant", "-o", planted)
        how = ["--values", "4", "--keys", "2", "--count", "20", "--lengths", "80", "--distances", "20,40", "--twins", "without"]
        call(needlescope, "cases", "needle", "--model", planted, *how, "-o", cases)
        for point in ("hook_resid_post", "hook_attn_out"):
            compare(needlescope, planted, cases, point)
        stories = os.path.join(models, "stories260k-hf")
        call(needlescope, "cases", "needle", "--model", stories, "--synthetic", *how, "-o", cases)
        for point in ("hook_resid_post", "hook_mlp_out"):
            compare(needlescope, stories, cases, point)


if __name__ == "__main__":
    main()
