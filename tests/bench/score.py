#!/usr/bin/env python3
"""Paired benchmark of default scoring: `needlescope score` against PyTorch eager with output_attentions, and the probes against the bare
pass.

    score.py --build BUILD [--cases 8] [--length 600] [--threads 2] [--rounds 3] [--work DIR]

Needle cases of 4 keys, each with its swap twin, on the 135M shape of peers.py (random weights), by whole processes in turns, loading
included. Both take find, continue, mass and induction of every head, teacher-forced; the peer keeps one case's maps at a time. Ours takes
common beginnings once, as it does by default; --no-sharing is measured too, and --memory 250M, which keeps one layer's weights at a time
(the default keeps all, in their 16 bits). The bare pass is the same command with sink_mass alone, one key of four rows; the difference is
small, so it takes three times the rounds, and so does what heads write (at most 10 % over default scoring)."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import peers

PROBES = "retrieval,mass,induction"


def earlier_copies(ids):
    """[T, T]: 1 where the key follows an earlier copy of the row's token."""
    import torch
    same = (ids[:, None] == ids[None, :]).tril(-1)
    return torch.nn.functional.pad(same, (1, 0))[:, :-1].float()


def peer(args):
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    hits = mass = induction = 0
    with torch.inference_mode():
        for line in open(args.peer):
            case = json.loads(line)
            T, n, (begin, end) = len(case["tokens"]), len(case["answer"]), case["spans"]["needle_answer"]
            out = model(torch.tensor([case["tokens"] + case["answer"][:-1]]), use_cache=False, output_attentions=True, logits_to_keep=n)
            after = earlier_copies(torch.tensor(case["tokens"]))
            rows = after.sum(-1) > 0
            source = torch.arange(begin, end)
            for a in out.attentions:
                hits += (a[0, :, T - 1:].argmax(-1) == source).double()
                mass += a[0, :, T - 2, begin:end].sum(-1)
                induction += (a[0, :, :T, :T] * after).sum(-1)[:, rows].mean(-1)
    print(float(hits.sum()), float(mass.sum()), float(induction.sum()))


class Bench:
    def __init__(self, args, work):
        self.args, self.bench = args, peers.Bench(args, work)
        self.cases = os.path.join(work, "cases.jsonl")
        self.tool = os.path.join(args.build, "cli/needlescope")
        subprocess.run([self.tool, "cases", "needle", "--model", self.bench.model, "--synthetic", "--lengths", str(args.length), "--count",
                        str(args.cases), "--depths", "0.5", "--twins", "swap", "-q", "-o", self.cases], check=True,
                        stdout=subprocess.DEVNULL)

    def ours(self, *options):
        """Random weights answer nothing, which is exit code 1."""
        command = [self.tool, "score", self.bench.model, "--cases", self.cases, "--threads", str(self.args.threads), "--resamples", "0",
                   "-q", *options]
        return peers.timed(["sh", "-c", '"$@"; [ $? -le 1 ]', "sh", *command], self.bench.env)

    def theirs(self):
        command = [sys.executable, __file__, "--peer", self.cases, "--model", self.bench.model, "--threads", str(self.args.threads)]
        return peers.timed(command, self.bench.env)

    def pairs(self, a, b, times=1):
        return [(a(), b()) for _ in range(self.args.rounds * times)]


def ratios(pairs, key):
    value = (lambda x: x["seconds"][0]) if key == "seconds" else (lambda x: x[key])
    return [value(b) / value(a) for a, b in pairs]


def show(name, pairs):
    a, b = pairs[0]
    time, memory = ratios(pairs, "seconds"), ratios(pairs, "rss_mib")
    print(f"{name:36} {a['seconds'][0]:7.2f} s {a['rss_mib']:6.0f} MiB   "
          f"against {b['seconds'][0]:7.2f} s {b['rss_mib']:6.0f} MiB   time ratio "
          f"{statistics.median(time):.2f} ({min(time):.2f} – {max(time):.2f})   memory ratio {statistics.median(memory):.2f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--cases", type=int, default=8)
    p.add_argument("--length", type=int, default=600)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--work", default=None)
    p.add_argument("--peer")
    p.add_argument("--model")
    args = p.parse_args()
    if args.peer:
        return peer(args)
    with tempfile.TemporaryDirectory() as scratch:
        b = Bench(args, args.work or scratch)
        show("score, and PyTorch eager", b.pairs(lambda: b.ours("--probe", PROBES), b.theirs))
        show("score --no-sharing, and PyTorch eager", b.pairs(lambda: b.ours("--probe", PROBES, "--no-sharing"), b.theirs))
        show("score --memory 250M, and PyTorch eager", b.pairs(lambda: b.ours("--probe", PROBES, "--memory", "250M"), b.theirs))
        show("score, and score with what heads write", b.pairs(lambda: b.ours("--probe", PROBES),
                                                               lambda: b.ours("--probe", PROBES + ",writes"), 3))
        show("the bare pass, and score", b.pairs(lambda: b.ours("--probe", "sink_mass"), lambda: b.ours("--probe", PROBES), 3))


if __name__ == "__main__":
    main()
