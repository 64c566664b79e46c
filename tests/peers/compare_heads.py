#!/usr/bin/env python3
"""compare, and lists of heads, against others: Spearman as scipy has it, rank-biased overlap as the package rbo has it, Jaccard as sets
have it, permutation p as scipy's permutation_test counts it, and lists of heads as the published scripts read them (json.loads of a line,
numpy.loadtxt).

    compare_heads.py NEEDLESCOPE"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from rbo import RankingSimilarity
from scipy import stats

from compare import close, count, same

P = 0.9


def run(tool, *args):
    done = subprocess.run([tool, *args], check=True, capture_output=True, text=True)
    return json.loads(done.stdout) if "--json" in args else done.stdout


def write(path, scores):
    with open(path, "w") as file:
        json.dump({f"{layer}-{head}": [float(x)] for (layer, head), x in np.ndenumerate(scores)}, file)


def ranking(scores):
    """Heads that score anything, best first; ties by layer and head."""
    flat = scores.ravel()
    return [int(i) for i in np.argsort(-flat, kind="stable") if flat[i] > 0]


def check_pair(tool, work, a, b, what):
    one, two = os.path.join(work, "a.json"), os.path.join(work, "b.json")
    write(one, a), write(two, b)
    [row] = run(tool, "compare", one, two, "--json", "--top", "7", "--permutations", "2000")["pairs"]
    close(row["spearman"], stats.spearmanr(a.ravel(), b.ravel()).statistic, 1e-12, what + " Spearman")
    x, y = ranking(a), ranking(b)
    close(row["rank_biased_overlap"], RankingSimilarity(x, y).rbo_ext(P), 1e-12, what + " overlap")
    if len({*a.ravel()}) == a.size and len({*b.ravel()}) == b.size:          # without ties a list of the best is a set
        best = set(x[:7]), set(y[:7])
        close(row["jaccard"], len(best[0] & best[1]) / len(best[0] | best[1]), 1e-12, what + " Jaccard")
    close(row["max_difference"], np.abs(np.float64(np.float32(a)) - np.float64(np.float32(b))).max(), 1e-6, what + " difference")
    return row


def check_p(row, a, b):
    """Another generator's permutations give the same p, but for the draws."""
    test = stats.permutation_test((a.ravel(),), lambda x: stats.spearmanr(x, b.ravel()).statistic, permutation_type="pairings",
                                  n_resamples=2000, alternative="greater", rng=np.random.default_rng(0))
    assert abs(row["spearman_p"] - test.pvalue) < 0.05, (row["spearman_p"], test.pvalue)
    close(row["spearman_chance_high"], np.quantile(test.null_distribution, .975), 0.05, "null of Spearman")


def check_layers(tool, work, rng):
    """Two scores that like the same layers and nothing else: chance among all heads calls that agreement, chance within layers does not."""
    layer = np.repeat(np.linspace(1, 9, 12)[:, None], 8, 1)
    a, b = (layer + rng.random((12, 8)) for _ in range(2))
    row = check_pair(tool, work, a, b, "layers")
    assert row["spearman_p"] < 0.01 < 0.05 < row["spearman_p_in_layer"] and row["jaccard_p_in_layer"] > 0.05, row
    count(3)


def check_forms(tool, work):
    model, cases, scores = (os.path.join(work, name) for name in ("model", "cases.jsonl", "scores.h5"))
    run(tool, "lab", "plant", "-o", model, "-q")
    run(tool, "cases", "needle", "--model", model, "--lengths", "64,96", "--count", "3", "-o", cases, "-q")
    run(tool, "score", model, "--cases", cases, "--probe", "retrieval_find,retrieval_mass,retrieval_copy", "--resamples", "0", "-q", "-o",
        scores)
    import h5py
    with h5py.File(scores) as f:
        mass, by_case = f["retrieval_mass"][:], f["case_mass"][:]
        hits, events, find = f["copy_hits"][:], f["copy_events"][:], f["retrieval_find"][:]
    out = {}
    for form, score in (("retrieval_head", "retrieval_copy"), ("locos", "retrieval_mass"), ("target_heads", "retrieval_mass"),
                        ("qrhead", "retrieval_mass"), ("names", "retrieval_find"), ("duo", "retrieval_mass")):
        out[form] = os.path.join(work, "full_attention_heads.tsv" if form == "duo" else form)
        run(tool, "export", "heads", scores, "--format", form, "--score", score, "--top", "4", "-o", out[form], "-q")
    with open(out["retrieval_head"]) as file:                                 # Retrieval_Head: the first line, the mean of each list
        lists = json.loads(file.readline())
    for key, values in lists.items():
        layer, head = map(int, key.split("-"))
        close(values, hits[:, layer, head] / events[:, layer, head], 1e-7, key)
    assert len(lists) == find.size
    locos = json.load(open(out["locos"]))["scores"]
    for key, values in locos.items():
        layer, head = map(int, key.split("-"))
        same(np.float32(values), by_case[:, layer, head], key)
    targets = json.load(open(out["target_heads"]))                             # the paper's scripts: target_heads, layer_head_scores
    order = np.argsort(-mass.ravel(), kind="stable")[:4]
    assert [(t["layer"], t["head"]) for t in targets["target_heads"]] == [divmod(int(i), mass.shape[1]) for i in order]
    same(np.float32(targets["layer_head_scores"]), mass, "matrix")
    pairs = json.load(open(out["qrhead"]))
    assert [name for name, _ in pairs[:4]] == ["%d-%d" % divmod(int(i), mass.shape[1]) for i in order]
    assert all(a[1] >= b[1] for a, b in zip(pairs, pairs[1:])) and len(pairs) == mass.size
    names = [tuple(map(int, h.split("-"))) for h in open(out["names"]).read().strip().split(",")]       # QRHead's attn_head_set
    assert names == [divmod(int(i), find.shape[1]) for i in np.argsort(-find.ravel(), kind="stable")[:len(names)]], names
    gates = np.loadtxt(out["duo"], dtype=float, delimiter="\t")               # DuoAttention's load_attn_pattern
    close(gates, mass.reshape(mass.shape[0], gates.shape[1], -1).max(2), 0, "gates")
    config = json.load(open(os.path.join(work, "config.json")))
    assert config["sink_size"] > 0 and config["recent_size"] > 0
    # theirs in: numpy.savetxt's own bytes
    np.savetxt(out["duo"], gates + 0.125, delimiter="\t")
    [row] = run(tool, "compare", scores, work, "--score", "retrieval_mass", "--json")["pairs"]
    wide = np.float32(np.clip(gates + 0.125, 0, 1)).repeat(mass.shape[1] // gates.shape[1], 1)
    close(row["max_difference"], np.abs(wide - mass).max(), 1e-6)


def main():
    tool = sys.argv[1]
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as work:
        for n in range(6):
            a = rng.normal(size=(6, 5)) + 0.5
            b = a * (n % 3) + rng.normal(size=(6, 5))
            row = check_pair(tool, work, a, b, f"pair {n}")
            if n < 3:
                check_p(row, a, b)
        check_pair(tool, work, np.round(rng.random((5, 4)), 1), np.round(rng.random((5, 4)), 1), "with ties")
        check_layers(tool, work, rng)
        check_forms(tool, work)


main()
