#!/usr/bin/env python3
"""ns_backward (Python: m.grad) against torch.autograd: gradients by activations of models of several families.

    grad.py FIXTURES

Seeds at the logits of two rows, at a residual stream inside, and at two rows of attention and of its scores in every layer; read at the
embedding, the stream, the norms' x_hat, q, k, v, z, the MLP, and all rows of attention and its scores (what goes into the softmax), by the
keys that are not masked: within 1e-5 of the largest of each point. The same bits with three threads, with scalar kernels, and with weights
that stream."""
import contextlib
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from compare import Worst, same

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "notebooks_export"), os.path.join(HERE, "..", "peers")]
import needlescope as ns
from of_transformers import in_double, load

BOUND = 1e-5
T = 41
ROWS = [5, 30]                      # of attention, that are seeded
NAMES = ["llama", "qwen3", "gemma2", "gemma3", "olmo2", "smollm3", "mistral", "phi3", "mixtral", "gpt_oss", "qwen3_next-full"]


def watch(model, kept):
    """Keeps what modules give, by the names of our points."""
    def keep(name, of=lambda x: x, before=False):
        def see(module, i, o=None):
            x = i if before else o
            x = x[0] if isinstance(x, tuple) else x
            if x.requires_grad:
                x.retain_grad()
                kept[name] = (x, of)
        return see
    gain = lambda norm: (1 + norm.weight) if "Gemma" in type(norm).__name__ or "Next" in type(norm).__name__ else norm.weight
    gated = "Next" in type(model).__name__              # q comes with the gate of the output there, z is gated before W_O
    def keep_rows(at, scores):
        """Attention as it is multiplied, and what its softmax was of; the last of `scores` is this layer's."""
        def see(module, i, o):
            P, S = o[1], scores[-1]
            P.retain_grad(), S.retain_grad()
            seen = lambda g: torch.where(P > 0, g[..., :P.shape[-1]], 0)         # behind the keys: a sink
            kept[at + "attn.hook_pattern"], kept[at + "attn.hook_attn_scores"] = (P, seen), (S, seen)
        return see
    scores = []
    for i, layer in enumerate(model.model.layers):
        at = f"blocks.{i}."
        if hasattr(layer, "self_attn"):
            layer.self_attn.register_forward_hook(keep_rows(at, scores))
        layer.register_forward_hook(keep(at + "hook_resid_post"))
        if not gated:
            layer.self_attn.o_proj.register_forward_pre_hook(keep(at + "attn.hook_z", before=True))
        if hasattr(layer.self_attn, "v_proj"):
            for x in "kv" if gated else "qkv":
                getattr(layer.self_attn, x + "_proj").register_forward_hook(keep(f"{at}attn.hook_{x}"))
        if hasattr(getattr(layer, "mlp", None), "down_proj"):
            layer.mlp.down_proj.register_forward_pre_hook(keep(at + "mlp.hook_post", before=True))
        if hasattr(layer, "input_layernorm") and type(model).__name__ != "Olmo2ForCausalLM":
            norm = layer.input_layernorm                        # x_hat gain = its output: the derivative by x_hat has the gain in it
            norm.register_forward_hook(keep(at + "ln1.hook_normalized", lambda g, n=norm: g * gain(n)))
    final = model.model.norm
    final.register_forward_hook(keep("ln_final.hook_normalized", lambda g: g * gain(final)))
    return scores


@contextlib.contextmanager
def softmax_of_rows(scores):
    """What softmaxes of [batch, head, row, key] are of joins the list."""
    inner = F.softmax
    def outer(x, *more, **how):
        if x.ndim == 4:
            scores.append(x)
        return inner(x, *more, **how)
    F.softmax = outer
    try:
        yield
    finally:
        F.softmax = inner


def gradients(model, ids, weights, inside, rows, layer):
    """Of the sum of weights * logits of two rows, of `inside` * what a layer gives at row 9, and of `rows` * two rows of attention and its
    scores in every layer."""
    kept = {}
    with in_double(), softmax_of_rows(watch(model, kept)):
        embeds = model.get_input_embeddings()(torch.from_numpy(ids)[None]).detach().requires_grad_()
        logits = model(inputs_embeds=embeds, use_cache=False).logits[0]
        at = kept[f"blocks.{layer}.hook_resid_post"][0]
        J = (logits[[12, T - 1]] * torch.from_numpy(weights)).sum() + (at[0, 9] * torch.from_numpy(inside)).sum()
        for point, values in rows.items():
            x, seen = kept[point]
            J = J + (seen(x)[0][:, ROWS] * torch.from_numpy(values)).sum()
        J.backward()
    out = {k: of(x.grad)[0].detach().numpy() for k, (x, of) in kept.items()}
    out["hook_embed"] = embeds.grad[0].numpy()
    return out


def check(folder, name):
    rng = np.random.default_rng(7)
    model = load(folder)
    with ns.load(folder) as m:
        ids = rng.integers(1, m.vocab, T)
        weights, inside, layer = rng.standard_normal((2, m.vocab)), rng.standard_normal(m.d_model), m.n_layers // 2
        heads = model.config.num_attention_heads
        kinds = ("pattern",) if name == "gpt_oss" else ("pattern", "attn_scores")       # whose softmax is of scores less their largest
        of_keys = [p for p in m.points("blocks.*.attn.hook_*") if p.endswith(kinds)]
        rows = {p: rng.standard_normal((heads, len(ROWS), T)) for p in of_keys}
        want = gradients(model, ids, weights, inside, rows, layer)
        seed = {"hook_logits": ([12, T - 1], weights), f"blocks.{layer}.hook_resid_post": (9, inside)}
        seed.update((p, (ROWS, v)) for p, v in rows.items())
        got = m.grad(ids, seed, list(want))
        embeds_scaled = name == "gemma2"                         # whose inputs_embeds are scaled inside the model
        worst = Worst()
        for k, w in want.items():
            if k == "hook_embed" and embeds_scaled:
                w = w / np.sqrt(m.d_model)
            worst.add(got[k].reshape(T, -1), w.reshape(T, -1), f"{name}: {k}", scale=abs(w).max())
    for how in (dict(threads=3), dict(cpu="scalar"), dict(memory=1 << 20)):
        with ns.load(folder, **how) as m:
            again = m.grad(ids, seed, list(want))
            for k in want:
                same(again[k], got[k], f"{name}: {k} with {how}")
    print(f"{name}: {len(want)} points, {worst}")
    return worst.most


def refusals(folder):
    with ns.load(folder) as m:
        for seed, at in (({"hook_logits": (99, 1)}, "hook_embed"), ({"blocks.0.attn.hook_pattern": (1, [1.0])}, "hook_embed"),
                         ({"hook_logits": (1, 1)}, "blocks.*.attn.hook_result"), ({"hook_embed": (1, [1.0, 2.0])}, "hook_embed"),
                         ({"nothing": (1, 1)}, "hook_embed"), ({}, "hook_embed"), ({"hook_logits": (1, m.vocab)}, "hook_embed"),
                         ({"hook_logits": (1, np.full(m.vocab, np.nan))}, "hook_embed"),
                         ({"hook_embed": ([0, 1], np.ones((m.d_model, 2)))}, "hook_embed"),
                         ({"hook_embed": (0, np.ones(m.d_model) * 1j)}, "hook_embed")):
            try:
                m.grad([1, 2, 3], seed, at)
            except (ns.Error, ValueError, IndexError, TypeError) as e:
                print(f"refused: {str(e)[:100]}")
            else:
                raise SystemExit(f"{seed} at {at} was not refused")


if __name__ == "__main__":
    fixtures = sys.argv[1]
    bad = [n for n in NAMES if not check(os.path.join(fixtures, n), n) <= BOUND]
    refusals(os.path.join(fixtures, "llama"))
    if bad:
        sys.exit(f"wrong: {', '.join(bad)}")
