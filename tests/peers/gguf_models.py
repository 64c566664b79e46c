#!/usr/bin/env python3
"""Models as llama.cpp's converter stores them: needlescope on the GGUF, transformers on what it was made of and on the GGUF itself.

    gguf_models.py FOLDER [--page | NAME...]      the folder of needlescope.py; NEEDLESCOPE_LIB: the library
                                                  --page: the table of docs/gguf.md

Random models of each architecture are written as GGUF by the package gguf (its names; rows paired, 1 + w and transposition as in
convert_hf_to_gguf.py), in F32, F16 and two quantised types. Logits of every row of a prompt, by needlescope from the file alone, are those
of transformers with the weights that gguf.dequantize gives."""
import os
import re
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers as hf

from compare import close, count

SIZES = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, vocab_size=96,
             max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2)
GPT2 = dict(n_embd=64, n_layer=3, n_head=4, n_positions=128, vocab_size=96, n_inner=None, bos_token_id=1, eos_token_id=2)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
LONG = dict(type="longrope", short_factor=[1.0 + .1 * i for i in range(8)], long_factor=[2.0 + .5 * i for i in range(8)])
GRANITE = dict(attention_multiplier=.3, embedding_multiplier=3.0, residual_multiplier=.4, logits_scaling=2.5)
EXPERTS = dict(moe_intermediate_size=32, num_experts_per_tok=2)
A = gguf.MODEL_ARCH
PAIRED = A.LLAMA, A.SMOLLM3, A.GRANITE, A.GRANITE_MOE
# name: architecture of GGUF, config class of transformers, its keys, whether transformers reads such a GGUF
MODELS = {
    "llama": (A.LLAMA, hf.LlamaConfig, dict(head_dim=24, tie_word_embeddings=True), True),
    "llama biases": (A.LLAMA, hf.LlamaConfig, dict(attention_bias=True, mlp_bias=True), False),
    "llama linear": (A.LLAMA, hf.LlamaConfig, dict(rope_scaling=dict(rope_type="linear", factor=4.0)), False),
    "llama yarn": (A.LLAMA, hf.LlamaConfig, dict(rope_scaling=YARN), False),
    "llama 3": (A.LLAMA, hf.LlamaConfig, dict(rope_theta=5e5, rope_scaling=LLAMA3), False),
    "mistral": (A.LLAMA, hf.MistralConfig, dict(sliding_window=None), True),
    "qwen2": (A.QWEN2, hf.Qwen2Config, dict(rope_theta=1e6), True),
    "qwen3": (A.QWEN3, hf.Qwen3Config, dict(head_dim=24, tie_word_embeddings=True), False),
    "smollm3": (A.SMOLLM3, hf.SmolLM3Config, dict(num_hidden_layers=4, tie_word_embeddings=True), False),
    "granite": (A.GRANITE, hf.GraniteConfig, GRANITE, False),
    "gemma2": (A.GEMMA2, hf.Gemma2Config, dict(head_dim=24, query_pre_attn_scalar=24, sliding_window=7, attn_logit_softcapping=5.0,
                                               final_logit_softcapping=4.0), False),
    "gemma3": (A.GEMMA3, hf.Gemma3TextConfig, dict(num_hidden_layers=7, head_dim=24, query_pre_attn_scalar=24, sliding_window=7,
                                                   rope_scaling=dict(rope_type="linear", factor=8.0)), False),
    "gemma3 pattern": (A.GEMMA3, hf.Gemma3TextConfig, dict(num_hidden_layers=4, head_dim=24, query_pre_attn_scalar=24, sliding_window=7,
                                                           layer_types=["full_attention", "sliding_attention"] * 2), False),
    "phi3": (A.PHI3, hf.Phi3Config, dict(sliding_window=7), False),
    "phi3 short": (A.PHI3, hf.Phi3Config, dict(rope_scaling=LONG, original_max_position_embeddings=64), False),
    "phi3 long": (A.PHI3, hf.Phi3Config, dict(rope_scaling=LONG, original_max_position_embeddings=16), False),
    "mixtral": (A.LLAMA, hf.MixtralConfig, dict(num_local_experts=5, sliding_window=None, head_dim=24), False),
    "qwen2moe": (A.QWEN2MOE, hf.Qwen2MoeConfig, dict(EXPERTS, num_experts=5, shared_expert_intermediate_size=64), False),
    "qwen3moe": (A.QWEN3MOE, hf.Qwen3MoeConfig, dict(EXPERTS, num_experts=5, head_dim=24, norm_topk_prob=True), False),
    "olmoe": (A.OLMOE, hf.OlmoeConfig, dict(num_experts=5, num_experts_per_tok=2), False),
    "granitemoe": (A.GRANITE_MOE, hf.GraniteMoeConfig, dict(GRANITE, num_local_experts=5), False),
    "gpt-oss": (A.GPT_OSS, hf.GptOssConfig, dict(num_local_experts=5, num_experts_per_tok=2, head_dim=32, sliding_window=7,
                                                 rope_scaling=dict(YARN, beta_fast=32.0, beta_slow=1.0, truncate=False)), False),
    "gpt2": (A.GPT2, hf.GPT2Config, GPT2, False),            # transformers' reader takes n_positions for 1024
}
# Types of matrices; rows here are of 64 and 96, so types of 256 numbers a block are the business of formats.py and the real files.
TYPES = {"F32": None, "F16": gguf.GGMLQuantizationType.F16, "Q8_0": gguf.GGMLQuantizationType.Q8_0, "Q5_1": gguf.GGMLQuantizationType.Q5_1}
T = 40
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "gguf.md")


def make(config_class, keys, wider=None, sd=.15):
    """wider: sizes in the place of GPT-2's, or of all others'."""
    torch.manual_seed(4)
    of_gpt2 = config_class is hf.GPT2Config
    sizes = {**({} if of_gpt2 else SIZES), **keys, **((wider or {}).get(of_gpt2, {}))}
    model = hf.AutoModelForCausalLM.from_config(config_class(**sizes), attn_implementation="eager").eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p + torch.randn(p.shape) * .1 if p.dim() == 1 else torch.randn(p.shape) * sd)
    return model


def paired(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def stored(arch, config, name, w):
    """A tensor as convert_hf_to_gguf.py stores it."""
    if arch in PAIRED and ("q_proj" in name or "k_proj" in name):
        return paired(w, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
    if name.endswith("shared_expert_gate.weight"):
        return w[0]
    if arch in (A.GEMMA2, A.GEMMA3) and name.endswith("norm.weight"):
        return w + 1
    if arch == A.GPT2 and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return np.ascontiguousarray(w.T)
    return w


def unstored(arch, config, name, w):
    """And back."""
    if arch in PAIRED and ("q_proj" in name or "k_proj" in name):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        return w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
    if arch in (A.GEMMA2, A.GEMMA3) and name.endswith("norm.weight"):
        return w - 1
    return w.T if arch == A.GPT2 and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")) else w


def pieces(arch, name, p):
    """(name, view) of what a parameter becomes: one tensor of each expert joins those of the others."""
    if arch == A.GRANITE_MOE and "input_linear" in name:
        half = p.shape[1] // 2
        return [(name.replace("block_sparse_moe.input_linear", f"mlp.experts.{part}_proj"), p[:, i * half:(i + 1) * half])
                for i, part in enumerate(("gate", "up"))]
    if arch == A.GPT_OSS and "mlp.experts" in name:
        bias = name.endswith("_bias")
        base, suffix = name.removesuffix("_bias"), ".bias" if bias else ".weight"
        rows = p if bias else p.transpose(1, 2)
        if "down_proj" in name:
            return [(base + suffix, rows)]
        return [(base.replace("gate_up", part) + suffix, rows[:, i::2]) for i, part in enumerate(("gate", "up"))]
    return [(name + ".weight" if name.endswith("sinks") else re.sub(r"experts\.\d+", "experts", name), p)]


def all_pieces(arch, model):
    found = {}
    for name, p in model.named_parameters():
        for to, view in pieces(arch, name, p):
            found.setdefault(to, []).append(view)
    return found.items()


def llama3_factors(c):
    """As the converter's generate_extra_tensors has them."""
    s, dim = c.rope_scaling, c.hidden_size // c.num_attention_heads
    wave = 2 * np.pi * c.rope_theta ** (np.arange(0, dim, 2) / dim)
    low, high = s["original_max_position_embeddings"] / s["low_freq_factor"], s["original_max_position_embeddings"] / s["high_freq_factor"]
    smooth = (s["original_max_position_embeddings"] / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
    return np.where(wave < high, 1, np.where(wave > low, s["factor"], 1 / ((1 - smooth) / s["factor"] + smooth))).astype(np.float32)


def add_rope(w, c):
    scaling = getattr(c, "rope_scaling", None) or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    w.add_rope_freq_base(c.rope_theta)
    if kind == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(c))
    elif kind == "longrope":
        w.add_tensor("rope_factors_long.weight", np.float32(scaling["long_factor"]))
        w.add_tensor("rope_factors_short.weight", np.float32(scaling["short_factor"]))
        w.add_rope_scaling_orig_ctx_len(c.original_max_position_embeddings)
        ratio = c.max_position_embeddings / c.original_max_position_embeddings
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(ratio) / np.log(c.original_max_position_embeddings))))
    elif kind:
        w.add_rope_scaling_type(gguf.RopeScalingType(kind))
        w.add_rope_scaling_factor(scaling["factor"])
        if kind == "yarn":
            w.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def add_experts(w, c):
    n = getattr(c, "num_local_experts", None) or getattr(c, "num_experts", None)
    if n:
        w.add_expert_count(n)
        w.add_expert_used_count(c.num_experts_per_tok)
    if getattr(c, "moe_intermediate_size", None):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
    if getattr(c, "shared_expert_intermediate_size", None):
        w.add_expert_shared_feed_forward_length(c.shared_expert_intermediate_size)


def add_config(w, arch, c):
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_head_count(c.num_attention_heads)
    if arch == A.GPT2:
        w.add_feed_forward_length(4 * c.hidden_size)
        w.add_layer_norm_eps(c.layer_norm_epsilon)
        return
    dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_vocab_size(c.vocab_size)
    add_rope(w, c)
    if arch in (*PAIRED, A.PHI3):
        w.add_rope_dimension_count(dim)
    if dim * c.num_attention_heads != c.hidden_size:
        w.add_key_length(dim)
        w.add_value_length(dim)
    if arch in (A.GEMMA2, A.GEMMA3, A.PHI3, A.GPT_OSS) and c.sliding_window:
        w.add_sliding_window(c.sliding_window)
    if arch == A.GEMMA2:
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    if arch == A.GEMMA3 and c.layer_types[0] == "full_attention":
        w.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])
    add_experts(w, c)
    if arch in (A.GRANITE, A.GRANITE_MOE):
        w.add_attention_scale(c.attention_multiplier)
        w.add_embedding_scale(c.embedding_multiplier)
        w.add_residual_scale(c.residual_multiplier)
        w.add_logit_scale(c.logits_scaling)


def quantized(data, kind):
    """(raw, kind): codes of a matrix."""
    return gguf.quantize(data, kind), kind


def write(path, arch, model, kind, code=quantized):
    """The file; and the model gets the weights that it holds."""
    c, names = model.config, gguf.get_tensor_name_map(arch, model.config.num_hidden_layers)
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    add_config(w, arch, c)
    for name, views in all_pieces(arch, model):
        full = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert full, name
        data = torch.stack(views) if len(views) > 1 else views[0]
        data = np.ascontiguousarray(stored(arch, c, name, data.detach().numpy()), dtype=np.float32)
        if kind is not None and data.ndim > 1 and not name.endswith("bias"):
            raw, of = code(data, kind)
            w.add_tensor(full, raw, raw_dtype=of)
            data = gguf.dequantize(raw, of).astype(np.float32)
        else:
            w.add_tensor(full, data)
        back = torch.from_numpy(np.ascontiguousarray(unstored(arch, c, name, data)))
        for i, view in enumerate(views):
            view.copy_(back[i] if len(views) > 1 else back)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def theirs(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0].numpy()


def check(needlescope, folder, ids, name, label):
    """The largest difference of a logit."""
    arch, config_class, keys, read = MODELS[name]
    path = os.path.join(folder, "model.gguf")
    model = make(config_class, keys)
    with torch.no_grad():
        write(path, arch, model, TYPES[label])
    want = theirs(model, ids)
    got = needlescope.load(path).run(ids, at="hook_logits")[1]["hook_logits"]
    worst = close(np.asarray(got).reshape(want.shape), want, 2e-5, f"{name} {label}")
    if read and label == "F32":
        again = hf.AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", dtype=torch.float32, attn_implementation="eager")
        close(theirs(again.eval(), ids), want, 2e-5, f"{name}: transformers on the GGUF")
    return worst


def check_page():
    rows = [line.split("|")[1].strip() for line in open(PAGE, encoding="utf-8") if line.startswith("| ")][1:]
    assert rows == list(MODELS), (rows, list(MODELS))
    count(len(rows))


def main():
    page, wanted = "--page" in sys.argv, [a for a in sys.argv[2:] if a != "--page"]
    sys.path.insert(0, sys.argv[1])
    import needlescope
    ids = [int(x) for x in np.random.default_rng(1).integers(0, 96, T)]
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted or MODELS:
            cells = [f"{check(needlescope, folder, ids, name, label):.1e}" for label in TYPES]
            print(f"| {name} | {' | '.join(cells)} |" if page else f"ok   {name}: {' '.join(cells)}", flush=True)
    if not wanted and not page:
        check_page()


if __name__ == "__main__":
    main()
