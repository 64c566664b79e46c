"""Models for the referees of gradients, from transformers and in double precision: what of_fla.py is for flash-linear-attention.

    models(fixtures, folder)   {name: folder of a checkpoint}: fixtures, and models that are made in `folder`
    load, exact                a checkpoint as a module; with the very numbers of its file
    logits(model, tokens)      [B, T] -> [B, T, V]
    precision()                what they are computed in"""
import contextlib
import json
import os

import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
SIZE = 5, 37                                           # a batch
# What transformers cannot say of a fixture, beside those that another version made.
NOT_HERE = {"gpt_oss-mxfp4": "codes of four bits are not trained", "wrapper-mistral3": "a wrapper: its text model is llama's"}
FIVE = int(transformers.__version__.split(".")[0]) >= 5
LEAST = 12 if FIVE else 40                             # models that there are at least
TITLE = "transformers"


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


precision = in_double


def logits(model, tokens):
    return model(tokens, use_cache=False).logits


def made():
    """Models that no fixture holds: the name of the folder, config."""
    small = dict(vocab_size=64, hidden_size=24, num_hidden_layers=3, max_position_embeddings=96, tie_word_embeddings=False)
    yield "qwen3_next-dense", transformers.Qwen3NextConfig(
        **small, intermediate_size=36, num_attention_heads=4, num_key_value_heads=2, head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=6, linear_key_head_dim=10, linear_value_head_dim=7, linear_conv_kernel_dim=4,
        num_experts=0, mlp_only_layers=[0, 1, 2], layer_types=["linear_attention", "full_attention", "linear_attention"])
    yield "mamba2-made", transformers.Mamba2Config(
        vocab_size=64, hidden_size=24, num_hidden_layers=3, state_size=12, num_heads=6, head_dim=8, n_groups=2 if FIVE else 1,
        conv_kernel=4, expand=2, chunk_size=16, time_step_limit=(0.0, float("inf")), tie_word_embeddings=False)
    alone = dict(vocab_size=64, hidden_size=24, num_hidden_layers=2, state_size=7, tie_word_embeddings=False)
    yield "mamba", transformers.MambaConfig(**alone, use_bias=True)
    if FIVE:
        yield "nemotron_h-made", transformers.NemotronHConfig(
            vocab_size=64, hidden_size=24, intermediate_size=36, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
            layers_block_type=["mlp", "linear_attention", "full_attention", "linear_attention"], mamba_num_heads=6, mamba_head_dim=5,
            n_groups=2, ssm_state_size=7, chunk_size=16, time_step_min=1e-9, mlp_bias=True)
    yield "falcon_mamba", transformers.FalconMambaConfig(**alone, intermediate_size=40, use_conv_bias=False)


def models(fixtures, folder):
    found = {n: os.path.join(fixtures, n) for n in sorted(os.listdir(fixtures)) if n not in NOT_HERE and is_ours(fixtures, n)}
    for i, (name, config) in enumerate(made()):
        torch.manual_seed(100 + i)
        model = transformers.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for p in model.parameters():                           # off the start: gains of 1, biases of 0
                p += .05 * torch.randn_like(p)
        found[name] = os.path.join(folder, name)
        model.save_pretrained(found[name])
    return found
