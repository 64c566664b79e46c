#!/usr/bin/env python3
"""The way back through a model of each family against torch.autograd, from the same checkpoint on the same batch.

    backward.py PEER_TRAIN FIXTURES [NAME ...]

Every tensor's gradient of the mean cross-entropy: within 1e-4 of the tensor's largest. Then three steps of AdamW, and a checkpoint that
transformers loads: the same loss within 1e-4. PyTorch runs in double precision."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from compare import Worst

torch.set_num_threads(1)
BOUND = 1e-4
STEPS, BATCH = 3, 5
# What transformers cannot say of a fixture, beside those that another version made.
NOT_HERE = {"gpt_oss-mxfp4": "codes of four bits are not trained", "wrapper-mistral3": "a wrapper: its text model is llama's"}
FIVE = int(transformers.__version__.split(".")[0]) >= 5
LEAST = 6 if FIVE else 22                              # models that there are at least


def config_of(folder):
    c = json.load(open(os.path.join(folder, "config.json")))
    return c.get("text_config", c)


def is_ours(fixtures, name):
    with open(os.path.join(fixtures, name, "config.json")) as f:
        config = json.load(f)
    known = config["model_type"] in transformers.CONFIG_MAPPING      # not those of flash-linear-attention
    return known and config.get("transformers_version", transformers.__version__) == transformers.__version__


def load(folder):
    experts = dict(experts_implementation="eager") if FIVE else {}               # its own products of experts know no double
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64, **experts)
    embed = model.get_input_embeddings()
    embed.padding_idx = None                           # whose row has no gradient in transformers: here it is a token like others
    return model.double().train(False)


def exact(folder):
    """A checkpoint with the numbers of its file: transformers rounds what a class makes in 16 bits (xIELU's)."""
    model, file = load(folder), load_file(os.path.join(folder, "model.safetensors"))
    for name, p in model.named_parameters():
        if name in file:
            p.data = file[name].double().reshape(p.shape)
    return model


@contextlib.contextmanager
def in_double():
    """Modules that cast to f32 inside do not: a gradient that is small beside its terms would be rounding."""
    single, cast = torch.float32, torch.Tensor.float
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.Tensor.float = single, cast


def loss_of(model, tokens):
    logits = model(tokens[:, :-1], use_cache=False).logits
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
    return loss


def made():
    """Models that no fixture holds: config, the key of its folder."""
    small = dict(vocab_size=64, hidden_size=24, num_hidden_layers=3, max_position_embeddings=96, tie_word_embeddings=False)
    yield "qwen3_next", transformers.Qwen3NextConfig(
        **small, intermediate_size=36, num_attention_heads=4, num_key_value_heads=2, head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=6, linear_key_head_dim=10, linear_value_head_dim=7, linear_conv_kernel_dim=4,
        num_experts=0, mlp_only_layers=[0, 1, 2], layer_types=["linear_attention", "full_attention", "linear_attention"])
    yield "mamba2", transformers.Mamba2Config(
        vocab_size=64, hidden_size=24, num_hidden_layers=3, state_size=12, num_heads=6, head_dim=8, n_groups=2 if FIVE else 1,
        conv_kernel=4, expand=2, chunk_size=16, time_step_limit=(0.0, float("inf")), tie_word_embeddings=False)
    alone = dict(vocab_size=64, hidden_size=24, num_hidden_layers=2, state_size=7, tie_word_embeddings=False)
    yield "mamba", transformers.MambaConfig(**alone, use_bias=True)
    if FIVE:
        yield "nemotron_h", transformers.NemotronHConfig(
            vocab_size=64, hidden_size=24, intermediate_size=36, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
            layers_block_type=["mlp", "linear_attention", "full_attention", "linear_attention"], mamba_num_heads=6, mamba_head_dim=5,
            n_groups=2, ssm_state_size=7, chunk_size=16, time_step_min=1e-9, mlp_bias=True)
    yield "falcon_mamba", transformers.FalconMambaConfig(**alone, intermediate_size=40, use_conv_bias=False)


def save_made(folder):
    for i, (name, config) in enumerate(made()):
        torch.manual_seed(100 + i)
        model = transformers.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for p in model.parameters():                           # off the start: gains of 1, biases of 0
                p += .05 * torch.randn_like(p)
        model.save_pretrained(os.path.join(folder, name))
        yield name


def run(peer, folder, out, length):
    keys = dict(batch=BATCH, length=length, optimizer="adamw", lr=1e-3, warmup=0, clip=0, weight_decay=0, steps=STEPS)
    path = os.path.join(out, "run.json")
    json.dump(keys, open(path, "w"))
    subprocess.run([peer, path, out, str(STEPS), folder], check=True)
    tokens = np.fromfile(os.path.join(out, "tokens.i32"), np.int32).reshape(STEPS, BATCH, length)
    return torch.from_numpy(tokens.astype(np.int64)), np.fromfile(os.path.join(out, "losses.f64"))


def gradients(model, tokens):
    with in_double():
        loss = loss_of(model, tokens)
        loss.backward()
    return loss.item(), {k: p.grad for k, p in model.named_parameters() if p.grad is not None}


def of_same_name(name, ours):
    """Some classes are nested deeper than their files."""
    for candidate in (name, name.removeprefix("transformer."), name.removeprefix("model."), name.replace("lm_head", "embed_out"),
                      name.replace("model.", "backbone.", 1)):
        if candidate in ours:
            return candidate
    raise SystemExit(f"no gradient of {name} among {sorted(ours)[:8]} ...")


def stack(ours, names):
    """Ours of each expert as the tensors of all that transformers 5 makes of them."""
    for k in names:
        at, part = k.rsplit(".", 1)
        files = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}.get(part)
        if at.endswith(("mlp.experts", "feed_forward.experts")) and files and k not in ours:
            n = sum(f"{at}.{e}.{files[0]}.weight" in ours for e in range(1000))
            ours[k] = torch.stack([torch.cat([ours.pop(f"{at}.{e}.{f}.weight") for f in files]) for e in range(n)])


def check(peer, folder, name):
    length = 37
    with tempfile.TemporaryDirectory() as out:
        tokens, losses = run(peer, folder, out, length)
        model = load(folder)
        loss, want = gradients(model, tokens[0])
        ours = load_file(os.path.join(out, "gradients.safetensors"))
        stack(ours, want)
        worst, seen, where = Worst(), set(), "the loss"
        worst.add(losses[:1], np.array([loss]), f"{name}: loss")
        for k, g in want.items():
            if k not in ours and not g.any():           # a router among one expert
                continue
            at = of_same_name(k, ours)
            seen.add(at)
            before = worst.most
            worst.add(ours[at].double().reshape(g.shape), g, f"{name}: {k}", scale=g.abs().max().clamp_min(1e-12).item())
            where = k if worst.most > before else where
            if os.environ.get("EACH"):
                print(f"  {(ours[at].double().reshape(g.shape) - g).abs().max() / g.abs().max():.1e} of {g.abs().max():.1e} {k}")
        idle = {k for k in set(ours) - seen if not ours[k].any()}          # a choice bias, the constants of xIELU: buffers there
        assert seen | idle == set(ours), f"{name}: gradients of nothing: {sorted(set(ours) - seen - idle)[:5]}"
        step = os.path.join(out, f"step{STEPS:06d}")
        again = exact(step)
        logits = np.fromfile(os.path.join(out, "logits.f32"), np.float32).reshape(BATCH, length, -1)
        with in_double():
            want = again(tokens[0], use_cache=False).logits
        worst.add(logits, want, f"{name}: logits of the checkpoint")
    print(f"{name}: {len(seen)} tensors, worst {worst.most:.1e} ({where})")
    return worst.most


def main(peer, fixtures, chosen):
    with tempfile.TemporaryDirectory() as folder:
        models = {n: os.path.join(fixtures, n) for n in sorted(os.listdir(fixtures)) if n not in NOT_HERE and is_ours(fixtures, n)}
        models.update({n: os.path.join(folder, n) for n in save_made(folder)})
        models = {n: models[n] for n in chosen} if chosen else {n: p for n, p in models.items() if os.path.isdir(p)}
        bad = [n for n, p in models.items() if not check(peer, p, n) <= BOUND]
    if bad or len(models) < (1 if chosen else LEAST):
        sys.exit(f"{len(models)} models; wrong: {', '.join(bad) or 'none'}")
    print(f"{len(models)} models, each tensor's gradient within {BOUND} of its largest")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
