#!/usr/bin/env python3
"""The way back through a model of each family against torch.autograd, from the same checkpoint on the same batch.

    backward.py of_transformers|of_fla PEER_TRAIN FIXTURES PAGE [--page | NAME ...]

Every tensor's gradient of the mean cross-entropy, and its gradient by the embeddings (m.grad): within 1e-4 of the largest of each. Then
three steps of AdamW, and a checkpoint that the other side loads: the same loss within 1e-4. The table that it makes
is in PAGE; --page writes it there."""
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from compare import Worst

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "notebooks_export"), os.path.join(HERE, "..", "golden")]
import needlescope as ns
import page

BOUND, STEPS = 1e-4, 3


def run(peer, folder, out, size):
    keys = dict(batch=size[0], length=size[1], optimizer="adamw", lr=1e-3, warmup=0, clip=0, weight_decay=0, steps=STEPS)
    path = os.path.join(out, "run.json")
    json.dump(keys, open(path, "w"))
    subprocess.run([peer, path, out, str(STEPS), folder], check=True)
    tokens = np.fromfile(os.path.join(out, "tokens.i32"), np.int32).reshape(STEPS, *size)
    return torch.from_numpy(tokens.astype(np.int64)), np.fromfile(os.path.join(out, "losses.f64"))


def gradients(source, model, tokens):
    """The loss, and its derivatives: of each tensor, by what enters the first layer, by the logits."""
    entered = []
    first = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))[0]
    first.register_forward_pre_hook(lambda _, args, named: entered.append(args[0] if args else named["hidden_states"]), with_kwargs=True)
    with source.precision():
        logits = source.logits(model, tokens[:, :-1])
        for x in (logits, entered[0]):
            x.retain_grad()
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
        loss.backward()
    return loss.item(), {k: p.grad for k, p in model.named_parameters() if p.grad is not None}, entered[0].grad, logits.grad


def of_same_name(name, ours):
    """Some classes are nested deeper than their files."""
    for candidate in (name, name.removeprefix("transformer."), name.removeprefix("model."), name.replace("lm_head", "embed_out"),
                      name.replace("model.", "backbone.", 1)):
        if candidate in ours:
            return candidate
    raise SystemExit(f"no gradient of {name} among {sorted(ours)[:8]} ...")


def stack(ours, names):
    """Ours of each expert as the tensors of all that transformers 5 makes of them."""
    stacked = {"gate_up_proj": ("gate_proj", "up_proj"), "up_proj": ("up_proj",), "down_proj": ("down_proj",)}
    for at, part in (k.rsplit(".", 1) for k in names if k not in ours):
        files = stacked.get(part, ()) if at.endswith(".experts") else ()
        for at in (at, at.replace("model.", "backbone.", 1)) if files else ():
            experts = [e for e in range(1000) if f"{at}.{e}.{files[0]}.weight" in ours]
            if experts:
                ours[f"{at}.{part}"] = torch.stack([torch.cat([ours.pop(f"{at}.{e}.{f}.weight") for f in files]) for e in experts])


def of_tensors(out, name, loss, losses, want):
    ours, worst, seen, where = load_file(os.path.join(out, "gradients.safetensors")), Worst(), set(), "the loss"
    stack(ours, want)
    worst.add(losses[:1], np.array([loss]), f"{name}: loss")
    for k, g in want.items():
        if k not in ours and not g.any():               # a router among one expert
            continue
        at = of_same_name(k, ours)
        seen.add(at)
        before = worst.most
        worst.add(ours[at].double().reshape(g.shape), g, f"{name}: {k}", scale=g.abs().max().clamp_min(1e-12).item())
        where = k if worst.most > before else where
        if os.environ.get("EACH"):
            print(f"  {(ours[at].double().reshape(g.shape) - g).abs().max() / g.abs().max():.1e} of {g.abs().max():.1e} {k}")
    idle = {k for k in set(ours) - seen if not ours[k].any()}              # a choice bias, the constants of xIELU: buffers there
    assert seen | idle == set(ours), f"{name}: gradients of nothing: {sorted(set(ours) - seen - idle)[:5]}"
    return worst, f"{len(seen)} tensors {worst.most:.1e} ({where})"


def of_embeddings(folder, name, tokens, by_logits, want):
    worst, rows = Worst(), range(tokens.shape[1] - 1)
    with ns.load(folder) as m:
        for ids, seed, by_embedding in zip(tokens.numpy(), by_logits.numpy(), want):
            got = m.grad(ids[:-1], {"hook_logits": (rows, seed)}, "hook_embed")["hook_embed"]
            worst.add(got.reshape(by_embedding.shape), by_embedding, f"{name}: embeddings", scale=want.abs().max().item())
    return worst


@torch.no_grad()
def of_checkpoint(source, out, name, tokens):
    again = source.exact(os.path.join(out, f"step{STEPS:06d}"))
    logits = np.fromfile(os.path.join(out, "logits.f32"), np.float32).reshape(*tokens.shape, -1)
    with source.precision():
        want = source.logits(again, tokens)
    worst = Worst()
    worst.add(logits, want, f"{name}: logits of the checkpoint")
    return worst


def check(source, peer, folder, name):
    """The largest differences: of tensors' gradients, of the embeddings', of the logits after three steps."""
    with tempfile.TemporaryDirectory() as out:
        tokens, losses = run(peer, folder, out, source.SIZE)
        loss, want, by_embedding, by_logits = gradients(source, source.load(folder), tokens[0])
        tensors, note = of_tensors(out, name, loss, losses, want)
        embeddings = of_embeddings(folder, name, tokens[0], by_logits, by_embedding)
        trained = of_checkpoint(source, out, name, tokens[0])
    print(f"{name}: {note}, embeddings {embeddings.most:.1e}, logits after {STEPS} steps {trained.most:.1e}", flush=True)
    return [w.most for w in (tensors, embeddings, trained)]


def main(source, peer, fixtures, path, chosen):
    source, whole = importlib.import_module(source), chosen in ([], ["--page"])
    with tempfile.TemporaryDirectory() as folder:
        models = source.models(fixtures, folder)
        models = models if whole else {n: models[n] for n in chosen}
        found = {n: check(source, peer, p, n) for n, p in models.items()}
        title = f"{source.TITLE} {importlib.metadata.version(source.TITLE)}"
        table = page.gradients(title, {n: (models[n], found[n]) for n in models})
    bad = [n for n in found if not all(x <= BOUND for x in found[n])]
    if bad or len(models) < (source.LEAST if whole else 1):
        sys.exit(f"{len(models)} models; wrong: {', '.join(bad) or 'none'}")
    if chosen == ["--page"]:
        page.write(table, path)
    elif whole:
        page.check_gradients(table, path)
    print(f"{len(models)} models, each tensor's gradient within {BOUND} of its largest")


if __name__ == "__main__":
    main(*sys.argv[1:5], sys.argv[5:])
