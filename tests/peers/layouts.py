#!/usr/bin/env python3
"""Models of letters as classes of other programs load them: needlescope trains, they read the folder as it is.

    layouts.py transformers | fla PEER_TRAIN FOLDER      the folder of needlescope.py; NEEDLESCOPE_LIB: the library

A few steps of each, then from_pretrained: no key is missing or left over, and the logits are those of the trainer within 1e-4; needlescope
reads the same folder by the table of that family, not by its own, with the trainer's bits."""
import json
import os
import subprocess
import sys
import tempfile

which, peer = sys.argv[1:3]
if which == "fla":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
    import interpreted                                         # before fla, whose kernels it has on the CPU
import numpy as np
import torch
import transformers

from compare import close, same

sys.path.insert(0, sys.argv[3])
import needlescope

torch.set_num_threads(1)
STEPS = 3
COMMON = dict(d_model=32, heads=4, kv_heads=2, d_ff=48, mlp="swiglu", batch=2, length=71, warmup=0, lr=0.02, rms_eps=3e-4)
# name: class, keys
RUNS = {
    "transformers": {
        "windows": ("SmolLM3ForCausalLM", dict(pattern="SFSF", window=9, nope_layers="0110")),
        "Mamba-2 and attention": ("GraniteMoeHybridForCausalLM", dict(pattern="mFmmF", rope_theta=500)),
        "Mamba-2, NoPE, tied, AdamW": ("GraniteMoeHybridForCausalLM", dict(pattern="mF", nope=True, tied=True, optimizer="adamw",
                                                                           kv_heads=0)),
        "Mamba-2 of one head": ("GraniteMoeHybridForCausalLM", dict(pattern="MFM", heads=1, kv_heads=1)),
    },
    "fla": {
        "Gated DeltaNet and attention": ("GatedDeltaNetForCausalLM", dict(pattern="DFDD", rope_theta=500)),
        "Gated DeltaNet, windows of two sizes, tied": ("GatedDeltaNetForCausalLM", dict(pattern="DSsF", window=9, tied=True, kv_heads=0)),
        "without convolution, AdamW": ("GatedDeltaNetForCausalLM", dict(pattern="dSd", window=9, optimizer="adamw")),
        "without attention": ("GatedDeltaNetForCausalLM", dict(pattern="DD", kv_heads=0)),
        "GLA and attention": ("GLAForCausalLM", dict(pattern="lFl")),
        "GLA, windows": ("GLAForCausalLM", dict(pattern="Sll", window=9)),
    },
}


def load(folder, class_name):
    """As whoever gets the folder does."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert type(model).__name__ == class_name, type(model)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(what), (folder, what, info[what])
    return model.eval()


def check(name, class_name, keys, work):
    config, folder = os.path.join(work, "train.json"), os.path.join(work, "run")
    os.mkdir(folder)
    with open(config, "w", encoding="utf-8") as f:
        json.dump({**COMMON, **keys}, f)
    subprocess.run([peer, config, folder, str(STEPS)], check=True)
    step, shape = os.path.join(folder, f"step{STEPS:06}"), (COMMON["batch"], COMMON["length"], 56)
    trained = np.fromfile(os.path.join(folder, "logits.f32"), np.float32).reshape(shape)
    tokens = np.fromfile(os.path.join(folder, "tokens.i32"), np.int32)[:shape[0] * shape[1]].reshape(shape[:2])
    with torch.inference_mode():
        theirs = load(step, class_name)(torch.from_numpy(tokens.astype(np.int64)), use_cache=False).logits
    worst = close(theirs, trained, 1e-4, name)
    model = needlescope.load(step)
    assert model.family == json.load(open(os.path.join(step, "config.json"), encoding="utf-8"))["model_type"] != "needlescope", model
    for i, row in enumerate(tokens):
        got = model.run([int(t) for t in row], at="hook_logits")[1]["hook_logits"]
        same(np.asarray(got).reshape(shape[1:]), trained[i], f"{name}: needlescope")
    print(f"ok   {name}: {class_name}, logits within {worst:.1e}, of the size {np.abs(trained).max():.2g}", flush=True)


for name, (class_name, keys) in RUNS[which].items():
    with tempfile.TemporaryDirectory() as work:
        check(name, class_name, keys, work)
