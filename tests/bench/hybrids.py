#!/usr/bin/env python3
"""Paired benchmarks of two hybrids of the 100M shape: needlescope against transformers' CPU path, recording against the bare pass, and the
memory of a long case against a twin of full attention.

    hybrids.py --build BUILD [--only prefill,rows,memory] [--threads 2] [--rounds 3] [--length 2048] [--long 32768] [--work DIR]

gdn: Qwen3-Next without experts, three layers of Gated DeltaNet to one of full attention; mamba2: Bamba, three of Mamba-2 to one; random
weights, 16 layers, D 576, V 49152. `prefill` is measured in turns (ours, peer, ours, peer ...); `rows` is `needlescope record` of a needle
case at hook_pattern of every layer as by default (the ten statistics of every row of every head, and the 32 largest keys of the answer's
rows), against the same command that records the logits of the last row, in turns, by the clock and by processor time, which is what
counts on a machine that others use; `memory` is the peak, as the system counts it, of one case of --long tokens on gdn and on its twin
whose layers are all full attention: of `needlescope score --probe retrieval`, a pass that goes layer by layer; of 8 tokens that are
decoded behind the prompt, for which every layer keeps what it needs; and of `score --probe retrieval_wu`, which decodes and reads rows."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import peers

COMMON = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=16, num_attention_heads=9, num_key_value_heads=3,
              vocab_size=peers.SHAPE["vocab_size"], max_position_embeddings=40960, rms_norm_eps=1e-5, tie_word_embeddings=True,
              bos_token_id=1, eos_token_id=2)


def qwen3_next(full):
    from transformers import Qwen3NextConfig, Qwen3NextForCausalLM
    kinds = ["full_attention" if full or i % 4 == 3 else "linear_attention" for i in range(16)]
    return Qwen3NextForCausalLM(Qwen3NextConfig(**COMMON, head_dim=64, linear_num_key_heads=9, linear_num_value_heads=9,
                                                linear_key_head_dim=64, linear_value_head_dim=64, num_experts=0, layer_types=kinds))


def bamba():
    from transformers import BambaConfig, BambaForCausalLM
    return BambaForCausalLM(BambaConfig(**COMMON, mamba_n_heads=18, mamba_d_head=64, mamba_n_groups=1, mamba_d_state=128, mamba_expand=2,
                                        attn_layer_indices=[3, 7, 11, 15]))


MODELS = {"gdn": lambda: qwen3_next(False), "mamba2": bamba, "full": lambda: qwen3_next(True)}


def make(name, folder):
    import torch
    torch.manual_seed(0)
    MODELS[name]().to(torch.bfloat16).save_pretrained(folder)


class Bench(peers.Bench):
    def __init__(self, args, work, name):
        self.args, self.work, self.name = args, work, name
        self.model = os.path.join(os.path.abspath(work), name)
        self.tool = os.path.join(args.build, "cli/needlescope")
        self.set_threads()
        if not os.path.exists(os.path.join(self.model, "config.json")):
            subprocess.run([sys.executable, "-c", "import sys, hybrids; hybrids.make(*sys.argv[1:])", name, self.model], check=True,
                           cwd=os.path.dirname(os.path.abspath(__file__)))

    def cases(self, length):
        path = os.path.join(self.work, f"cases-{length}.jsonl")
        subprocess.run([self.tool, "cases", "needle", "--model", self.model, "--synthetic", "--lengths", str(length), "--count", "1",
                        "--depths", "0.5", "-q", "-o", path], check=True, stdout=subprocess.DEVNULL)
        return path

    def command(self, *words):
        return peers.timed([self.tool, *words, "--threads", str(self.args.threads), "--quiet"], self.env)

    def record(self, cases, *rows):
        return self.command("record", self.model, "--cases", cases, "-o", os.path.join(self.work, "rows.h5"), *rows)

    def score(self, cases, probe):
        """Exit 1 is that no case was answered, as random weights do."""
        return peers.timed(["sh", "-c", '"$@"; [ $? -le 1 ]', "sh", self.tool, "score", self.model, "--cases", cases, "--probe", probe,
                            "--threads", str(self.args.threads), "--quiet", "-o", os.path.join(self.work, "long.h5")], self.env)


def rows(b):
    cases, pairs = b.cases(b.args.length), []
    for _ in range(b.args.rounds):
        bare = b.record(cases, "--at", "hook_logits", "--rows", "-1")
        pairs.append((b.record(cases, "--at", "blocks.*.attn.hook_pattern", "--rows", "all"), bare))
    clock = statistics.median(x["seconds"][0] / y["seconds"][0] for x, y in pairs)
    cpu = statistics.median(x["cpu"] / y["cpu"] for x, y in pairs)
    print(f"{b.name}: all rows of a needle case, every layer, T {b.args.length}: {clock:.2f} of the bare pass by the clock "
          f"({bare['seconds'][0]:.2f} s), {cpu:.2f} in processor time ({bare['cpu']:.2f} s)", flush=True)


def memory(hybrid, twin):
    cases = hybrid.cases(hybrid.args.long)
    for name, run in (("score", lambda b: b.score(cases, "retrieval")), ("generate", lambda b: b.ours("generate", b.args.long, 8)),
                      ("score, decoding", lambda b: b.score(cases, "retrieval_wu"))):
        ours, full = run(hybrid), run(twin)
        print(f"{name}, T {hybrid.args.long}: hybrid {ours['rss_mib']:.0f} MiB in {ours['seconds'][0]:.0f} s, full twin "
              f"{full['rss_mib']:.0f} MiB in {full['seconds'][0]:.0f} s; memory {ours['rss_mib'] / full['rss_mib']:.2f} of the twin's",
              flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--only", default="prefill,rows,memory")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--length", type=int, default=2048)
    p.add_argument("--long", type=int, default=32768)
    p.add_argument("--steps", type=int, default=0)
    p.add_argument("--work", default=None)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        hybrids = {name: Bench(args, args.work or scratch, name) for name in ("gdn", "mamba2")}
        for b in hybrids.values():
            if "prefill" in args.only:
                b.row(f"{b.name}: prefill T {args.length}", lambda: b.ours("prefill", args.length, 2),
                      lambda: b.theirs(f"prefill:sdpa:{args.length}"), args.length)
            if "rows" in args.only:
                rows(b)
        if "memory" in args.only:
            memory(hybrids["gdn"], Bench(args, args.work or scratch, "full"))


if __name__ == "__main__":
    main()
