#!/usr/bin/env python3
"""What a layer costs by its mixer at a long sequence: layers.py --build BUILD [--length 16384] [--rounds 3]

Checkpoints of two and of three layers of one letter (F full, D Gated DeltaNet, M Mamba-2; D 512, 8 heads, a narrow MLP) are made by one
step of `train`; the difference of their passes, in seconds of CPU on one thread, is a layer with its projections. (The last layer of a
pass computes only what is read, so layers are not counted by dividing.)"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile


def checkpoint(build, folder, pattern, length):
    config, run = os.path.join(folder, pattern + ".json"), os.path.join(folder, pattern)
    json.dump({"checkpoint_every": 1, "validation_sequences": 1,
               "train": {"pattern": pattern, "d_model": 512, "heads": 8, "d_ff": 64, "max_positions": length, "batch": 1, "length": 64,
                         "steps": 1, "warmup": 0}}, open(config, "w"))
    subprocess.run([os.path.join(build, "cli/needlescope"), "train", config, "-o", run, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(run, "step000001")


def seconds(build, path, length):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([os.path.join(build, "tests/bench/bench_forward"), path, "prefill", str(length), "1", "1"], check=True,
                   stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--length", type=int, default=16384)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {letter * n: checkpoint(a.build, folder, letter * n, a.length) for letter in "FDM" for n in (2, 3)}
        ratios = {letter: [] for letter in "DM"}
        for _ in range(a.rounds):
            cost = {k: seconds(a.build, v, a.length) for k, v in paths.items()}
            layer = {letter: cost[letter * 3] - cost[letter * 2] for letter in "FDM"}
            for letter in ratios:
                ratios[letter].append(layer[letter] / layer["F"])
            print(f"T {a.length}: a layer costs F {layer['F']:.2f} s, D {layer['D']:.2f} s, M {layer['M']:.2f} s", flush=True)
    for letter, r in ratios.items():
        print(f"{letter}: {statistics.median(r):.2f} of a full layer (median of {a.rounds})")
