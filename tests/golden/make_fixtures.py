#!/usr/bin/env python3
"""Tiny random checkpoints of every family, and what eager transformers computes from them: the truth of the golden tests.

    make_fixtures.py FOLDER [--seed N] [--only NAME,...] [--live]

Written with transformers 4.57.6 and torch 2.13.0 (5.x gives the same but for olmo3's yarn, see README.md beside this script). Each fixture
is a folder: config.json, model*.safetensors, expected.safetensors {ids [T], rows [R], logits [T, V], attn_layers [M] the layers that have
heads (absent: all) and attn [M, H, R, T], hidden [L, R, D]}, and of models with recurrences {recurrent [N] layers, recurrence [N, R, width]
their outputs before norm and gate}.
Norms and biases are perturbed (inits of 0 and 1 hide mistakes), weights large enough that softmax is not uniform.
--live: also those that are not kept in the repository (families.py)."""
import copy
import json
import os

import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

import recurrent
import tiny
from families import FIVE, FIXTURES, LIVE
from tiny import ROWS, T, randomise, store


def randomise_codes(model, generator):
    """Experts whose weights are MXFP4 codes as transformers reads them; the codes by the names that releases give them."""
    codes = {}
    for name, p in model.named_parameters():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            E, n_in, n_out = p.shape
            blocks = torch.randint(0, 256, (E, n_out, n_in // 32, 16), generator=generator, dtype=torch.uint8)
            scales = torch.randint(119, 124, (E, n_out, n_in // 32), generator=generator, dtype=torch.uint8)
            p.data = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
            codes |= {name + "_blocks": blocks, name + "_scales": scales}
    return codes


def put_codes(folder, codes):
    path = os.path.join(folder, "model.safetensors")
    tensors = {k: v for k, v in load_file(path).items() if k + "_blocks" not in codes}
    save_file(tensors | codes, path, metadata={"format": "pt"})
    change_config(folder, dict(quantization_config=dict(quant_method="mxfp4", modules_to_not_convert=["lm_head"])))


def name_convolutions(folder, model, apart):
    """olmo_hybrid's three convolutions and two norms by the names of the first releases, or by today's. transformers 5.23 writes the
    former, but cuts q | k | v into three equal parts, which are not the rows of q, of k and of v (olmo_hybrid-saved)."""
    path = os.path.join(folder, "model.safetensors")
    tensors, before = load_file(path), {"input_layernorm": "attention_layer_norm", "post_attention_layernorm": "feedforward_layer_norm"}
    for i, layer in enumerate(model.model.layers):
        m, at = getattr(layer, "linear_attn", None), f"model.layers.{i}."
        if m is None:                                            # transformers 5.23 gives these the other layers' old name
            tensors[at + "post_attention_layernorm.weight"] = tensors.pop(at + "feedforward_layer_norm.weight")
            continue
        cut = [tensors.pop(f"{at}linear_attn.{x}_conv1d.weight") for x in "qkv"]
        whole = torch.cat(cut)
        parts = torch.split(whole, [m.key_dim, m.key_dim, m.value_dim])
        tensors |= ({f"{at}linear_attn.{x}_conv1d.weight": part.clone() for x, part in zip("qkv", parts)} if apart else
                    {f"{at}linear_attn.conv1d.weight": whole})
        for now, then in before.items():
            gain = tensors.pop(f"{at}{now}.weight", None)
            gain = tensors.pop(f"{at}{then}.weight", gain) if gain is None else gain
            tensors[f"{at}{then if apart else now}.weight"] = gain
    save_file(tensors, path, metadata={"format": "pt"})


def stack_experts(folder):
    """Experts as Qwen3.5 is released: gate and up of all in one tensor, down in another."""
    path = os.path.join(folder, "model.safetensors")
    tensors, found = load_file(path), {}
    for name in [n for n in tensors if ".mlp.experts." in n]:
        at, expert, part, _ = name.rsplit(".", 3)
        found.setdefault(at, {})[int(expert), part] = tensors.pop(name)
    for at, parts in found.items():
        experts = range(len(parts) // 3)
        both = [torch.cat([parts[e, "gate_proj"], parts[e, "up_proj"]]) for e in experts]
        tensors |= {at + ".gate_up_proj": torch.stack(both), at + ".down_proj": torch.stack([parts[e, "down_proj"] for e in experts])}
    assert found
    save_file(tensors, path, metadata={"format": "pt"})


def change_config(folder, keys):
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        keys = json.load(f) | keys
    with open(path, "w") as f:
        json.dump({k: v for k, v in keys.items() if v is not None}, f, indent=1)


@torch.no_grad()
def expect(folder, ids, wrapper=False):
    model = hf.AutoModelForImageTextToText if wrapper else hf.AutoModelForCausalLM
    # .float(): Apertus makes the parameters of its activation in bf16, whatever dtype says, and would round what follows from them
    model = model.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval().float()
    text, recorder = model.config.get_text_config(), recurrent.Recorder(model)
    if getattr(text, "attention_window_size", T) < T and not FIVE:
        model.model._update_causal_mask = lambda *_: recurrent.window_mask(text, T)[None, None]
    silent = ("mamba", "mamba2", "falcon_mamba") + (() if FIVE else ("recurrent_gemma",))         # show no attention
    wanted = {} if model.config.model_type in silent else dict(output_attentions=True)
    out = model(ids[None], use_cache=False, output_hidden_states=True, **wanted)
    hidden = recorder.layers if recorder.inputs or recorder.channels else out.hidden_states[:-1]     # Mamba-2 lists what leaves a layer
    full = iter(a[0] for a in out.get("attentions") or () if a is not None and a.shape[-1] == T)    # else a state
    mlps = {i for i, kind in enumerate(getattr(text, "layers_block_type", ())) if kind in ("mlp", "moe")}
    with_heads = [i for i in range(text.num_hidden_layers) if i not in mlps and (i not in recorder.channels or i in recorder.beside)]
    pairs = {i: recorder.rows(i) or (next(full), None) for i in with_heads}
    outputs = {i: output[ROWS] for i, (_, output) in pairs.items() if output is not None}
    outputs |= {i: output[ROWS] for i, output in recorder.channels.items()}
    expected = {"ids": ids, "rows": torch.tensor(ROWS), "logits": out.logits[0].contiguous(),
                "attn_layers": torch.tensor(list(pairs), dtype=torch.int64),
                "hidden": torch.stack([h[0][ROWS] for h in hidden]).contiguous()}
    if pairs:
        expected["attn"] = torch.stack([a[:, ROWS] for a, _ in pairs.values()]).contiguous()
    if outputs:
        expected |= {"recurrent": torch.tensor(list(outputs)), "recurrence": torch.stack(list(outputs.values())).contiguous()}
    return expected


def make(folder, name, seed):
    config_class, keys, how = (FIXTURES | LIVE)[name]
    config_class = getattr(hf, config_class) if isinstance(config_class, str) else config_class     # of a class that 4.x has not
    wrapper, config = how.get("wrapper", False), config_class(**copy.deepcopy(keys))
    generator = tiny.begin(seed)
    model = (hf.AutoModelForImageTextToText if wrapper else hf.AutoModelForCausalLM).from_config(config, attn_implementation="eager")
    randomise(model, generator, how.get("sd", 0.2))
    codes = randomise_codes(model, generator) if how.get("mxfp4") else {}
    where = os.path.join(folder, name)
    store(model, where, how.get("dtype", torch.bfloat16), how.get("shard", "1GB"))
    if config.model_type == "olmo_hybrid" and not how.get("as_saved"):
        name_convolutions(where, model, how.get("apart", False))
    if how.get("stacked"):
        stack_experts(where)
    ids = torch.randint(0, config.get_text_config().vocab_size, (T,), generator=generator)
    save_file(expect(where, ids, wrapper), os.path.join(where, "expected.safetensors"))
    if codes:
        put_codes(where, codes)
    if "config" in how:                                          # of a family that transformers does not have
        change_config(where, how["config"])


if __name__ == "__main__":
    tiny.main(__doc__, make, FIXTURES, LIVE)
