#!/usr/bin/env python3
"""The heads of Mamba-2 that stand beside attention (falcon_h1, --heads-of recurrence), against transformers and the rows that recurrent.py
unrolls out of its modules.

    heads_of.py NEEDLESCOPE FIXTURES PYTHON_FOLDER     (NEEDLESCOPE_LIB: the library)

Logits are the bits of the attention's load. hook_pattern is W, hook_z is W v, the heads' results sum to what the module gives and are
hook_attn_out; a head whose result is taken out, keys that a constraint hides, and gradients at hook_z, are PyTorch's with hooks of its own.
Decoding, sharing and threads change nothing; files say which heads they are of."""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import h5py
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))
import recurrent
from compare import close, count, same

T, HEAD = 70, 2
BOUND = 1e-4
LOGITS = "hook_logits"


def at(layer, point):
    return f"blocks.{layer}.attn.hook_{point}"


def referee_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def referee(folder, tokens):
    """Logits, and of each layer W, v without the skip's part, the module's output."""
    model, seen = referee_model(folder), []
    for layer in model.model.layers:
        def after(module, args, kwargs, out):
            weights, v, _ = recurrent.mamba2(module, args[0] if args else kwargs["hidden_states"])
            seen.append((weights.numpy(), v.numpy(), (out[0] if isinstance(out, tuple) else out)[0].numpy()))
        layer.mamba.register_forward_hook(after, with_kwargs=True)
    with torch.inference_mode():
        return model(torch.tensor([tokens]), use_cache=False).logits[0].numpy(), seen


def check_rows(folder, logits, seen, got):
    n, factor = 0, referee_model(folder).config.ssm_out_multiplier
    for l, (weights, v, out) in enumerate(seen):
        for name, want in (("pattern", weights), ("z", np.einsum("hts,shd->thd", weights, v))):
            close(got[at(l, name)], want, BOUND, (l, name), 1 + np.abs(want))
            n += want.size
        close(got[at(l, "result")].sum(1), out, BOUND, (l, "result"), 1 + np.abs(out))
        close(got[f"blocks.{l}.hook_attn_out"], out * factor, BOUND, (l, "attn_out"), 1 + np.abs(out))
        assert np.abs(weights).max() > 1e-3 and np.abs(out).max() > 1e-3, "nothing is tested"
    close(got[LOGITS], logits, BOUND, "logits", 1 + np.abs(logits))
    count(n, "weights and outputs of heads")


def check_ablated(m, folder, tokens, logits):
    """A head's columns of what W_O reads are 0."""
    model = referee_model(folder)
    mixer = model.model.layers[1].mamba
    width = mixer.head_dim

    def before(_, args):
        x = args[0].clone()
        x[..., HEAD * width:(HEAD + 1) * width] = 0
        return (x,)
    mixer.out_proj.register_forward_pre_hook(before)
    with torch.inference_mode():
        want = model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()
    assert np.abs(want - logits).max() > 1e-4, "the head does nothing: nothing is tested"

    def take_out(result, hook):
        result[:, HEAD] = 0
        return result
    close(m.run_with_hooks(tokens, fwd_hooks=[(at(1, "result"), take_out)])[0], want, BOUND, "ablated", 1 + np.abs(want))


def check_constrained(ns, folder, tokens, logits):
    """Rows of the recurrence that see their last 9 keys and the first 3."""
    t, s = torch.arange(T)[:, None], torch.arange(T)[None]
    shown, model = (s <= t) & ((t - s < 9) | (s < 3)), referee_model(folder)
    for layer in model.model.layers:
        def after(module, args, kwargs, out):
            hidden = args[0] if args else kwargs["hidden_states"]
            whole = recurrent.mamba2
            recurrent.mamba2 = lambda m, x: (lambda w, v, skip: (w * shown, v, skip))(*whole(m, x))
            new = recurrent.falcon_h1(module, hidden)[1][None]
            recurrent.mamba2 = whole
            return (new, *out[1:]) if isinstance(out, tuple) else new
        layer.mamba.register_forward_hook(after, with_kwargs=True)
    with torch.inference_mode():
        want = model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()
    assert np.abs(want - logits).max() > 1e-4, "the constraint changes nothing: nothing is tested"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        m = ns.load(folder, heads_of="recurrence", constrain="recurrent=9+3")
    assert "the other mixer that stands beside them is not" in str(said[0].message), said
    close(m.run(tokens, at=LOGITS)[1][LOGITS], want, BOUND, "constrained", 1 + np.abs(want))


def check_gradient(m, folder, tokens):
    """Of three logits by hook_z, which the skip leaves alone: that of what W_O reads, times its gate."""
    rows, model, seen = [20, 45, T - 1], referee_model(folder), {}
    mixer = model.model.layers[1].mamba
    assert not mixer.mamba_rms_norm, "there is a norm between"

    def before(_, args):
        seen["x"] = args[0].detach().requires_grad_()
        return (seen["x"],)
    mixer.out_proj.register_forward_pre_hook(before)
    mixer.in_proj.register_forward_hook(
        lambda _, args, out: seen.update(gate=torch.nn.functional.silu((out * mixer.mup_vector)[..., :mixer.intermediate_size])))
    logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
    by_x = torch.autograd.grad(sum(logits[r, y] for r, y in zip(rows, tokens)), seen["x"])[0][0]
    want = (by_x * seen["gate"][0]).detach().numpy()
    got = m.grad(tokens, {LOGITS: (rows, tokens[:3])}, at(1, "z"))[at(1, "z")]
    close(got.reshape(T, -1), want, BOUND, "gradient", np.abs(want).max())


def check_commands(tool, folder, work):
    tokens, cases = np.random.default_rng(4).integers(3, 60, 90).tolist(), os.path.join(work, "cases.jsonl")
    with open(cases, "w") as f:
        for i, cut in enumerate((60, 75, 90)):
            f.write(json.dumps(dict(id=f"c{i}", tokens=tokens[:cut], answer=tokens[4:6],
                                    spans=dict(needle=[3, 6], needle_answer=[4, 6]))) + "\n")

    def call(name, *extra):
        out = os.path.join(work, name + ".h5")
        done = subprocess.run([tool, *extra, folder, "--cases", cases, "-o", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        assert done.returncode in (0, 1), done.stderr
        with h5py.File(out) as f:
            kinds = [x.decode() if isinstance(x, bytes) else x for x in f["layer_kind"][:]] if "layer_kind" in f else []
            return f.attrs["content_sha256"], f.attrs["arch_sha256"], set(kinds)
    of = ["--heads-of", "recurrence"]
    mass = ["--probe", "retrieval_mass,entropy"]
    plain, recurrence = call("plain", "score", *mass), call("recurrence", "score", *mass, *of)
    assert plain[0] != recurrence[0] and plain[1] != recurrence[1] and recurrence[2] == {"recurrent"} and plain[2] == {"full"}
    for name, extra in (("apart", ["--no-sharing"]), ("threads", ["--threads", "2"]), ("scalar", ["--memory", "1M"])):
        assert call(name, "score", *mass, *of, *extra)[0] == recurrence[0], name
    assert call("default", "score", *mass, "--heads-of", "attention")[:2] == plain[:2]
    for name, *command in (("record", "--maps", "dense"), ("ablate", "--heads", f"1.{HEAD}"), ("patch", "--heads", f"1.{HEAD}")):
        if name != "patch":                              # without twins there is nothing to patch
            assert call(name, name, *command, *of)[1] == recurrence[1], name
    wrong = subprocess.run([tool, "score", os.path.join(folder, "..", "llama"), "--cases", cases, *of, "-o", os.path.join(work, "no.h5")],
                           stderr=subprocess.PIPE, text=True)
    assert wrong.returncode == 2 and "no layer of llama has attention and a recurrence side by side" in wrong.stderr, wrong
    count(8, "commands")


def main():
    tool, fixtures, python = sys.argv[1:4]
    sys.path.insert(0, python)
    import needlescope as ns
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    folder, tokens = os.path.join(fixtures, "falcon_h1"), np.random.default_rng(3).integers(3, 64, T).tolist()
    logits, seen = referee(folder, tokens)
    m = ns.load(folder, heads_of="recurrence")
    got = m.run(tokens, at=[LOGITS, "blocks.*.attn.hook_pattern", "blocks.*.attn.hook_z", "blocks.*.attn.hook_result",
                            "blocks.*.hook_attn_out"])[1]
    same(got[LOGITS], ns.load(folder).run(tokens, at=LOGITS)[1][LOGITS], "the bits of the pass")
    check_rows(folder, logits, seen, got)
    check_ablated(m, folder, tokens, logits)
    check_constrained(ns, folder, tokens, logits)
    check_gradient(m, folder, tokens)
    longer = m.generate(tokens[:50], 6)
    same(longer, ns.load(folder).generate(tokens[:50], 6), "decoding")
    with tempfile.TemporaryDirectory() as work:
        check_commands(tool, folder, work)


if __name__ == "__main__":
    main()
