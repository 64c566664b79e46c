#!/usr/bin/env python3
"""Constraints against eager transformers, which is given masks made by hand.

    constrain.py NEEDLESCOPE FIXTURES PYTHON_FOLDER     (NEEDLESCOPE_LIB: the library)

Before each layer's attention its 4-D mask is replaced: of the keys that the layer's own mask shows, a row keeps its last W and those of the
first S positions. Logits of every row and attention of every head within 1e-4 (relative to 1 + |x|), in full, sliding, chunked layers, with
logits of sinks, and where layers are recurrent: there the weights W[t, s] (recurrent.py) of other keys are dropped and what the layer
makes of the rest goes on. W as long as the prompt changes no bit. Decoding sees what a pass over all tokens sees. Files say the
constraint."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))
import recurrent
from compare import Worst, close, count, same

T = 70
# A fixture, what is constrained, and the bound of each layer: (W, S), None = as the model has it.
RUNS = [("llama", ["full=9+3"], [(9, 3)] * 4), ("llama", ["full=9"], [(9, 0)] * 4),
        ("llama", ["0", "2-3=5+1"], [(5, 1), None, (5, 1), (5, 1)]),
        ("gemma3", ["full=9+3"], [None, None, (9, 3), None]), ("gemma3", ["full=9+3", "swa=3+1"], [(3, 1), (3, 1), (9, 3), (3, 1)]),
        ("gpt_oss", ["full=40+2", "0=4"], [(4, 0), (40, 2), None, (40, 2)]), ("llama4", ["swa=4+2", "full=11+5"], [(4, 2)] * 3 + [(11, 5)]),
        ("mistral", ["swa=4+2"], [(4, 2)] * 4), ("minimax", ["full=9+3"], [(9, 3), None] * 2),
        ("minimax", ["recurrent=9+3"], [None, (9, 3)] * 2), ("minimax", ["full=6", "1,3=17"], [(6, 0), (17, 0)] * 2)]


def shown(bound):
    """[T, T]: the keys of each row that a constraint leaves."""
    t, s = torch.arange(T)[:, None], torch.arange(T)[None]
    return (s <= t) & ((t - s < bound[0]) | (s < bound[1]))


def constrain_attention(module, bound):
    def before(_, args, kwargs):
        own = kwargs["attention_mask"]
        assert own is not None and own.shape[-2:] == (T, T)
        return args, kwargs | dict(attention_mask=torch.where(shown(bound), own, torch.finfo(own.dtype).min))
    module.register_forward_pre_hook(before, with_kwargs=True)


def constrain_lightning(module, bound):
    """minimax: the layer's own output, made of the rows that recurrent.py unrolls, less what is dropped."""
    def after(_, args, kwargs, out):
        hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        module.forward, kept = type(module).forward.__get__(module), module._forward_hooks.copy()
        module._forward_hooks.clear()
        weights = recurrent.lightning(module, hidden)[0].double() * shown(bound)
        module._forward_hooks.update(kept)
        v = torch.split(torch.nn.functional.silu(module.qkv_proj(hidden[0])).reshape(T, module.num_attention_heads, 3 * module.head_dim),
                        module.head_dim, dim=2)[2].transpose(0, 1).double()
        z = module.norm((weights @ v).transpose(0, 1).reshape(1, T, -1).float())
        return (module.out_proj(torch.sigmoid(module.output_gate(hidden)) * z), weights.float()[None], *out[2:])
    module.register_forward_hook(after, with_kwargs=True)


def is_linear(layer):
    return "Lightning" in type(layer.self_attn).__name__


def referee_model(folder, bounds):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    for layer, bound in zip(model.model.layers, bounds, strict=True):
        if bound:
            (constrain_lightning if is_linear(layer) else constrain_attention)(layer.self_attn, bound)
    return model


def referee(folder, bounds, tokens):
    """Logits [T, V], attention by layer."""
    model, seen = referee_model(folder, bounds), {}
    for l, (layer, bound) in enumerate(zip(model.model.layers, bounds)):
        if bound or not is_linear(layer):
            layer.self_attn.register_forward_hook(lambda m, args, out, l=l: seen.__setitem__(l, out[1][0].numpy()))
    with torch.inference_mode():
        return model(torch.tensor([tokens]), use_cache=False).logits[0].numpy(), seen


def check_gradient(m, folder, words, bounds, tokens):
    """Of the largest logits of three rows by what enters the first layer, as autograd has it; a recurrence that is constrained says that it
    has none."""
    rows = [20, 45, T - 1]
    seed = {"hook_logits": (rows, tokens[:3])}
    if "minimax" in folder and any(b and l % 2 for l, b in enumerate(bounds)):
        try:
            m.grad(tokens, seed, "blocks.0.hook_resid_pre")
        except Exception as e:
            assert "a constraint on a recurrence cannot be walked back" in str(e), e
            return
        raise AssertionError("a constrained recurrence was walked back")
    model, seen = referee_model(folder, bounds), {}
    model.model.layers[0].register_forward_pre_hook(lambda _, args: seen.update(x=args[0].requires_grad_()))
    logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
    want = torch.autograd.grad(sum(logits[r, y] for r, y in zip(rows, tokens)), seen["x"])[0][0].numpy()
    close(m.grad(tokens, seed, "blocks.0.hook_resid_pre")["blocks.0.hook_resid_pre"], want, 1e-4, (folder, words), np.abs(want).max())


def check(ns, folder, words, bounds, tokens):
    logits, patterns = referee(folder, bounds, tokens)
    m, worst, n = ns.load(folder, constrain=words), Worst(), 0
    got = m.run(tokens, at=["hook_logits", "blocks.*.attn.hook_pattern"])[1]
    worst.add(got["hook_logits"], logits, "logits", 1 + np.abs(logits))
    for l, want in patterns.items():
        worst.add(got[f"blocks.{l}.attn.hook_pattern"], want, l, 1 + np.abs(want))
        n += want.size
    assert worst.within(1e-4, len(patterns) + 1), (folder, words, worst)
    plain = ns.load(folder).run(tokens, at=["hook_logits"])[1]["hook_logits"]
    assert np.abs(plain - logits).max() > 1e-3, "the constraint changes nothing: nothing is tested"
    whole = ns.load(folder, constrain=[w.split("=")[0] + f"={T}" if "=" in w else w for w in words])
    same(whole.run(tokens, at=["hook_logits"])[1]["hook_logits"], plain, (folder, "W = T"))
    check_gradient(m, folder, words, bounds, tokens)
    greedy = int(np.argmax(got["hook_logits"][-1]))
    assert m.generate(tokens, 1)[0] == greedy, (folder, "decoding")
    longer = m.generate(tokens[:50], 6)
    row = m.run(tokens[:50] + list(longer[:5]), at=["hook_logits"])[1]["hook_logits"][-6:]
    same(np.argmax(row, -1), longer, (folder, "greedy, token by token"))
    print(f"{os.path.basename(folder)} {','.join(words)}: {logits.size} logits, {n} weights within {worst.most:.1e}", flush=True)
    return n


def check_commands(tool, folder, work):
    """The files of commands say it, under one name; a file without a constraint does not, nor does its hash."""
    def call(*command):
        done = subprocess.run([tool, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 1), (command, done.stderr)
    cases, heads = os.path.join(work, "cases.jsonl"), "1.0,2.1"
    with open(cases, "w") as f:
        f.write('{"id": "a", "tokens": [1,2,3,4,5,6,7,8], "answer": [4], "spans": {"needle": [2, 4], "needle_answer": [3, 4]}}\n'
                '{"id": "b", "tokens": [1,2,9,4,5,6,7,8], "answer": [9], "twin_of": "a", '
                '"spans": {"needle": [1, 3], "needle_answer": [2, 3]}}\n')
    for name, *command in (("score", "--probe", "retrieval_find"), ("record", "--maps", "dense"), ("ablate", "--heads", heads),
                           ("patch", "--heads", heads)):
        said = []
        for extra in ([], ["--constrain", "full=3+1"]):
            out = os.path.join(work, f"{name}{len(extra)}.h5")
            call(name, folder, "--cases", cases, *command, *extra, "-o", out)
            with h5py.File(out) as f:
                said.append((f.attrs.get("constrain"), f.attrs["content_sha256"], f.attrs["arch_sha256"]))
        assert [x[0] for x in said] == [None, "0,1,2,3=3+1"] and said[0][1] != said[1][1] and said[0][2] == said[1][2], (name, said)
    count(4, "commands")


def check_sharing(tool, folder, work):
    """Cases that begin alike share their beginning: also where a recurrence's rows are made anew."""
    cases, tokens = os.path.join(work, "alike.jsonl"), np.random.default_rng(4).integers(3, 60, 90).tolist()
    with open(cases, "w") as f:
        for i, cut in enumerate((60, 75, 90)):
            f.write(json.dumps(dict(id=f"c{i}", tokens=tokens[:cut], answer=tokens[4:6],
                                    spans=dict(needle=[3, 6], needle_answer=[4, 6]))) + "\n")
    got = []
    for i, extra in enumerate(([], ["--no-sharing"], ["--threads", "2"])):
        out = os.path.join(work, f"alike{i}.h5")
        done = subprocess.run([tool, "score", folder, "--cases", cases, "--probe", "retrieval_mass,entropy", "--constrain",
                               "full=11+2,recurrent=13+1", *extra, "-o", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 1), done.stderr
        with h5py.File(out) as f:
            got.append(np.concatenate([f[name][:].ravel() for name in ("retrieval_mass", "entropy")]))
    same(got[0], got[1], "sharing", nan=True)
    same(got[0], got[2], "threads", nan=True)


def main():
    tool, fixtures, python = sys.argv[1:4]
    sys.path.insert(0, python)
    import needlescope as ns
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    tokens = np.random.default_rng(3).integers(3, 64, T).tolist()
    n = sum(check(ns, os.path.join(fixtures, name), words, bounds, tokens) for name, words, bounds in RUNS)
    count(n, "weights")
    with tempfile.TemporaryDirectory() as work:
        check_commands(tool, os.path.join(fixtures, "llama"), work)
        check_sharing(tool, os.path.join(fixtures, "minimax"), work)


if __name__ == "__main__":
    main()
