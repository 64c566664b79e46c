#!/usr/bin/env python3
"""Ten steps of the trainer against PyTorch's autograd, from the same first values on the same batches.

    train.py PEER_TRAIN SHARED

Models: the reference script of the lab's recipe (SHARED/reference/lwl.py, where it is there), SmolLM3, MiniMax's Lightning attention, and
the mixers of Mamba-2 and Qwen3-Next (Gated DeltaNet) of transformers, and a plain one and GLA written here. Optimisers: torch.optim.AdamW
and the Muon of the recipe. Bound: 1e-4 relative, each parameter; checkpoints that transformers can load: logits within 1e-4.

PyTorch runs in double precision (its modules that cast to f32 inside do so still). Seeds are chosen: where an input of relu is nothing but
rounding, or a gradient is that AdamW scales to the size of the rate, f32 itself moves parameters by more than the bound in ten steps. Over
six seeds of "Lightning, Muon": torch in f32 from torch in f64 7e-7 to 4e-3, the trainer from torch in f64 8e-7 to 4e-3;
of "GLA, gated, Muon" the trainer 3e-6 to 3e-4 over seven (its decays begin near 1, and their gradients near 0)."""
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import types

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from torch import nn
from compare import Worst
from of_transformers import in_double
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.models.minimax.modeling_minimax import MiniMaxLightningAttention
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
BOUND = 1e-4
STEPS = 10
# name: (keys, models)
RUNS = {
    "recipe, Muon": (dict(pattern="SSFS", batch=8, warmup=5), ["plain", "lwl"]),
    "recipe, AdamW, NoPE, linear": (dict(pattern="sSF", window=9, batch=8, nope=True, optimizer="adamw", warmup=3, schedule="linear",
                                         decay_steps=4, steps=10,
                                         seed=1), ["plain", "lwl"]),
    "grouped, gated, tied, Muon": (dict(pattern="SFSF", window=7, heads=4, kv_heads=2, d_model=48, d_ff=80, mlp="swiglu", tied=True,
                                        nope=True, batch=6, length=50,
                                        warmup=0, muon_lr=0.01), ["plain", "smollm3"]),
    "head_dim, gated, AdamW, cosine": (dict(pattern="FS", window=5, heads=3, head_dim=10, d_model=40, d_ff=56, mlp="swiglu",
                                            nope_layers="01", batch=5, length=41,
                                            optimizer="adamw", warmup=2, schedule="cosine", steps=20, lr_end=0.1), ["plain", "smollm3"]),
    "half of the heads, Muon": (dict(pattern="HFH", window=6, heads=4, kv_heads=2, d_model=32, d_ff=48, batch=6, length=37, warmup=5),
                                ["plain"]),
    "Lightning, Muon": (dict(pattern="GFG", batch=8, warmup=5, seed=1), ["plain"]),
    "Mamba-2, Muon": (dict(pattern="MFM", batch=6, length=37, warmup=5, heads=3, head_dim=8, d_model=24, d_ff=48, seed=1), ["plain"]),
    "Gated DeltaNet, AdamW": (dict(pattern="DFd", batch=6, length=37, warmup=0, heads=3, head_dim=8, d_model=24, d_ff=48,
                                   optimizer="adamw"), ["plain"]),
    "GLA, gated, Muon": (dict(pattern="LSL", window=7, batch=6, length=37, warmup=5, heads=3, head_dim=8, d_model=24, d_ff=48, mlp="swiglu",
                              seed=3), ["plain"]),
    "shared Mamba-2, thin GLA, Muon": (dict(pattern="mFl", batch=6, length=37, warmup=5, heads=3, head_dim=8, d_model=24, d_ff=48,
                                            mlp="swiglu", seed=2), ["plain"]),
    "Lightning, gated, AdamW": (dict(pattern="GSF", heads=4, kv_heads=2, d_model=32, d_ff=48, mlp="swiglu", batch=6, length=37,
                                     optimizer="adamw", warmup=0), ["plain"]),
}


class RMS(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class GLA(nn.Module):
    """fla's layer, step by step: S = diag(sigmoid(gk)^(1/16)) S + k v^T, z = S^T q / d^1/2; the decay from one full matrix, or through 16
    numbers."""

    def __init__(self, c, d, thin):
        super().__init__()
        self.H, self.d = c.heads, d
        for name in ("q_proj", "k_proj", "v_proj", "g_proj"):
            setattr(self, name, nn.Linear(c.d_model, c.heads * d, bias=False))
        self.gk_proj = nn.Sequential(nn.Linear(c.d_model, 16, bias=False), nn.Linear(16, c.heads * d)) if thin else nn.Linear(
            c.d_model, c.heads * d)
        self.o_proj = nn.Linear(c.heads * d, c.d_model, bias=False)
        self.g_norm = RMS(d, c.rms_eps)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v, g = (p(x).view(B, T, self.H, self.d) for p in (self.q_proj, self.k_proj, self.v_proj, self.g_proj))
        decay = (F.logsigmoid(self.gk_proj(x)) / 16).exp().view(B, T, self.H, self.d)
        S, z = x.new_zeros(B, self.H, self.d, self.d), []
        for t in range(T):
            S = decay[:, t, :, :, None] * S + k[:, t, :, :, None] * v[:, t, :, None, :]
            z.append((S * q[:, t, :, :, None]).sum(-2) / math.sqrt(self.d))
        return self.o_proj((self.g_norm(torch.stack(z, 1)) * F.silu(g)).reshape(B, T, -1))


def mamba2(c, d, i, groups=None):
    config = transformers.Mamba2Config(hidden_size=c.d_model, num_heads=c.heads, head_dim=d, state_size=d, n_groups=groups or c.heads,
                                       conv_kernel=4,
                                       expand=c.heads * d // c.d_model, layer_norm_epsilon=c.rms_eps, chunk_size=16,
                                       time_step_limit=(0.0, float("inf")))
    return "mamba", Mamba2Mixer(config, i)


def gated_deltanet(c, d, i):
    config = transformers.Qwen3NextConfig(hidden_size=c.d_model, linear_num_key_heads=c.heads, linear_num_value_heads=c.heads,
                                          linear_key_head_dim=d, linear_value_head_dim=d, linear_conv_kernel_dim=4, rms_norm_eps=c.rms_eps)
    return "linear_attn", Qwen3NextGatedDeltaNet(config, i)


def without_convolution(c, d, i):
    """One that passes its input on is none: its last tap is 1, and it is no parameter."""
    name, module = gated_deltanet(c, d, i)
    taps = torch.zeros_like(module.conv1d.weight)
    taps[..., -1] = 1
    del module.conv1d.weight
    module.conv1d.register_buffer("weight", taps.detach(), persistent=False)
    return name, module


MIXERS = {"M": mamba2, "m": lambda c, d, i: mamba2(c, d, i, 1), "D": gated_deltanet, "d": without_convolution,
          "L": lambda c, d, i: ("self_attn", GLA(c, d, False)), "l": lambda c, d, i: ("self_attn", GLA(c, d, True))}
PLACES = {"M": "mamba", "m": "mamba", "L": "self_attn", "l": "self_attn"}


class Plain(nn.Module):
    """Llama's parameter names; loaded by name."""

    def __init__(self, c):
        super().__init__()
        self.c, L = c, len(c.pattern)
        d = c.head_dim or c.d_model // c.heads
        kv = c.kv_heads or c.heads
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c.vocab, c.d_model)
        self.model.norm = RMS(c.d_model, c.rms_eps)
        self.model.layers = nn.ModuleList()
        for i, letter in enumerate(c.pattern):
            b = nn.Module()
            b.input_layernorm, b.post_attention_layernorm = RMS(c.d_model, c.rms_eps), RMS(c.d_model, c.rms_eps)
            if letter in MIXERS:
                setattr(b, *MIXERS[letter](c, d, i))
            else:
                self.add_attention(b, letter, d, kv, linear)
            b.mlp = m = nn.Module()
            if c.mlp == "swiglu":
                m.gate_proj = linear(c.d_model, c.d_ff)
            m.up_proj, m.down_proj = linear(c.d_model, c.d_ff), linear(c.d_ff, c.d_model)
            self.model.layers.append(b)
        self.lm_head = linear(c.d_model, c.vocab)
        if c.tied:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.d, self.kv, self.L = d, kv, L

    def add_attention(self, b, letter, d, kv, linear):
        c, b.self_attn = self.c, nn.Module()
        a, g = b.self_attn, c.heads if letter == "G" else kv
        a.q_proj, a.o_proj = linear(c.d_model, c.heads * d), linear(c.heads * d, c.d_model)
        a.k_proj, a.v_proj = linear(c.d_model, g * d), linear(c.d_model, g * d)
        if letter == "G":
            a.output_gate, a.norm = linear(c.d_model, c.heads * d), RMS(c.heads * d, c.rms_eps)

    def attention(self, a, i, h):
        c, d, letter = self.c, self.d, self.c.pattern[i]
        B, T, _ = h.shape
        split = lambda x: x.view(B, T, -1, d).transpose(1, 2)
        q, k, v = split(a.q_proj(h)), split(a.k_proj(h)), split(a.v_proj(h))
        nope = c.nope_layers[i] == "1" if c.nope_layers else c.nope and letter == "F"
        if not nope:
            angle = torch.arange(T).float()[:, None] * c.rope_theta ** (-torch.arange(0, d, 2).float() / d)
            rot = lambda x: torch.cat([x[..., :d // 2] * angle.cos() - x[..., d // 2:] * angle.sin(),
                                       x[..., :d // 2] * angle.sin() + x[..., d // 2:] * angle.cos()], -1)
            q, k = rot(q), rot(k)
        k, v = (x.repeat_interleave(c.heads // self.kv, 1) for x in (k, v))
        window = {"S": c.window, "s": 4, "F": T, "H": c.window}[letter]
        window = torch.tensor([window if letter != "H" or n < c.heads // 2 else T for n in range(c.heads)])[:, None, None]
        distance = torch.arange(T)[:, None] - torch.arange(T)[None]
        w = (q @ k.transpose(-1, -2) / math.sqrt(d)).masked_fill((distance < 0) | (distance >= window), -torch.inf).softmax(-1)
        return a.o_proj((w @ v).transpose(1, 2).reshape(B, T, -1))

    def lightning(self, a, i, h):
        """The module of transformers with our weights inside: its fused projection holds q, k and v head by head."""
        c, d = self.c, self.d
        config = transformers.MiniMaxConfig(hidden_size=c.d_model, num_attention_heads=c.heads, num_key_value_heads=c.heads, head_dim=d,
                                            num_hidden_layers=self.L, hidden_act="silu", layer_types=["linear_attention"] * self.L)
        module = MiniMaxLightningAttention(config, i)
        module.norm.variance_epsilon = c.rms_eps
        fused = torch.stack([x.weight.view(c.heads, d, c.d_model) for x in (a.q_proj, a.k_proj, a.v_proj)], 1).reshape(3 * c.heads * d,
                                                                                                                       c.d_model)
        weights = {"qkv_proj.weight": fused, "out_proj.weight": a.o_proj.weight, "output_gate.weight": a.output_gate.weight,
                   "norm.weight": a.norm.weight}
        return torch.func.functional_call(module, weights, (h,), dict(position_embeddings=None, attention_mask=None))[0]

    def forward(self, x):
        h = self.model.embed_tokens(x)
        for i, b in enumerate(self.model.layers):
            letter, n = self.c.pattern[i], b.input_layernorm(h)
            if letter in MIXERS:
                h = h + getattr(b, PLACES.get(letter, "linear_attn"))(n)
            else:
                h = h + (self.lightning if letter == "G" else self.attention)(b.self_attn, i, n)
            n, m = b.post_attention_layernorm(h), b.mlp
            h = h + m.down_proj(F.silu(m.gate_proj(n)) * m.up_proj(n) if self.c.mlp == "swiglu" else F.relu(m.up_proj(n)))
        return self.lm_head(self.model.norm(h))


def plain(c, folder, weights, shared):
    m = Plain(c)
    m.load_state_dict(weights, strict=not c.tied)
    return m.double(), {k: [(k, slice(None))] for k in weights}


def smollm3(c, folder, weights, shared):
    m = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64)
    assert type(m).__name__ == "SmolLM3ForCausalLM"
    model = lambda x: m(x).logits
    model.named_parameters, model.train = m.named_parameters, m.train
    return model, {k: [(k, slice(None))] for k in weights}


def lwl(c, folder, weights, shared):
    """Its q, k and v are one matrix; here three."""
    path = os.path.join(shared, "reference", "lwl.py")
    if not os.path.exists(path):
        return None, None
    spec = importlib.util.spec_from_file_location("lwl", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    a = types.SimpleNamespace(pat=c.pattern, d=c.d_model, H=c.heads, ff=c.d_ff, nope=c.nope, base=c.rope_theta, W=c.window)
    m = module.LM(a, c.vocab)
    where, D = {"model.embed_tokens.weight": [("emb.weight", slice(None))], "lm_head.weight": [("head.weight", slice(None))],
                "model.norm.weight": [("nf.g", slice(None))]}, c.d_model
    for i in range(len(c.pattern)):
        p, q = f"model.layers.{i}.", f"bl.{i}."
        for j, n in enumerate("qkv"):
            where[f"{p}self_attn.{n}_proj.weight"] = [(q + "qkv.weight", slice(j * D, (j + 1) * D))]
        for n, o in (("self_attn.o_proj", "o.weight"), ("mlp.up_proj", "u.weight"), ("mlp.down_proj", "w.weight"),
                     ("input_layernorm", "n1.g"), ("post_attention_layernorm", "n2.g")):
            where[f"{p}{n}.weight"] = [(q + o, slice(None))]
    params = dict(m.named_parameters())
    with torch.no_grad():
        for k, w in weights.items():
            name, rows = where[k][0]
            params[name][rows] = w
    return m, where


class Muon:
    def __init__(self, c, params):
        self.c, self.params, self.m = c, params, [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, lr):
        for p, m in zip(self.params, self.m):
            m.mul_(self.c.muon_momentum).add_(p.grad)
            g = p.grad + self.c.muon_momentum * m
            parts = g.split(p.parts) if getattr(p, "parts", None) else [g]
            p.mul_(1 - lr * self.c.weight_decay).add_(torch.cat([self.orthogonal(x) for x in parts]), alpha=-lr)

    @staticmethod
    def orthogonal(x):
        tall = x.shape[0] > x.shape[1]
        x = x.t() if tall else x
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            y = x @ x.t()
            x = 3.4445 * x + (-4.7750 * y + 2.0315 * y @ y) @ x
        return x.t() if tall else x


def rate(c, step):
    r = min(1, (step + 1) / c.warmup) if c.warmup else 1
    span = c.decay_steps or c.steps - c.warmup
    left = min(1, max(0, (c.steps - step) / span))
    if c.schedule == "cosine":
        r *= c.lr_end + (1 - c.lr_end) * 0.5 * (1 + math.cos(math.pi * (1 - left)))
    if c.schedule == "linear":
        r *= c.lr_end + (1 - c.lr_end) * left
    return r


def train(c, model, batches):
    named = dict(model.named_parameters())
    for n, p in named.items():
        inner = c.heads * (c.head_dim or c.d_model // c.heads)
        keys = (p.shape[0] - 2 * inner - c.heads) // 2 if n.endswith("mamba.in_proj.weight") else 0
        p.parts = [c.d_model] * 3 if n.endswith("qkv.weight") else [inner, inner, keys, keys, c.heads] if keys else None
    hidden = [p for n, p in named.items() if p.dim() == 2 and ("layers." in n or n.startswith("bl."))] if c.optimizer == "muon" else []
    ids = {id(p) for p in hidden}
    rest = [p for p in named.values() if id(p) not in ids]
    adam = torch.optim.AdamW([dict(params=[p for p in rest if p.dim() == 2], weight_decay=c.weight_decay),
                              dict(params=[p for p in rest if p.dim() != 2], weight_decay=0)],
                             lr=c.lr, betas=(c.beta1, c.beta2), eps=c.adam_eps)
    muon, losses = Muon(c, hidden), []
    for step, x in enumerate(batches):
        r = rate(c, step)
        for g in adam.param_groups:
            g["lr"] = c.lr * r
        loss = F.cross_entropy(model(x)[:, :-1].reshape(-1, c.vocab), x[:, 1:].reshape(-1))
        for p in named.values():
            p.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(named.values(), c.clip)
        adam.step()
        muon.step(c.muon_lr * r)
        losses.append(loss.item())
    return np.array(losses)


def run(peer, shared, name, keys, models, folder):
    path = os.path.join(folder, "config.json")
    os.makedirs(folder)
    json.dump(keys, open(path, "w"))
    subprocess.run([peer, path, folder, str(STEPS)], check=True)
    first, last = (os.path.join(folder, f"step{i:06}") for i in (0, STEPS))
    c = types.SimpleNamespace(**json.load(open(os.path.join(first, "trainer.json")))["config"])
    batches = torch.from_numpy(np.fromfile(os.path.join(folder, "tokens.i32"), np.int32).astype(np.int64)).view(STEPS, c.batch, c.length)
    ours, losses = load_file(os.path.join(last, "model.safetensors")), np.fromfile(os.path.join(folder, "losses.f64"))
    failed = 0
    for make in models:
        model, where = globals()[make](c, first, load_file(os.path.join(first, "model.safetensors")), shared)
        if model is None:
            print(f"{name}: {make} is not here")
            continue
        with in_double():
            theirs = train(c, model, batches)
        named = dict(model.named_parameters())
        apart = {k: float((w - named[where[k][0][0]][where[k][0][1]].detach()).norm() / w.norm()) for k, w in ours.items()}
        worst, gap = Worst(), Worst()
        worst.add(list(apart.values()), [0] * len(apart))
        gap.add(losses, theirs)
        bad = not (worst.within(BOUND, len(named)) and gap.within(1e-5, STEPS))
        failed += bad
        print(f"{name}, {make}: largest difference {worst.most:.2g} ({max(apart, key=apart.get)}), "
              f"losses within {gap.most:.1g}, {losses[0]:.4f} -> {losses[-1]:.4f}{'  FAILED' if bad else ''}")
    if "smollm3" in models:
        logits = torch.from_numpy(np.fromfile(os.path.join(folder, "logits.f32"), np.float32)).view(c.batch, c.length, c.vocab)
        model = transformers.AutoModelForCausalLM.from_pretrained(last, attn_implementation="eager", dtype=torch.float32)
        with torch.no_grad():
            gap = Worst()
            gap.add(model(batches[0]).logits, logits)
        bad = not gap.within(1e-4)
        failed += bad
        print(f"{name}: transformers loads the checkpoint, logits within {gap.most:.2g}{'  FAILED' if bad else ''}")
    return failed


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        failed = sum(run(sys.argv[1], sys.argv[2], name, keys, models, os.path.join(work, str(i))) for i,
                     (name, (keys, models)) in enumerate(RUNS.items()))
    sys.exit(failed > 0)
