#!/usr/bin/env python3
"""trace, recomputed by numpy out of the study that it is made of: the best heads of the last checkpoint and of each step (ties share the
last place, heads that score nothing are in no set), means of entropy and of the distance of Q and K over them and over the others; and
the distance itself out of the weights of two checkpoints.

    trace_heads.py NEEDLESCOPE"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from safetensors.numpy import load_file

from compare import close, count, same

HEADS, KV, TOP = 4, 2, 3


def run(tool, *args):
    return subprocess.run([tool, *args], check=True, capture_output=True, text=True).stdout


def shares(score, k):
    """How much of a place each head has among the k best."""
    counts = np.where(np.isnan(score) | (score <= 0), -np.inf, score)
    best = np.sort(counts)[::-1][:k]
    last = best[np.isfinite(best)].min(initial=np.inf)
    above, at = counts > last, (counts == last) & np.isfinite(counts)
    room = min(k, np.isfinite(counts).sum()) - above.sum()
    return above + at * (room / max(at.sum(), 1))


def mean(value, weight):
    weight = np.where(np.isnan(value), 0, weight)
    return (np.nan_to_num(value) * weight).sum() / weight.sum() if weight.sum() > 0 else np.nan


def q_distance(now, end, layer, head):
    d = now["model.layers.0.self_attn.q_proj.weight"].shape[0] // HEADS

    def apart(name, at):
        a, b = (np.float64(t[f"model.layers.{layer}.self_attn.{name}_proj.weight"][at * d:(at + 1) * d]) for t in (now, end))
        return np.linalg.norm(a - b) / (np.linalg.norm(b) + 1e-12)
    return apart("q", head) + apart("k", head * KV // HEADS)


def check_run(trace, study, r):
    find, entropy, distance = (study[name][r].reshape(study[name].shape[1], -1).astype(np.float64)
                               for name in ("retrieval_find", "entropy_norm", "qk_distance"))
    last = max(p for p in range(len(find)) if not np.isnan(find[p]).all())
    final = shares(find[last], TOP)
    assert 0 < final.sum() <= TOP
    for p in range(len(find)):
        now = shares(find[p], TOP)
        for name, value in (("entropy", entropy[p]), ("distance", distance[p])):
            want = [mean(value, final), mean(value, now), mean(value, 1 - final)]
            got = [trace[f"{name}_{which}"][r, p] for which in ("final_top", "step_top", "others")]
            close(got, want, 1e-6, f"{name} of run {r} at {p}", nan=True)
        most = np.maximum(now, final).sum()
        close(trace["with_final"][r, p], np.minimum(now, final).sum() / most, 1e-6, "overlap")
    count(len(find))


def main():
    tool = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        os.mkdir("runs")
        for seed, (name, births) in enumerate((("one", "10,30"), ("two", "20,30"))):
            run(tool, "lab", "plant", "--series", "5", "-o", f"runs/{name}", "--layers", "4", "--heads", str(HEADS), "--kv-heads", str(KV),
                "--retrieval", "2.3,3.0", "--births", births, "--rise", "2", "--vocab", "66", "-q")
            with open(f"runs/{name}/run.json", "w") as file:
                json.dump({"schema": 1, "name": name, "coords": {"window": 0, "seed": seed, "arm": "swa"}}, file)
        run(tool, "cases", "needle", "--model", "runs/one/step000010", "--lengths", "40,60", "--depths", "0,.6", "--count", "2", "-o",
            "c.jsonl")
        run(tool, "scan", "runs/one", "runs/two", "--cases", "c.jsonl", "--probe", "retrieval_find,entropy_norm,distance", "-o", "scan")
        run(tool, "merge", "scan", "-o", "study.h5")
        run(tool, "trace", "study.h5", "--top", str(TOP), "-o", "trace.h5")
        with h5py.File("study.h5") as study, h5py.File("trace.h5") as trace:
            same(trace["step"][:], study["step"][:])
            assert trace.attrs["kind"] == "trace" and trace.attrs["top"] == str(TOP)
            for r in range(2):
                check_run(trace, study, r)
            names = [name.decode() for name in study["run_name"][:]]
            steps = study["step"][:]
            for r, name in enumerate(names):
                end = load_file(f"runs/{name}/step{steps[-1]:06d}/model.safetensors")
                for p in (0, len(steps) // 2):
                    now = load_file(f"runs/{name}/step{steps[p]:06d}/model.safetensors")
                    close(study["qk_distance"][r, p], [[q_distance(now, end, layer, head) for head in range(HEADS)] for layer in range(4)],
                          1e-4, "distance", nan=True)
        # a study without what a trace is of
        run(tool, "scan", "runs/one", "--cases", "c.jsonl", "--probe", "retrieval_find", "-o", "bare")
        run(tool, "merge", "bare", "-o", "bare.h5")
        failed = subprocess.run([tool, "trace", "bare.h5", "-o", "none.h5"], capture_output=True, text=True)
        assert failed.returncode == 2 and "holds no entropy_norm" in failed.stderr and "--probe" in failed.stderr, failed
        assert not os.path.exists("none.h5")


main()
