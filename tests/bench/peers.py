#!/usr/bin/env python3
"""Paired benchmarks: needlescope against PyTorch (transformers, eager and sdpa) on one checkpoint of the 135M shape.

    peers.py --build BUILD [--only prefill,maps,wu,gradient] [--threads 2] [--rounds 3] [--work DIR]

Every row is measured in turns (ours, peer, ours, peer ...) in fresh processes; the ratio is the median of the paired ratios.
The weights are random, of the shape of SmolLM2-135M (30 layers, D 576, 9 heads, 3 KV, d 64, I 1536, V 49152), so no download is needed.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SHAPE = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
             vocab_size=49152, max_position_embeddings=40960, rms_norm_eps=1e-5, rope_theta=100000.0, tie_word_embeddings=True)


def tokens(n, vocab):
    x, out = 1, []
    for _ in range(n):
        x = (x * 1103515245 + 12345) % 2147483648
        out.append(x % vocab)
    return out


def make_model(folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(torch.bfloat16)
    model.save_pretrained(folder)


def peer(args):
    """One measurement in this process; prints JSON."""
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    work, impl, T = args.peer.split(":")
    T = int(T)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, attn_implementation=impl).eval()
    ids = torch.tensor([tokens(T, SHAPE["vocab_size"])])
    if work == "gradient":                             # of the sum over the vocabulary of the last 20 rows' mean, by the embeddings
        embeds = model.get_input_embeddings()(ids).detach().requires_grad_()
        for weight in model.parameters():
            weight.requires_grad_(False)
        t0 = time.perf_counter()
        model(inputs_embeds=embeds, logits_to_keep=20, use_cache=False).logits[0].mean(0).sum().backward()
        norms = embeds.grad[0].norm(dim=1)
        assert torch.isfinite(norms).all() and norms.max() > 0
        print(json.dumps({"seconds": [time.perf_counter() - t0], "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with torch.inference_mode():
        t0 = time.perf_counter()
        if work == "prefill":
            model(ids, logits_to_keep=1, use_cache=False)
        elif work == "maps":
            import h5py
            import numpy as np
            attentions = model(ids, logits_to_keep=1, use_cache=False, output_attentions=True).attentions
            with h5py.File(args.out, "w") as f:
                d = f.create_dataset("attn", (len(attentions), *attentions[0].shape[1:]), dtype="f2", chunks=(1, 1, 256, 256),
                                     compression="gzip", compression_opts=1, shuffle=True)
                for i, a in enumerate(attentions):
                    d[i] = a[0].numpy().astype(np.float16)
        elif work == "wu":
            out = model(ids[:, :-1], logits_to_keep=1, use_cache=True)
            past, last, hits = out.past_key_values, ids[:, -1:], 0
            for _ in range(args.steps):
                out = model(last, past_key_values=past, use_cache=True, output_attentions=True)
                past, last = out.past_key_values, out.logits[:, -1:].argmax(-1)
                best = torch.stack([a[0, :, -1].argmax(-1) for a in out.attentions])
                hits += int(((best > 100) & (best < 120)).sum())
        seconds = time.perf_counter() - t0
    print(json.dumps({"seconds": [seconds], "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def run(command, env):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().split("\n")[-1])


def timed(command, env):
    """A whole process: wall time, processor time and peak memory from the operating system."""
    t0 = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, env, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed: {status}")
    return {"seconds": [time.perf_counter() - t0], "cpu": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / 1024}


class Bench:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.model = os.path.join(os.path.abspath(work), "model-135m-shape")
        self.set_threads()
        if not os.path.exists(os.path.join(self.model, "config.json")):
            # in a process of its own: a child's peak memory, as the system counts it, begins with that of the process that spawned it
            subprocess.run([sys.executable, "-c", "import sys, peers; peers.make_model(sys.argv[1])", self.model], check=True,
                           cwd=os.path.dirname(os.path.abspath(__file__)))

    def set_threads(self):
        n = str(self.args.threads)
        self.env = dict(os.environ, OMP_NUM_THREADS=n, MKL_NUM_THREADS=n, OPENBLAS_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false",
                        HF_HUB_OFFLINE="1")

    def ours(self, mode, T, n):
        exe = os.path.join(self.args.build, "tests/bench/bench_forward")
        return run([exe, self.model, mode, str(T), str(self.args.threads), str(n)], self.env)

    def maps(self, T):
        """Whole process of `needlescope record`, loading included."""
        cases, out = os.path.join(self.work, f"cases{T}.jsonl"), os.path.join(self.work, "maps.h5")
        with open(cases, "w") as f:
            f.write(json.dumps({"id": "bench", "tokens": tokens(T, SHAPE["vocab_size"]), "spans": {}, "answer": []}) + "\n")
        exe = os.path.join(self.args.build, "cli/needlescope")
        return timed([exe, "record", self.model, "--cases", cases, "--at", "blocks.*.attn.hook_pattern", "--maps", "dense", "--dtype",
                      "f16",
                      "--threads", str(self.args.threads), "--quiet", "-o", out], self.env)

    def theirs(self, spec):
        return run([sys.executable, os.path.abspath(__file__), "--peer", spec, "--model", self.model, "--threads", str(self.args.threads),
                    "--steps", str(self.args.steps), "--out", os.path.join(self.work, "peer.h5")], self.env)

    def row(self, name, a, b, per=None):
        pairs = [(a(), b()) for _ in range(self.args.rounds)]
        best = [min(p["seconds"]) for p, _ in pairs], [min(q["seconds"]) for _, q in pairs]
        ratio = statistics.median(y / x for x, y in zip(*best))
        memory = statistics.median(q["rss_mib"] / p["rss_mib"] for p, q in pairs)
        show = (lambda s: f"{per / s:9.0f} tok/s") if per else (lambda s: f"{s:9.2f} s    ")
        print(f"{name:34} ours {show(statistics.median(best[0]))} {pairs[0][0]['rss_mib']:7.0f} MiB   "
              f"peer {show(statistics.median(best[1]))} {pairs[0][1]['rss_mib']:7.0f} MiB   "
              f"time ratio {ratio:5.2f}   memory ratio {memory:5.2f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--only", default="prefill,maps,wu,gradient")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--work", default=None)
    p.add_argument("--peer")
    p.add_argument("--model")
    p.add_argument("--out")
    args = p.parse_args()
    if args.peer:
        return peer(args)
    with tempfile.TemporaryDirectory() as scratch:
        b = Bench(args, args.work or scratch)
        if "prefill" in args.only:
            for T, n in ((512, 5), (2048, 2)):
                for impl in ("eager", "sdpa"):
                    b.row(f"prefill T {T}, peer {impl}", lambda: b.ours("prefill", T, n), lambda: b.theirs(f"prefill:{impl}:{T}"), T)
        if "gradient" in args.only:
            b.row("gradient T 2048, peer autograd", lambda: b.ours("gradient", 2048, 1), lambda: b.theirs("gradient:eager:2048"))
            for work, n in (("gradient", 5), ("attribute", 5)):
                measured = b.ours(work, 2048, n)
                for of, unit in (("ratio", "seconds"), ("cpu_ratio", "processor time")):
                    first, *then = measured[of]
                    print(f"{work} T 2048 / a bare pass, {unit}: first {first:.2f}, then {', '.join(f'{x:.2f}' for x in then)}", flush=True)
        if "maps" in args.only:
            b.row("all maps T 2048 to HDF5 f16", lambda: b.maps(2048), lambda: b.theirs("maps:eager:2048"))
        if "wu" in args.only:
            b.row(f"Wu's score T 4096, {args.steps} steps", lambda: b.ours("wu", 4096, args.steps), lambda: b.theirs("wu:eager:4096"))


if __name__ == "__main__":
    main()
