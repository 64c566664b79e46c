#!/usr/bin/env python3
"""Series as people have them, saved by transformers and torch:  series.py NEEDLESCOPE

A cache like Pythia's (steps as pytorch_model.bin with the buffers of old versions, main as safetensors): main is the last step. A
Trainer's output folder: its own weights are the last checkpoint's. Lightning's folder of .ckpt files: steps by their names, last.ckpt by
what it says."""
import json
import os
import subprocess
import sys
import tempfile

import torch
from compare import count
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

CONFIG = GPTNeoXConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=64,
                       max_position_embeddings=64)


def model(seed):
    torch.manual_seed(seed)
    return GPTNeoXForCausalLM(CONFIG).half()


def save_bin(folder, seed):
    weights = model(seed).state_dict()
    for i in range(2):
        at = f"gpt_neox.layers.{i}.attention."
        weights[at + "bias"] = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
        weights[at + "masked_bias"] = torch.tensor(-1e9)
        weights[at + "rotary_emb.inv_freq"] = torch.ones(4)
    torch.save(weights, os.path.join(folder, "pytorch_model.bin"))
    CONFIG.save_pretrained(folder)


def cache(folder):
    os.makedirs(os.path.join(folder, "refs"))
    os.makedirs(os.path.join(folder, "blobs"))
    for name in ["step0", "step512", "step1000", "main"]:
        snapshot = os.path.join(folder, "snapshots", "h" + name)
        os.makedirs(snapshot)
        with open(os.path.join(folder, "refs", name), "w") as f:
            f.write("h" + name)
        if name == "main":
            model(1000).save_pretrained(snapshot)
        else:
            save_bin(snapshot, int(name[4:]))


def trainer(folder):
    for step in (100, 200):
        model(step).save_pretrained(os.path.join(folder, f"checkpoint-{step}"))
    model(200).save_pretrained(folder)
    torch.save({"lr": .1}, os.path.join(folder, "training_args.bin"))


def lightning(folder):
    os.makedirs(os.path.join(folder, "checkpoints"))
    CONFIG.save_pretrained(folder)
    for name, step in (("epoch=0-step=100", 100), ("epoch=1-step=200-val_loss=0.5-v1", 200), ("last", 250)):
        weights = {"model." + k: v for k, v in model(step).state_dict().items()}
        torch.save({"epoch": 0, "global_step": step, "pytorch-lightning_version": "2.1", "state_dict": weights},
                   os.path.join(folder, "checkpoints", name + ".ckpt"))


def listed(folder):
    said = subprocess.run([sys.argv[1], "scan", folder, "--list", "--json"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    order = json.loads(said.stdout)
    return ([(c["step"], c["label"]) for c in order["checkpoints"]], {x["name"]: x["why"] for x in order["left_out"]})


def opens(path):
    said = subprocess.run([sys.argv[1], "inspect", path], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        at = {make: os.path.join(folder, name) for make, name in ((cache, "models--o--n"), (trainer, "out"), (lightning, "lit"))}
        for make, path in at.items():
            make(path)
        order, left = listed(at[cache])
        assert order == [(0, "step0"), (512, "step512"), (1000, "step1000")], order
        assert left == {"main": "the same weights as step1000"}, left
        model(7).save_pretrained(os.path.join(at[cache], "snapshots", "hmain"))
        order, left = listed(at[cache])
        assert [label for _, label in order] == ["step0", "step512", "step1000"], (order, left)
        assert list(left) == ["main"] and left["main"].startswith("nothing says its step"), left
        order, left = listed(at[trainer])
        assert order == [(100, "checkpoint-100"), (200, "checkpoint-200")], order
        assert left["out"] == "the same weights as checkpoint-200", left
        order, left = listed(at[lightning])
        names = ["checkpoints/epoch=0-step=100.ckpt", "checkpoints/epoch=1-step=200-val_loss=0.5-v1.ckpt", "checkpoints/last.ckpt"]
        assert order == list(zip([100, 200, 250], names)) and not left, (order, left)
        for name in names:
            opens(os.path.join(at[lightning], name))
        count(12, "checkpoints in order")
        print("series of transformers and Lightning are in order")


if __name__ == "__main__":
    main()
