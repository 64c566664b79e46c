"""HypeNet and MiniCPM-SALA, which no package has: put together as their published code does it (thunlp/hybrid-linear-attention,
halo/modeling; openbmb/MiniCPM-SALA, modeling_minicpm_sala.py), of transformers' Qwen3 modules and flash-linear-attention's kernel of simple
GLA. Attention to all keys, in f32. HypeNet's Gated DeltaNet is gdn.py there, whose heads share keys and values."""
import json
import math
import os
import types

import torch
from torch import nn
from torch.nn.functional import silu, softplus
from safetensors.torch import save_file
from fla.ops.gated_delta_rule import chunk_gated_delta_rule, fused_recurrent_gated_delta_rule
from fla.ops.simple_gla.fused_recurrent import fused_recurrent_simple_gla
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP, Qwen3RMSNorm, apply_rotary_pos_emb

import tiny
from recurrent import rows
from tiny import ROWS, T, TINY, randomise

BASE = dict({k: v for k, v in TINY.items() if not k.endswith("_token_id")}, hidden_size=36, num_attention_heads=6, num_key_value_heads=2,
            head_dim=10, rms_norm_eps=1e-6, hidden_act="silu", rope_theta=10000.0, tie_word_embeddings=False)
HYPENET = dict(BASE, model_type="hypenet", mixer_types=["attn", "lightning-attn", "lightning_attn", "attn"], lightning_nkv=3,
               lightning_use_qk_norm=True, lightning_use_output_gate=True, lightning_use_output_norm=True, attn_use_rope=False,
               attn_use_output_gate=True, attn_logits_scaling="log 7")
SALA = dict(BASE, model_type="minicpm_sala", mixer_types=["minicpm4", "lightning-attn", "lightning-attn", "minicpm4"], lightning_nh=6,
            lightning_nkv=6, lightning_head_dim=10, sparse_config=dict(dense_len=8192), mup_denominator=32)
FIXTURES = {"hypenet": HYPENET, "minicpm_sala": SALA}
LIVE = {
    "hypenet-plain": dict(BASE, model_type="hypenet", mixer_types=["lightning-attn"] * 3 + ["attn"], attention_bias=True,
                          lightning_scale="1/d", attn_logits_scaling=0.8),
    "hypenet-still": dict(HYPENET, lightning_use_rope=False, lightning_nh=8, lightning_nkv=8, lightning_head_dim=7, attn_use_rope=True,
                          mixer_types=["attn", "lightning-attn", "attn", "attn"], num_attention_heads=8, num_key_value_heads=4),
    "hypenet-gdn": dict(BASE, model_type="hypenet", mixer_types=["gdn", "attn", "gdn", "gdn"], gdn_nkv=3, gdn_use_gate=True,
                        gdn_use_rope=True, attn_use_rope=False),
    "hypenet-gdn-plain": dict(BASE, model_type="hypenet", mixer_types=["gdn"] * 4, gdn_nh=4, gdn_activation="silu"),
    "minicpm_sala-plain": dict(SALA, use_output_gate=False, qk_norm=False, use_output_norm=False, attn_use_output_gate=False,
                               attn_use_rope=True, scale_emb=3.0, scale_depth=0.7, dim_model_base=9),
}


def slopes(n):
    """ALiBi's, with its way round numbers that are no power of 2."""
    if math.log2(n).is_integer():
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start ** i for i in range(n)]
    below = 2 ** math.floor(math.log2(n))
    return slopes(below) + slopes(2 * below)[0::2][:n - below]


class Mixer(nn.Module):
    def __init__(self, c, lightning):
        super().__init__()
        hypenet = c["model_type"] == "hypenet"
        get = lambda key, of_hypenet, of_sala: c.get(key, of_hypenet if hypenet else of_sala)
        name = lambda of_hypenet, of_sala: of_hypenet if hypenet else of_sala
        bias, D, eps = c.get("attention_bias", False), c["hidden_size"], c["rms_norm_eps"]
        self.c, self.recurrent = c, lightning
        self.H = c.get("lightning_nh", c["num_attention_heads"]) if lightning else c["num_attention_heads"]
        self.G = c.get("lightning_nkv", c["num_key_value_heads"]) if lightning else c["num_key_value_heads"]
        self.d = c.get("lightning_head_dim", c["head_dim"]) if lightning else c["head_dim"]
        self.rope = c.get("lightning_use_rope", True) if lightning else get("attn_use_rope", True, False)
        self.q_proj, self.o_proj = nn.Linear(D, self.H * self.d, bias), nn.Linear(self.H * self.d, D, bias)
        self.k_proj, self.v_proj = nn.Linear(D, self.G * self.d, bias), nn.Linear(D, self.G * self.d, bias)
        self.normed = get(name("lightning_use_qk_norm", "qk_norm"), False, True) if lightning else hypenet
        if self.normed:
            self.q_norm, self.k_norm = Qwen3RMSNorm(self.d, eps), Qwen3RMSNorm(self.d, eps)
        self.gated = get(name("lightning_use_output_gate", "use_output_gate"), False, True) if lightning else \
            get("attn_use_output_gate", False, True)
        if self.gated:
            setattr(self, "z_proj" if lightning else "o_gate", nn.Linear(D, self.H * self.d, bias if lightning else False))
        if lightning and get(name("lightning_use_output_norm", "use_output_norm"), False, True):
            self.o_norm = Qwen3RMSNorm(self.H * self.d, eps)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q, k, v = (p(x).reshape(B, T, -1, self.d) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.normed:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.rope:
            q, k = apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
        k, v = (y.repeat_interleave(self.H // self.G, 2) for y in (k, v))
        o = (self.recurrence if self.recurrent else self.softmax)(q, k, v).reshape(B, T, -1)
        self.output = o.clone()
        o = self.o_norm(o) if hasattr(self, "o_norm") else o
        return self.o_proj(o * (self.z_proj if self.recurrent else self.o_gate)(x).sigmoid() if self.gated else o)

    def softmax(self, q, k, v):
        growth, T = self.c.get("attn_logits_scaling"), q.shape[1]
        if isinstance(growth, str):
            base = float(growth.split()[1])
            q = q * (torch.log(torch.arange(T) + base) / math.log(base))[None, :, None, None]
        elif growth is not None:
            q = q * growth
        scores = torch.einsum("bthd,bshd->bhts", q, k) * self.d ** -0.5
        self.rows = scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf).softmax(-1)
        return torch.einsum("bhts,bshd->bthd", self.rows, v)

    def recurrence(self, q, k, v):
        scale = {"1/sqrt(d)": self.d ** -0.5, "1/d": 1 / self.d}[self.c.get("lightning_scale", "1/sqrt(d)")]
        decay, T = torch.tensor(slopes(self.H)), q.shape[1]
        o, _ = fused_recurrent_simple_gla(q=q, k=k, v=v, g_gamma=-decay, scale=scale, output_final_state=True)
        distance = torch.arange(T)[:, None] - torch.arange(T)[None]
        weights = torch.einsum("bthd,bshd->bhts", q.double(), k.double()) * scale * \
            torch.where(distance >= 0, torch.exp(-decay.double()[:, None, None] * distance), 0.0)
        ours = torch.einsum("bhts,bshd->bthd", weights, v.double())
        assert ((ours - o).abs() / (1 + ours.abs())).max() < 1e-5
        self.rows = weights.float()
        return o


def unit(x):
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)


class Delta(nn.Module):
    recurrent = True

    def __init__(self, c):
        super().__init__()
        self.c, self.H, self.G, self.d = c, *(c.get(key, c[of]) for key, of in (
            ("gdn_nh", "num_attention_heads"), ("gdn_nkv", "num_key_value_heads"), ("", "head_dim")))
        linear = lambda n: nn.Linear(c["hidden_size"], n, False)
        self.q_proj, self.k_proj, self.v_proj = (linear(heads * self.d) for heads in (self.H, self.G, self.G))
        self.a_proj, self.b_proj, self.o_proj = linear(self.H), linear(self.H), nn.Linear(self.H * self.d, c["hidden_size"], False)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(self.H)), nn.Parameter(torch.zeros(self.H))
        self.o_norm = Qwen3RMSNorm(self.d, 1e-5)
        if c.get("gdn_use_gate"):
            self.g_proj = linear(self.H * self.d)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        act = silu if self.c.get("gdn_activation") else lambda x: x
        q, k, v = (act(p(x)).reshape(B, T, -1, self.d) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.c.get("gdn_use_rope"):
            q, k = apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
        k, v = (y.repeat_interleave(self.H // self.G, 2) for y in (k, v))
        q, k = unit(q), unit(k)
        beta, g = self.b_proj(x).sigmoid() * 2, -self.A_log.exp() * softplus(self.a_proj(x) + self.dt_bias)
        kernel = fused_recurrent_gated_delta_rule if T <= 64 else chunk_gated_delta_rule
        o, _ = kernel(q=q, k=k, v=v, g=g, beta=beta, output_final_state=True)
        self.look(q[0], k[0], v[0], g[0], beta[0], o)
        o = self.o_norm(o)
        o = o * silu(self.g_proj(x)).reshape(o.shape) if hasattr(self, "g_proj") else o
        return self.o_proj(o.reshape(B, T, -1))

    @torch.no_grad()
    def look(self, q, k, v, g, beta, o):
        q, k, v, g, beta = (y.double() for y in (q, k, v, g, beta))
        weights = rows(q * self.d ** -0.5, k, beta, g.exp()[..., None].expand(q.shape), True)
        ours = torch.einsum("hts,shd->thd", weights, v)
        assert ((ours - o[0]).abs() / (1 + ours.abs())).max() < 1e-5
        self.rows, self.output = weights[None].float(), o.reshape(*o.shape[:2], -1).clone()


class Layer(nn.Module):
    def __init__(self, c, kind):
        super().__init__()
        self.self_attn = Delta(c) if kind == "gdn" else Mixer(c, "lightning" in kind)
        self.input_layernorm, self.post_attention_layernorm = (Qwen3RMSNorm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))
        self.mlp = Qwen3MLP(types.SimpleNamespace(**c))

    def forward(self, x, cos, sin, scale):
        x = x + scale * self.self_attn(self.input_layernorm(x), cos, sin)
        return x + scale * self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.model = c, nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c, kind) for kind in c["mixer_types"])
        self.model.norm = Qwen3RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], False)

    def forward(self, ids):
        c, sala = self.c, self.c["model_type"] == "minicpm_sala"
        angles = torch.arange(ids.shape[1])[:, None] * (1 / c["rope_theta"] ** (torch.arange(0, c["head_dim"], 2) / c["head_dim"]))
        cos, sin = (torch.cat([f(angles)] * 2, -1)[None] for f in (torch.cos, torch.sin))
        x, self.hidden = self.model.embed_tokens(ids) * (c.get("scale_emb", 12) if sala else 1), []
        scale = c.get("scale_depth", 1.4) / math.sqrt(len(self.model.layers)) if sala else 1
        for layer in self.model.layers:
            self.hidden.append(x)
            x = layer(x, cos, sin, scale)
        x = self.model.norm(x)
        return self.lm_head(x / (c["hidden_size"] / c.get("dim_model_base", 256)) if sala else x)


@torch.no_grad()
def checkpoint(folder, name, seed):
    """The folder it is in, the model, the generator of what is random in it."""
    c, where, generator = (FIXTURES | LIVE)[name], os.path.join(folder, name), tiny.begin(seed)
    model = Model(c)
    randomise(model, generator, 0.06)
    if c["model_type"] == "hypenet":                    # a stream of 0.1 would be mostly rounding behind norms
        model.model.embed_tokens.weight *= 10
    model.bfloat16().float()
    os.makedirs(where, exist_ok=True)
    save_file({k: v.bfloat16() for k, v in model.state_dict().items()}, os.path.join(where, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(where, "config.json"), "w") as f:
        json.dump(c, f, indent=1)
    return where, model, generator


@torch.no_grad()
def make(folder, name, seed):
    where, model, generator = checkpoint(folder, name, seed)
    ids = torch.randint(0, model.c["vocab_size"], (T,), generator=generator)
    logits, mixers = model(ids[None])[0], [layer.self_attn for layer in model.model.layers]
    recurrent = [i for i, m in enumerate(mixers) if m.recurrent]
    save_file({"ids": ids, "rows": torch.tensor(ROWS), "logits": logits.contiguous(),
               "attn": torch.stack([m.rows[0, :, ROWS] for m in mixers]).contiguous(),
               "hidden": torch.stack([h[0, ROWS] for h in model.hidden]).contiguous(), "recurrent": torch.tensor(recurrent),
               "recurrence": torch.stack([mixers[i].output[0, ROWS] for i in recurrent]).contiguous()},
              os.path.join(where, "expected.safetensors"))
