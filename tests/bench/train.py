#!/usr/bin/env python3
"""Training speed beside PyTorch's, paired in one run: train.py --build BUILD [--large] [--lwl PATH] [--rounds 5] [--seconds 4]

The same model, batch, optimisers and one thread: the recipe of the lab against its reference script (lwl.py: LM, Muon, AdamW, clip). Tokens
per second of CPU time, in turns; the ratio is the median of the paired ratios."""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[v] = "1"


def peer(path, seconds):
    """Steps of lwl.py's main(), without its logging; batches are made beforehand."""
    import torch
    from torch import nn
    import torch.nn.functional as F
    spec = importlib.util.spec_from_file_location("lwl", path)
    lwl = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lwl)
    torch.manual_seed(0)
    B, T, V = 32, 64, 56
    M = lwl.LM(types.SimpleNamespace(pat="SSFS", d=64, H=4, ff=128, nope=0, base=10000.0, W=4), V)
    mats = [w for b in M.bl for w in (b.qkv.weight, b.o.weight, b.u.weight, b.w.weight)]
    ids = {id(p) for p in mats}
    rest = [p for p in M.parameters() if id(p) not in ids]
    opt = torch.optim.AdamW([dict(params=[p for p in rest if p.dim() == 2], weight_decay=0.1),
                             dict(params=[p for p in rest if p.dim() < 2], weight_decay=0)],
                            lr=3e-3, betas=(.9, .98), eps=1e-9)
    mu = lwl.Muon(mats, 64, 0.1)
    batches = torch.randint(0, V, (8, B, T))

    def step(i):
        xt = batches[i % 8]
        loss = F.cross_entropy(M(xt)[:, :-1].reshape(-1, V), xt[:, 1:].reshape(-1))
        M.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(M.parameters(), 1.0)
        opt.step()
        mu.step(0.02)
    for i in range(5):
        step(i)
    t0, n = time.process_time(), 0
    while time.process_time() - t0 < seconds:
        step(n)
        n += 1
    print(n * B * T / (time.process_time() - t0))


LARGE = {"pattern": "FFFFFF", "d_model": 256, "heads": 8, "d_ff": 768, "mlp": "swiglu", "length": 512, "max_positions": 512, "batch": 4,
         "optimizer": "adamw"}


def large_peer(seconds):
    """The same shape by transformers' Llama, whose attention is PyTorch's own (sdpa), and torch.optim.AdamW."""
    import torch
    import torch.nn.functional as F
    import transformers
    torch.set_num_threads(1)
    B, T, V = LARGE["batch"], LARGE["length"], 56
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=V, hidden_size=LARGE["d_model"], intermediate_size=LARGE["d_ff"], num_hidden_layers=len(LARGE["pattern"]),
        num_attention_heads=LARGE["heads"], num_key_value_heads=LARGE["heads"], max_position_embeddings=T, attn_implementation="sdpa"))
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(.9, .98), eps=1e-9, weight_decay=.1)
    batches = torch.randint(0, V, (8, B, T))

    def step(i):
        x = batches[i % 8]
        loss = F.cross_entropy(model(x[:, :-1], use_cache=False).logits.reshape(-1, V), x[:, 1:].reshape(-1))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    step(0)
    t0, n = time.process_time(), 0
    while time.process_time() - t0 < seconds:
        step(n)
        n += 1
    print(n * B * T / (time.process_time() - t0))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--lwl", default=os.path.join(os.path.dirname(__file__), "../../../shared/reference/lwl.py"))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--large", action="store_true", help="six SwiGLU layers of width 256 on 512 tokens, in place of the recipe's model")
    p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.peer:
        large_peer(a.seconds) if a.large else peer(a.lwl, a.seconds)
        sys.exit()
    if not os.path.exists(a.lwl):
        sys.exit(f"{a.lwl}: the reference script is not here (--lwl PATH)")
    run = lambda *command: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ratios, name, config, which = [], "SSFS W=4", "", []
    if a.large:
        name, which = "6 layers, D 256, T 512", ["--large"]
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
            json.dump(LARGE, f)
        config = f.name
    for _ in range(a.rounds):
        ours = run(os.path.join(a.build, "tests/bench/bench_train"), config, str(a.seconds))
        theirs = run(sys.executable, __file__, "--peer", "--lwl", a.lwl, "--seconds", str(a.seconds), *which)
        ratios.append(ours / theirs)
        print(f"train {name}: {ours:8.0f} tokens/s, PyTorch {theirs:8.0f}, {ours / theirs:.2f} x", flush=True)
    if config:
        os.unlink(config)
    print(f"train {name}: {statistics.median(ratios):.2f} x PyTorch (median of {a.rounds})")
