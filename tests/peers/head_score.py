#!/usr/bin/env python3
"""score --head-score: what the scripts of Wu et al.'s repository read (json.loads of the first line, mean of each list, sorted, "L-H" split
at the dash) gives the heads of scores.h5, in order, with its values.

    head_score.py NEEDLESCOPE"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from compare import close, same


def read_as_published(path, n):
    with open(path) as file:
        lists = json.loads(file.readline())
    means = sorted(((name, np.mean(values)) for name, values in lists.items()), key=lambda x: x[1], reverse=True)
    return lists, [([int(x) for x in name.split("-")], mean) for name, mean in means[:n]]


def check(tool, model, cases, work, options, probe):
    out, path = os.path.join(work, probe + ".h5"), os.path.join(work, probe + ".json")
    subprocess.run([tool, "score", model, "--cases", cases, *options, "--resamples", "0", "-q", "-o", out, "--head-score", path],
                   check=True,
                   stdout=subprocess.DEVNULL)
    lists, best = read_as_published(path, 100)
    with h5py.File(out) as f:
        by_case, score = f["case_" + probe][:], f["retrieval_" + probe][:]
    assert len(lists) == score.size, (len(lists), score.size)
    n = 0
    for name, values in lists.items():
        layer, head = map(int, name.split("-"))
        given = by_case[:, layer, head]
        n += same(np.float32(values), given[~np.isnan(given)], name)
    assert len(best) == min(100, score.size) and n >= score.size, (len(best), n)
    close([mean for _, mean in best], [score[layer, head] for (layer, head), _ in best], 1e-6, "means")
    planted = [[h["layer"], h["head"]] for h in json.load(open(os.path.join(model, "planted.json")))["heads"] if h["kind"] == "retrieval"]
    assert planted and sorted(head for head, _ in best[:len(planted)]) == sorted(planted), (best[:3], planted)
    print(f"{probe}: {len(lists)} heads of {by_case.shape[0]} cases, the best {best[0]}", flush=True)


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as work:
        model, cases = os.path.join(work, "model"), os.path.join(work, "cases.jsonl")
        subprocess.run([tool, "lab", "plant", model, "--retrieval", "3.1,4.6", "-q"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([tool, "cases", "needle", "--model", model, "--lengths", "64,96", "-q", "-o", cases], check=True,
                       stdout=subprocess.DEVNULL)
        check(tool, model, cases, work, ["--probe", "retrieval_wu"], "wu")
        check(tool, model, cases, work, ["--probe", "retrieval_wu2024", "--compat", "wu2024"], "wu2024")


if __name__ == "__main__":
    main()
