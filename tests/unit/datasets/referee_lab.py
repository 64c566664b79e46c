"""The laboratory's language against the recipe's reference generator:  referee_lab.py LAB_BATCH LWL_PY

3000 sequences of each. Demands that the distributions agree within four standard errors: mentions and entities a sequence, tokens by class,
recall distances (every value), positions of mentions, gaps, key to key, and the chain's transition probabilities sorted by size (the tables
differ: each generator draws its own). The reference is shared/reference/lwl.py, class Data, unchanged."""
import pathlib
import os
import re
import subprocess
import sys
import types

import numpy as np

from compare import Worst, close, skip

N = 3000


def ours(program):
    data = np.frombuffer(subprocess.run([program, str(N), "21"], check=True, capture_output=True).stdout, np.int32)
    n, t = data[:2]
    return data[2:2 + n * t].reshape(n, t), data[2 + n * t:].reshape(n, t)


def theirs(path):
    """Class Data out of the file, without its model and its torch."""
    source = re.search(r"^class Data:.*?(?=^# -----)", pathlib.Path(path).read_text(), re.S | re.M).group()
    scope = {"np": np, "math": __import__("math")}
    exec(source, scope)
    args = types.SimpleNamespace(nf=16, nk=8, nv=32, K=5, gap=1.5, alpha=1.0, pfar=0.0, tol=1.5, dmin=3, dmax=60)
    return scope["Data"](args).batch(np.random.default_rng(21), N, 64)


def chain(x):
    """Transition probabilities of filler after filler, largest first, averaged over states: [16]."""
    table = np.zeros((16, 16))
    a, b = x[:, :-1].ravel(), x[:, 1:].ravel()
    both = (a < 16) & (b < 16)
    np.add.at(table, (a[both], b[both]), 1)
    table /= table.sum(1, keepdims=True)
    return np.sort(table, 1)[:, ::-1].mean(0)


def statistics(x, distance):
    """Named per-sequence statistics [N, ...]: their means are compared."""
    key = (x >= 16) & (x < 24)
    recall = np.where(key[:, :-1], distance[:, 1:], 0)
    gap = [np.diff(np.flatnonzero(row)) - 2 for row in key]
    return {
        "mentions": key.sum(1),
        "entities": np.array([len(set(row[k])) for row, k in zip(x, key)]),
        "filler": (x < 16).mean(1),
        "recall": (recall > 0).mean(1),
        "distances": np.stack([(recall == d).sum(1) for d in range(3, 61)], 1),
        "positions": key.astype(float),
        "gaps": np.array([[np.sum(g == k) for k in range(1, 8)] for g in gap]),
        "keys": np.stack([(x == k).sum(1) for k in range(16, 24)], 1),
        "values": np.stack([(x == v).sum(1) for v in range(24, 56)], 1),
        "repeated key": np.array([np.sum(np.diff(row[k]) == 0) for row, k in zip(x, key)]),
    }


def main(program, reference):
    if not os.path.exists(reference):
        skip(f"{reference} is not there")
    a, b = ours(program), theirs(reference)
    assert a[0].shape == b[0].shape == (N, 64), (a[0].shape, b[0].shape)
    p, q = statistics(*a), statistics(*b)
    worst = Worst()
    for name in p:
        error = np.sqrt(p[name].var(0) / N + q[name].var(0) / N) + 1e-12
        z = np.abs(p[name].mean(0) - q[name].mean(0)) / error
        first, second = (np.ravel(x[name].mean(0))[0] for x in (p, q))
        print(f"{name:14} ours {first:.4f} reference {second:.4f} worst z {z.max():.2f} of {z.size}")
        worst.add(z, np.zeros(z.shape), name)
    print("chain", chain(a[0])[:5].round(3), chain(b[0])[:5].round(3))
    assert worst.within(4.5, 100), worst     # 200 comparisons: the largest of as many normal draws is above 4.5 once in 700 runs
    close(chain(a[0]), chain(b[0]), 0.01, "chain")


main(*sys.argv[1:])
