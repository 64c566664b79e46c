"""HypeNet and MiniCPM-SALA, which no package has: put together as their published code does it (thunlp/hybrid-linear-attention,
halo/modeling; openbmb/MiniCPM-SALA, modeling_minicpm_sala.py), of transformers' Qwen3 modules and flash-linear-attention's kernel of simple
GLA. Attention to all keys, in f32."""
import json
import math
import os
import types

import torch
from torch import nn
from safetensors.torch import save_file
from fla.ops.simple_gla.fused_recurrent import fused_recurrent_simple_gla
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP, Qwen3RMSNorm, apply_rotary_pos_emb

from make_fixtures import ROWS, T, randomise

BASE = dict(hidden_size=36, intermediate_size=40, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, head_dim=10,
            vocab_size=64, max_position_embeddings=96, rms_norm_eps=1e-6, hidden_act="silu", rope_theta=10000.0, tie_word_embeddings=False)
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
        self.c, self.lightning = c, lightning
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
        q, k, v = (p(x).reshape(1, T, -1, self.d) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.normed:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.rope:
            q, k = apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)
        k, v = (y.repeat_interleave(self.H // self.G, 2) for y in (k, v))
        o = (self.recurrence if self.lightning else self.softmax)(q, k, v).reshape(T, -1)
        self.output = o.clone()
        o = self.o_norm(o) if hasattr(self, "o_norm") else o
        return self.o_proj(o * (self.z_proj if self.lightning else self.o_gate)(x).sigmoid() if self.gated else o)

    def softmax(self, q, k, v):
        growth = self.c.get("attn_logits_scaling")
        if isinstance(growth, str):
            base = float(growth.split()[1])
            q = q * (torch.log(torch.arange(T) + base) / math.log(base))[None, :, None, None]
        elif growth is not None:
            q = q * growth
        scores = torch.einsum("bthd,bshd->hts", q, k) * self.d ** -0.5
        self.rows = scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf).softmax(-1)
        return torch.einsum("hts,bshd->thd", self.rows, v)

    def recurrence(self, q, k, v):
        scale = {"1/sqrt(d)": self.d ** -0.5, "1/d": 1 / self.d}[self.c.get("lightning_scale", "1/sqrt(d)")]
        decay = torch.tensor(slopes(self.H))
        o, _ = fused_recurrent_simple_gla(q=q, k=k, v=v, g_gamma=-decay, scale=scale, output_final_state=True)
        distance = torch.arange(T)[:, None] - torch.arange(T)[None]
        weights = torch.einsum("bthd,bshd->hts", q.double(), k.double()) * scale * \
            torch.where(distance >= 0, torch.exp(-decay.double()[:, None, None] * distance), 0.0)
        ours = torch.einsum("hts,bshd->thd", weights, v.double())
        assert ((ours - o[0]).abs() / (1 + ours.abs())).max() < 1e-5
        self.rows = weights.float()
        return o[0]


class Layer(nn.Module):
    def __init__(self, c, kind):
        super().__init__()
        self.self_attn = Mixer(c, "lightning" in kind)
        self.input_layernorm, self.post_attention_layernorm = (Qwen3RMSNorm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))
        self.mlp = Qwen3MLP(types.SimpleNamespace(**c))


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
        angles = torch.arange(T)[:, None] * (1 / c["rope_theta"] ** (torch.arange(0, c["head_dim"], 2) / c["head_dim"]))
        cos, sin = (torch.cat([f(angles)] * 2, -1)[None] for f in (torch.cos, torch.sin))
        x, self.hidden = self.model.embed_tokens(ids) * (c.get("scale_emb", 12) if sala else 1), []
        scale = c.get("scale_depth", 1.4) / math.sqrt(len(self.model.layers)) if sala else 1
        for layer in self.model.layers:
            self.hidden.append(x)
            x = x + scale * layer.self_attn(layer.input_layernorm(x), cos, sin)
            x = x + scale * layer.mlp(layer.post_attention_layernorm(x))
        x = self.model.norm(x)
        return self.lm_head(x / (c["hidden_size"] / c.get("dim_model_base", 256)) if sala else x)


@torch.no_grad()
def make(folder, name, seed):
    c, where, generator = (FIXTURES | LIVE)[name], os.path.join(folder, name), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Model(c)
    randomise(model, generator, 0.06)
    if c["model_type"] == "hypenet":                    # a stream of 0.1 would be mostly rounding behind norms
        model.model.embed_tokens.weight *= 10
    model.bfloat16().float()
    ids = torch.randint(0, c["vocab_size"], (T,), generator=generator)
    logits, mixers = model(ids), [layer.self_attn for layer in model.model.layers]
    os.makedirs(where, exist_ok=True)
    save_file({k: v.bfloat16() for k, v in model.state_dict().items()}, os.path.join(where, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(where, "config.json"), "w") as f:
        json.dump(c, f, indent=1)
    recurrent = [i for i, m in enumerate(mixers) if m.lightning]
    save_file({"ids": ids, "rows": torch.tensor(ROWS), "logits": logits.contiguous(),
               "attn": torch.stack([m.rows[:, ROWS] for m in mixers]).contiguous(),
               "hidden": torch.stack([h[ROWS] for h in model.hidden]).contiguous(), "recurrent": torch.tensor(recurrent),
               "recurrence": torch.stack([mixers[i].output[ROWS] for i in recurrent]).contiguous()},
              os.path.join(where, "expected.safetensors"))
