#!/usr/bin/env python3
"""Tiny random checkpoints of flash-linear-attention's models and what its own kernels compute from them, as make_fixtures.py has them.

    make_fla.py FOLDER [--seed N] [--only NAME,...] [--live]

Rows of recurrences are computed in float64 from the parameters (rows() of recurrent.py) and held to what the kernels give."""
import os

import torch
from torch.nn.functional import logsigmoid, pad, silu, softplus
from safetensors.torch import save_file

from interpreted import attention, fla
import fla.layers.hgrn2
import transformers
from fla.layers.simple_gla import SimpleGatedLinearAttention

import published
import tiny
from recurrent import mamba2, rows
from tiny import ROWS, T, TINY, randomise, store

BASE = dict(TINY, hidden_size=36)
ATTN = dict(attn=dict(layers=[1, 3], num_heads=6, num_kv_heads=2, window_size=7, rope_theta=5000.0))
PLAIN = dict(attn=[dict(layers=[2], num_heads=6, qkv_bias=True)])
FIXTURES = {
    "gated_deltanet": ("GatedDeltaNetConfig", dict(BASE, head_dim=12, num_heads=2, num_v_heads=6, expand_v=0.75, **ATTN)),
    "delta_net": ("DeltaNetConfig", dict(BASE, num_heads=6, expand_k=1.0, expand_v=1.5, use_gate=True, **ATTN)),
    "kda": ("KDAConfig", dict(BASE, head_dim=10, num_heads=6, **ATTN)),
    "gla": ("GLAConfig", dict(BASE, num_heads=6, expand_k=0.5, expand_v=1.5, **ATTN)),
    "hgrn2": ("HGRN2Config", dict(BASE, expand_ratio=10, use_lower_bound=False, attn=dict(ATTN["attn"], num_heads=3, num_kv_heads=1))),
    "hgrn2-bounds": ("HGRN2Config", dict(BASE, expand_ratio=12, attn=dict(layers=[1], num_heads=3, num_kv_heads=1, window_size=9)), 0.3),
    "retnet": ("RetNetConfig", dict(BASE, num_heads=6, expand_k=1.0, **ATTN), 0.1),
}
LIVE = {
    "gated_deltanet-negative": ("GatedDeltaNetConfig", dict(BASE, head_dim=12, num_heads=6, expand_v=1.5, allow_neg_eigval=True,
                                output_gate_activation="sigmoid", conv_size=3, tie_word_embeddings=True, **PLAIN)),
    "gated_deltanet-plain": ("GatedDeltaNetConfig", dict(BASE, head_dim=8, num_heads=3, num_v_heads=6, expand_v=1.0, use_gate=False,
                             use_short_conv=False, **PLAIN)),
    "delta_net-plain": ("DeltaNetConfig", dict(BASE, num_heads=6, expand_k=0.5, use_beta=False, use_short_conv=False, **PLAIN)),
    "delta_net-negative": ("DeltaNetConfig", dict(BASE, num_heads=6, allow_neg_eigval=True, **PLAIN)),
    "kda-negative": ("KDAConfig", dict(BASE, head_dim=8, num_heads=2, num_v_heads=6, expand_v=1.5, allow_neg_eigval=True,
                     use_short_conv=False, **PLAIN)),
    "gla-plain": ("GLAConfig", dict(BASE, num_heads=6, expand_k=1.0, use_output_gate=False, use_short_conv=True, clamp_min=-0.05, **PLAIN)),
    "gla-whole": ("GLAConfig", dict(BASE, num_heads=6, fuse_norm=False, intermediate_size=None), 0.1),
    "retnet-shared": ("RetNetConfig", dict(BASE, num_heads=6, num_kv_heads=3, expand_k=0.66666666666666, use_short_conv=True,
                      use_output_gate=False, **PLAIN), 0.1),
    "simple_gla": ("SimpleGLAConfig", dict(BASE, num_heads=6, num_kv_heads=2, expand_k=0.5, expand_v=1.5, use_short_conv=True,
                                      **ATTN)),
    # The eps: a first row of nearly 0 before its norm would leave few digits to gradients in f32.
    "simple_gla-plain": ("SimpleGLAConfig", dict(BASE, num_heads=6, expand_k=1.0, use_short_conv=False, fuse_norm=False, norm_eps=0.01,
                                                 **PLAIN), 0.1),
    # Of several groups its own path on CPUs takes B and C in another order.
    "mamba2-fla": ("Mamba2Config", dict(BASE, hidden_size=30, head_dim=10, state_size=12, dt_limit=(0.2, 1.5), chunk_size=16)),
}


class SimpleGLAConfig(fla.models.GLAConfig):
    model_type = "simple_gla"

    def __init__(self, **keys):
        super().__init__(**keys)


class SimpleGLAForCausalLM(fla.models.GLAForCausalLM):
    """The layer that no model has, in gla's block."""
    config_class = SimpleGLAConfig

    def __init__(self, c):
        super().__init__(c)
        for i, layer in enumerate(self.model.layers):
            if type(layer.attn).__name__ == "GatedLinearAttention":
                layer.attn = SimpleGatedLinearAttention(
                    hidden_size=c.hidden_size, expand_k=c.expand_k, expand_v=c.expand_v, num_heads=c.num_heads,
                    num_kv_heads=c.num_kv_heads, use_short_conv=c.use_short_conv, conv_size=c.conv_size, gate_fn=c.hidden_act,
                    norm_eps=c.norm_eps, fuse_norm=c.fuse_norm, layer_idx=i)


fla.models.SimpleGLAConfig = SimpleGLAConfig
transformers.AutoConfig.register("simple_gla", SimpleGLAConfig)
transformers.AutoModelForCausalLM.register(SimpleGLAConfig, SimpleGLAForCausalLM)


class NormLinear:
    """rms_norm_linear, and what it was last given: HGRN2's norm is no call of its module."""
    given, plain = None, staticmethod(fla.layers.hgrn2.rms_norm_linear)

    def __call__(self, x, *more, **named):
        self.given = x.clone()
        return self.plain(x, *more, **named)


norm_linear = fla.layers.hgrn2.rms_norm_linear = NormLinear()


def columns(m, hidden, name, act):
    """q, k or v of a module in float64, [T, channels]."""
    x = getattr(m, name + "_proj")(hidden)[0].double()
    if not m.use_short_conv:
        return silu(x) if act else x
    taps = getattr(m, name + "_conv1d").weight.double()
    return silu(torch.nn.functional.conv1d(pad(x.T[None], (taps.shape[-1] - 1, 0)), taps, groups=x.shape[1])[0].T)


def unit(x):
    return x / torch.sqrt((x * x).sum(-1, keepdim=True) + 1e-6)


def of_a_layer(m, hidden, bound):
    """W [H, T, T], v [T, H, d] and what is added to W v, in float64."""
    kind, key = type(m).__name__, getattr(m, "head_k_dim", None)
    if kind == "Mamba2":
        m.time_step_limit = m.dt_limit
        return mamba2(m, hidden)
    if kind == "HGRN2Attention":
        q, f, v = (getattr(m, x + "_proj")(hidden)[0].double().reshape(T, m.num_heads, -1) for x in "qfi")
        one, keep = torch.ones(T, m.num_heads, dtype=torch.float64), f.sigmoid()
        if bound is not None and m.layer_idx > 0:
            bound = bound.double().reshape(m.num_heads, -1)
            keep = bound + (1 - bound) * keep
        return rows(silu(q) * m.head_f_dim ** -0.5, 1 - keep, one, keep, False), v, 0
    delta = kind in ("DeltaNet", "GatedDeltaNet", "KimiDeltaAttention")
    q, k, v = (columns(m, hidden, x, delta) for x in "qkv")
    q, k, v = q.reshape(T, -1, key), k.reshape(T, -1, key), v.reshape(T, -1, m.head_v_dim)
    H = max(q.shape[1], v.shape[1])
    if delta:
        q, k = unit(q), unit(k)
    if kind == "MultiScaleRetention":
        q, k = (x[0].double() for x in m.rotary(q[None].float(), k[None].float(), seqlen_offset=0, max_seqlen=T))
    q, k, v = (x.repeat_interleave(H // x.shape[1], 1) for x in (q, k, v))
    beta, log = torch.ones(T, H, dtype=torch.float64), torch.zeros(T, H, key, dtype=torch.float64)
    if delta and getattr(m, "use_beta", True):
        beta = m.b_proj(hidden)[0].double().sigmoid() * (2 if m.allow_neg_eigval else 1)
    if kind == "GatedDeltaNet":
        log = (-m.A_log.double().exp() * softplus(m.a_proj(hidden)[0].double() + m.dt_bias.double()))[..., None].expand(T, H, key)
    elif kind == "KimiDeltaAttention":
        log = -m.A_log.double().exp()[:, None] * softplus(m.f_proj(hidden)[0].double() + m.dt_bias.double()).reshape(T, H, key)
    elif kind == "GatedLinearAttention":
        log = logsigmoid(m.gk_proj(hidden)[0].double()).reshape(T, H, key) / 16
        log = log.clamp(min=m.clamp_min) if m.clamp_min is not None else log
    elif kind == "SimpleGatedLinearAttention":
        log = (logsigmoid(m.gk_proj(hidden)[0].double()) / 16)[..., None].expand(T, H, key)
    elif kind == "MultiScaleRetention":
        log = torch.log(1 - 2.0 ** (-5 - torch.arange(H, dtype=torch.float64)))[None, :, None].expand(T, H, key)
    return rows(q * key ** -0.5, k, beta, log.exp(), delta), v, 0


class Recorder:
    """Of a pass: inputs of layers; of recurrent ones their module, its input, the lower bounds of its gates and the output of its
    kernel; rows of the others."""

    def __init__(self, model):
        self.layers, self.modules, self.outputs, self.rows = [], {}, {}, {}
        for index, layer in enumerate(model.base_model.layers):
            mixer = layer.attn if hasattr(layer, "attn") else layer.mixer
            layer.register_forward_pre_hook(lambda _, args, kw: self.layers.append(args[0] if args else kw["hidden_states"]),
                                            with_kwargs=True)
            norm = next((getattr(mixer, n) for n in ("o_norm", "g_norm_swish_gate", "g_norm", "norm") if hasattr(mixer, n)), None)
            if norm is None:
                mixer.register_forward_hook(lambda *_, index=index: self.rows.update({index: attention.weights[0]}))
                continue
            mixer.register_forward_pre_hook(lambda m, _, kw, index=index: self.modules.update(
                {index: (m, kw["hidden_states"], kw.get("lower_bound"))}), with_kwargs=True)
            if type(mixer).__name__ == "HGRN2Attention":
                mixer.register_forward_hook(lambda *_, index=index: self.outputs.update({index: norm_linear.given}))
            norm.register_forward_pre_hook(lambda _, args, index=index: self.outputs.update({index: args[0].clone()}))


@torch.no_grad()
def expect(folder, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().float()
    seen = Recorder(model)
    out = model(ids[None], use_cache=False)
    attn, recurrence = [], {}
    for index in range(len(model.base_model.layers)):
        if index in seen.rows:
            attn.append(seen.rows[index])
            continue
        weights, v, skip = of_a_layer(*seen.modules[index])
        theirs = seen.outputs[index].reshape(T, -1)
        ours = (torch.einsum("hts,shd->thd", weights, v) + skip).reshape(T, -1)
        assert ((ours - theirs).abs() / (1 + theirs.abs())).max() < 1e-5, (folder, index, (ours - theirs).abs().max())
        attn.append(weights.float())
        recurrence[index] = theirs[ROWS]
    return {"ids": ids, "rows": torch.tensor(ROWS), "logits": out.logits[0].contiguous(),
            "attn": torch.stack([a[:, ROWS] for a in attn]).contiguous(),
            "hidden": torch.stack([h[0][ROWS] for h in seen.layers]).contiguous(),
            "recurrent": torch.tensor(list(recurrence)), "recurrence": torch.stack(list(recurrence.values())).contiguous()}


def checkpoint(folder, name, seed):
    """The folder it is in, its config, the generator of what is random in it."""
    kind, keys, *sd = (FIXTURES | LIVE)[name]
    config, generator = getattr(fla.models, kind)(**keys), tiny.begin(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    randomise(model, generator, sd[0] if sd else 0.15)
    where = os.path.join(folder, name)
    store(model, where, torch.bfloat16, "1GB")
    return where, config, generator


def make(folder, name, seed):
    if name in published.FIXTURES | published.LIVE:
        return published.make(folder, name, seed)
    where, config, generator = checkpoint(folder, name, seed)
    ids = torch.randint(0, config.vocab_size, (T,), generator=generator)
    save_file(expect(where, ids), os.path.join(where, "expected.safetensors"))


if __name__ == "__main__":
    tiny.main(__doc__, make, FIXTURES | published.FIXTURES, LIVE | published.LIVE)
