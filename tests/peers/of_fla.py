"""Models for the referees of gradients, from flash-linear-attention in single precision, and HypeNet's and MiniCPM-SALA's as
published.py puts them together: what of_transformers.py is for transformers. A batch is longer than a chunk of the kernels, 64."""
import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import make_fla                                        # before transformers: it names the classes there
import published
import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SIZE = 1, 71
LEAST = 24                                             # models that there are at least
TITLE = "flash-linear-attention"
precision = contextlib.nullcontext                     # what the kernels sum in f32 they sum in f32


def models(fixtures, folder):
    found = {n: os.path.join(fixtures, n) for n in make_fla.FIXTURES | published.FIXTURES}
    for maker in (make_fla, published):
        found |= {n: maker.checkpoint(folder, n, 3)[0] for n in maker.LIVE}
    return found


def load(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    if config["model_type"] not in published.FIXTURES:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).float()
        model.get_input_embeddings().padding_idx = None
        for m in model.modules():
            if type(m).__name__ == "DeltaNet":         # whose chunks know bfloat16 alone
                m.mode = "fused_recurrent"
        return model.train()                           # the kernels of chunks, which have a way back
    model = published.Model(config)
    model.load_state_dict(load_file(os.path.join(folder, "model.safetensors")))
    return model


exact = load


def logits(model, tokens):
    return model(tokens) if isinstance(model, published.Model) else model(tokens, use_cache=False).logits
