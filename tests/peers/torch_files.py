#!/usr/bin/env python3
"""The same model as safetensors and as what torch.save writes: the same bits.

    torch_files.py NEEDLESCOPE FIXTURES

Of committed fixtures: logits and residual streams recorded in f32 from pytorch_model.bin (zip and legacy), from shards that transformers
writes, from a trainer's checkpoint of torch.compile and from transposed storages are those from model.safetensors, dataset by dataset, and
so is the hash of the weights. A run of steps in Pythia's shape is scanned from both, to the same study. nanoGPT's ckpt.pt needs no config,
and its logits are transformers' (1e-4). A 7B-shaped pytorch_model.bin (holes) is inspected within 150 MB of address space."""
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import h5py
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from compare import count

FAMILIES = ["gpt2", "gpt_neox-parallel", "llama", "mistral", "qwen2", "falcon_h1"]


def call(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    assert done.returncode in (0, 1), (command, done.stderr)
    return done.stdout + done.stderr


def case_file(path, vocab):
    g = torch.Generator().manual_seed(3)
    with open(path, "w") as f:
        for i in range(2):
            tokens = torch.randint(3, vocab, (24,), generator=g).tolist()
            spans = dict(needle=[9, 12], needle_answer=[10, 12])
            f.write(json.dumps(dict(id=f"case{i}", tokens=tokens, spans=spans, answer=tokens[10:12])) + "\n")


def contents(tool, model, cases, work):
    """Every dataset's hash of a recording of the model, the hash of its weights, and what was said."""
    out = os.path.join(work, "rec.h5")
    said = call(tool, "record", model, "--cases", cases, "--at", "hook_logits,blocks.*.hook_resid_post", "--dtype", "f32", "-o", out)
    lines = call(tool, "verify", "--content", out).splitlines()
    datasets = [line for line in lines if re.search(r"logits|resid_post", line)]
    weights = re.search(r"weights\S*\s+([0-9a-f]{64})", call(tool, "verify", "--facts", out))
    assert datasets and weights, lines
    return datasets, weights.group(1), said


def tensors_of(folder):
    out = {}
    for name in sorted(os.listdir(folder)):
        if re.fullmatch(r"model.*\.safetensors", name):
            out |= load_file(os.path.join(folder, name))
    return out


def forms(sd, fixture, config, work):
    """Folders of the same model, by what is in them; and what must be said of each."""
    def folder(name):
        path = os.path.join(work, name)
        os.makedirs(path)
        shutil.copy(config, path)
        return path
    save_file(sd, os.path.join(folder("safetensors"), "model.safetensors"))
    torch.save(sd, os.path.join(folder("zip"), "pytorch_model.bin"))
    torch.save(sd, os.path.join(folder("legacy"), "pytorch_model.bin"), _use_new_zipfile_serialization=False)
    turned = {k: v.t().contiguous().t() if v.ndim == 2 else v for k, v in sd.items()}
    torch.save(turned, os.path.join(folder("transposed"), "pytorch_model.bin"))
    trainer = {"model": {f"module._orig_mod.{k}": v for k, v in sd.items()}, "optimizer": {}, "step": 5}
    torch.save(trainer, os.path.join(folder("trainer"), "ckpt.pt"))
    notes = {"safetensors": None, "zip": None, "legacy": None, "transposed": None, "trainer": "left out: 'optimizer', 'step'"}
    shutil.copytree(os.path.join(work, "zip"), os.path.join(work, "both"))
    save_file(sd, os.path.join(work, "both", "model.safetensors"))
    return notes | {"both": "model.safetensors is read, and pytorch_model.bin beside it is not"}


def compare_family(tool, fixture, work):
    failed = compared = 0
    sd, config = tensors_of(fixture), os.path.join(fixture, "config.json")
    cases = os.path.join(work, "cases.jsonl")
    case_file(cases, json.load(open(config))["vocab_size"])
    notes = forms(sd, fixture, config, work)
    want = contents(tool, os.path.join(work, "safetensors"), cases, work)
    for name, note in notes.items():
        got = contents(tool, os.path.join(work, name), cases, work)
        compared += len(want[0]) + 1
        if got[:2] != want[:2] or (note or "") not in got[2]:
            print(f"FAILED: {fixture}: {name}: {'the note' if got[:2] == want[:2] else 'the bits'} ({got[2].strip()})")
            failed += 1
    return failed, compared


def shards(tool, fixture, work):
    """What transformers writes with safe_serialization=False, in shards."""
    cases = os.path.join(work, "cases.jsonl")
    model = AutoModelForCausalLM.from_pretrained(fixture, dtype="auto")
    case_file(cases, model.config.vocab_size)
    whole, parts = os.path.join(work, "t-safetensors"), os.path.join(work, "t-shards")
    model.save_pretrained(whole)
    model.save_pretrained(parts, safe_serialization=False, max_shard_size="60KB")
    assert sum(name.endswith(".bin") for name in os.listdir(parts)) > 1, os.listdir(parts)
    want, got = contents(tool, whole, cases, work), contents(tool, parts, cases, work)
    same = got[0] == want[0]          # the weights' hash may differ: safetensors leave a tied head out
    if not same:
        print(f"FAILED: {fixture}: shards of transformers")
    return not same, len(want[0])


def scan(tool, fixture, work):
    """step1000, step2000, main: pytorch_model.bin and config.json each."""
    sd, cases = tensors_of(fixture), os.path.join(work, "cases.jsonl")
    case_file(cases, json.load(open(os.path.join(fixture, "config.json")))["vocab_size"])
    tables = []
    for form in ("model.safetensors", "pytorch_model.bin"):
        run = os.path.join(work, form, "run")
        for i, step in enumerate(("step0", "step1000", "step2000")):
            os.makedirs(os.path.join(run, step))
            shutil.copy(os.path.join(fixture, "config.json"), os.path.join(run, step))
            now = {k: v * (1 + i / 8) for k, v in sd.items()}
            (save_file if form == "model.safetensors" else torch.save)(now, os.path.join(run, step, form))
        call(tool, "scan", run, "--cases", cases, "--probe", "retrieval_find,retrieval_mass", "-o", os.path.join(work, form, "scan"), "-q")
        study = os.path.join(work, form, "study.h5")
        call(tool, "merge", os.path.join(work, form, "scan"), "-o", study, "-q")
        lines = call(tool, "verify", "--content", study).splitlines()
        tables.append([line for line in lines if re.search(r"retrieval|step", line)])
    if tables[0] != tables[1]:
        print("FAILED: the scans differ:", sorted(set(tables[0]) ^ set(tables[1]))[:6])
    return tables[0] != tables[1], len(tables[0])


def nanogpt_model(bias, dtype=torch.float32):
    """(transformers' GPT-2, the ckpt.pt of nanoGPT with the same numbers: matrices turned, exact GELU)."""
    torch.manual_seed(5)
    sizes = dict(n_layer=3, n_head=4, n_embd=48, vocab_size=96)
    model = GPT2LMHeadModel(GPT2Config(**sizes, n_positions=40, activation_function="gelu")).eval()
    sd, turned = model.state_dict(), ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    with torch.no_grad():
        for name, w in sd.items():
            if w.ndim == 1:
                w.add_(torch.randn_like(w) / 8)
            if not bias and name.endswith(".bias"):
                w.zero_()
            w.copy_(w.to(dtype))
    state = {f"_orig_mod.{k}": (v.t().contiguous() if k.endswith(turned) else v).to(dtype) for k, v in sd.items()
             if bias or not k.endswith(".bias")}
    arguments = sizes | dict(block_size=40, bias=bias, dropout=0.0)
    return model, {"model": state, "optimizer": {"state": {}}, "model_args": arguments, "iter_num": 7,
                   "best_val_loss": torch.tensor(1.5), "config": {"device": "cuda"}}


def nanogpt(tool, bias, work):
    """A nanoGPT ckpt.pt, which says itself what it is, against transformers."""
    model, checkpoint = nanogpt_model(bias)
    out = os.path.join(work, "out")
    os.makedirs(out)
    torch.save(checkpoint, os.path.join(out, "ckpt.pt"))
    cases, path = os.path.join(work, "cases.jsonl"), os.path.join(work, "rec.h5")
    case_file(cases, 96)
    said = call(tool, "record", out, "--cases", cases, "--at", "hook_logits", "--rows", "all", "--dtype", "f32", "-o", path)
    with h5py.File(path) as f:
        tokens, rows, got = (f[f"case0000/{name}"][:] for name in ("token", "row", "hook_logits"))
    with torch.no_grad():
        want = model(torch.tensor(tokens[None].astype("int64"))).logits[0, rows.tolist()].numpy()
    worst = abs(got - want).max()
    if not worst <= 1e-4 or "left out: 'optimizer', 'iter_num', 'best_val_loss', 'config'" not in said:
        print(f"FAILED: nanoGPT, bias {bias}: logits differ by {worst}, said: {said}")
        return True, got.size
    return False, got.size


def seven_billion(tool, work):
    """A llama of 7 billion parameters in bf16, 13 GB of holes, as torch.save would write it: nothing of it is taken into memory."""
    folder, d, f, v = os.path.join(work, "7b"), 4096, 11008, 32000
    os.makedirs(folder)
    shapes = {"model.embed_tokens.weight": (v, d), "lm_head.weight": (v, d), "model.norm.weight": (d,)}
    for i in range(32):
        at = f"model.layers.{i}."
        shapes |= {at + f"self_attn.{n}_proj.weight": (d, d) for n in "qkvo"}
        shapes |= {at + f"mlp.{n}_proj.weight": (f, d) for n in ("gate", "up")}
        shapes |= {at + "mlp.down_proj.weight": (d, f), at + "input_layernorm.weight": (d,), at + "post_attention_layernorm.weight": (d,)}
    with torch.serialization.skip_data():                       # of memory that nobody touches
        torch.save({k: torch.empty(s, dtype=torch.bfloat16) for k, s in shapes.items()}, os.path.join(folder, "pytorch_model.bin"))
    config = {"model_type": "llama", "hidden_size": d, "intermediate_size": f, "num_hidden_layers": 32, "num_attention_heads": 32,
              "vocab_size": v, "max_position_embeddings": 4096, "tie_word_embeddings": False}
    json.dump(config, open(os.path.join(folder, "config.json"), "w"))
    size = os.path.getsize(os.path.join(folder, "pytorch_model.bin"))
    limit = 150 << 20
    said = call(tool, "inspect", folder, "--json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    inspected = json.loads(said)
    good = size > 13e9 and inspected["n_bytes"] == 2 * inspected["n_parameters"] > 13e9
    if not good:
        print(f"FAILED: 7B: {size} bytes, {said[:200]}")
    return not good, 1


def main():
    tool, fixtures = sys.argv[1:3]
    failed = compared = 0
    parts = [(compare_family, name) for name in FAMILIES] + [(shards, "llama"), (shards, "gpt_neox-parallel"), (scan, "gpt_neox-parallel")]
    for part, name in parts:
        with tempfile.TemporaryDirectory() as work:
            wrong, n = part(tool, os.path.join(fixtures, name), work)
            failed, compared = failed + wrong, compared + n
    for part in (lambda work: nanogpt(tool, True, work), lambda work: nanogpt(tool, False, work), lambda work: seven_billion(tool, work)):
        with tempfile.TemporaryDirectory() as work:
            wrong, n = part(work)
            failed, compared = failed + wrong, compared + n
    print(f"{count(compared)} tables compared, {failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
