#!/usr/bin/env python3
"""Paired benchmark of a scan's overhead: `needlescope scan` of small checkpoints against the least that it has to do, bench_scan.c.

    scan.py --build BUILD [--checkpoints 50] [--cases 12] [--layers 3] [--heads 4] [--rounds 5] [--threads 1] [--work DIR]

Planted checkpoints, token cases of 64 to 128 tokens. Processor time (user and system) of whole processes in turns, one process each: the
bare loop loads, runs and reads one key; the scan also finds the checkpoints, keeps its index, hashes weights, scores, and writes, syncs
and seals a file for each checkpoint. It is measured with the smallest probe (sink_mass) and without the hash too, which tells what of the
overhead the probes and the hash are."""
import argparse
import glob
import os
import shutil
import statistics
import subprocess
import tempfile

import peers


class Bench:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.tool, self.bare_loop = os.path.join(args.build, "cli/needlescope"), os.path.join(args.build, "tests/bench/bench_scan")
        self.env = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        self.folder, self.cases = os.path.join(work, "run"), os.path.join(work, "cases.jsonl")
        os.makedirs(self.folder)
        for step in range(args.checkpoints):
            self.make("lab", "plant", "-o", os.path.join(self.folder, f"step{step}"), "--seed", str(step), "--layers", str(args.layers),
                      "--heads", str(args.heads), "--kv-heads", str(args.heads), "--retrieval", "2.1")
        self.make("cases", "needle", "--model", os.path.join(self.folder, "step0"), "--synthetic", "--lengths", "64,96,128", "--depths",
                  "0,1", "--count", str(args.cases // 6), "-o", self.cases)

    def make(self, *command):
        subprocess.run([self.tool, *command, "-q"], check=True, env=self.env, stdout=subprocess.DEVNULL)

    def scan(self, *options):
        out = os.path.join(self.work, "scan")
        shutil.rmtree(out, ignore_errors=True)
        took = peers.timed([self.tool, "scan", self.folder, "--cases", self.cases, "--threads", str(self.args.threads), "-q", "-o", out,
                            *options], self.env)
        shards = glob.glob(os.path.join(out, "shards", "**", "*.h5"), recursive=True)
        assert len(shards) == self.args.checkpoints, f"{len(shards)} shards"
        return took

    def bare(self):
        return peers.timed([self.bare_loop, self.cases, str(self.args.threads), *sorted(glob.glob(os.path.join(self.folder, "step*")))],
                           self.env)

    def row(self, name, *options):
        pairs = [(self.bare()["cpu"], self.scan(*options)["cpu"]) for _ in range(self.args.rounds)]
        ratios = [scan / bare for bare, scan in pairs]
        bare, scan = (statistics.median(side) for side in zip(*pairs))
        print(f"{name:28} {scan:6.3f} s against {bare:6.3f} s of CPU: ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} – "
              f"{max(ratios):.2f}), {1000 * (scan - bare) / self.args.checkpoints:.1f} ms a checkpoint", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    for name, n in {"checkpoints": 50, "cases": 12, "layers": 3, "heads": 4, "rounds": 5, "threads": 1}.items():
        p.add_argument(f"--{name}", type=int, default=n)
    p.add_argument("--work")
    args = p.parse_args()
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        b = Bench(args, work)
        b.row("scan")
        b.row("scan, sink_mass", "--probe", "sink_mass")
        b.row("scan, sink_mass, --no-hash", "--probe", "sink_mass", "--no-hash")


if __name__ == "__main__":
    main()
