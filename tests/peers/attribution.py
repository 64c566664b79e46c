#!/usr/bin/env python3
"""Influence by distance, attributions, edges and path patching against PyTorch: transformers in double precision, by autograd and hooks.

    attribution.py NEEDLESCOPE FIXTURES [MODEL]

Norms of every token's gradient (both targets); (x source - x destination) . dd/dx of every head and pair for z, q, k, v; every edge as the
sender's part times the derivative, through the norm, by what q, k or v of a head read; logit differences of every pair under patched paths;
gates, and integrated gradients with what they come to along the embeddings. All within 1e-4 of the largest.
MODEL: a folder, such as SmolLM2; its texts and pairs are random tokens too."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import torch.nn.functional as F
import transformers

from compare import Worst
from of_transformers import in_double, load
from patch import first, random_twins

BOUND = 1e-4
LAST = 5
INFLUENCE = ["llama", "gemma2", "gemma3", "olmo2", "gpt_neox-parallel", "qwen3_next", "mixtral", "falcon_h1", "jamba"]
# Of attention in every layer, whose modules have one set of names; of a recurrence in every layer.
HEADS = ["llama", "mistral", "gemma2", "gemma3", "olmo2", "qwen3", "recurrent"]


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 1), (command, done.stderr)      # 1: a random model has nothing to recover
    return done.stdout


# ---- influence by distance ----

def embedding_gradient(model, ids, target):
    kept = []
    handle = model.get_input_embeddings().register_forward_hook(lambda m, i, o: kept.append(o.detach().requires_grad_()) or kept[-1])
    with in_double():
        mean = model(torch.tensor([ids]), use_cache=False).logits[0, -LAST:].mean(0)
        (mean.sum() if target == "logit_sum" else mean.max()).backward()
    handle.remove()
    return kept[0].grad[0]


def influence(tool, folder, model, name, work, lengths=(40, 33)):
    rng, path, out, worst = np.random.default_rng(3), os.path.join(work, "t.jsonl"), os.path.join(work, "g.h5"), Worst()
    texts = {f"t{i}": rng.integers(3, min(model.config.vocab_size, 4000), n).tolist() for i, n in enumerate(lengths)}
    with open(path, "w") as f:
        f.writelines(json.dumps(dict(id=k, tokens=v)) + "\n" for k, v in texts.items())
    # of these the embeddings are scaled inside the model, behind inputs_embeds
    scale = model.config.hidden_size ** -.5 if model.config.model_type == "gemma2" else 1 / getattr(model.config, "embedding_multiplier", 1)
    for target in ("logit_sum", "logit_max"):
        call(tool, "gradient", folder, "--text", path, "--target", target, "--last", str(LAST), "--window", "8", "-q", "-o", out)
        with h5py.File(out) as f:
            norm, mean, sums, count = (f[k][:] for k in ("grad_norm", "mean_grad_norm", "sum_grad_norm", "sample_count"))
            relative, shuffled = f["relative_norm"][:], f["shuffled_grad_norm"][:]
            assert f.attrs["target"] == target and list(f["text_tokens"][:]) == list(lengths)
        want = np.full(norm.shape, np.nan)
        for i, ids in enumerate(texts.values()):
            want[i, : len(ids)] = embedding_gradient(model, ids, target).norm(dim=1).flip(0).numpy() * scale
        assert (np.isnan(norm) == np.isnan(want)).all() and np.isfinite(shuffled[~np.isnan(want)]).all()
        assert (np.abs(shuffled - norm)[~np.isnan(want)] > 0).any()
        worst.add(np.nan_to_num(norm), np.nan_to_num(want), f"{name}: {target}", scale=np.nanmax(want))
        for got, by in ((sums, np.nansum(want, 0)), (mean, np.nanmean(want, 0)), (count, (~np.isnan(want)).sum(0)),
                        (relative, np.nanmean(want, 0) / np.nanmean(want[:, 8:]))):
            worst.add(got, by, f"{name}: {target}, means", scale=np.abs(by).max())
    return worst


# ---- pairs ----

class Pass:
    """One pass with everything kept by layer: z, q, k, v, what enters the layer, what attention adds; `edit` may change any."""
    def __init__(self, model):
        self.model, self.layers, self.kept, self.edit = model, model.model.layers, {}, {}
        self.heads, self.count = self.counts(model.config)
        for l, layer in enumerate(self.layers):
            layer.register_forward_pre_hook(lambda m, args, kw, l=l: ((self.see("stream", l, args[0]),) + args[1:], kw), with_kwargs=True)
            self.watch(l, layer).register_forward_hook(lambda m, args, out, l=l: self.see_added(l, out))

    def counts(self, config):
        """Of heads; of what they have each, or share."""
        return config.num_attention_heads, dict(z=config.num_attention_heads, q=config.num_attention_heads,
                                                k=config.num_key_value_heads, v=config.num_key_value_heads)

    def watch(self, l, layer):
        """Hooks at z, q, k and v; what adds to the stream."""
        attn = layer.self_attn
        attn.o_proj.register_forward_pre_hook(lambda m, args: (self.see("z", l, args[0]),))
        for x in "qkv":
            getattr(attn, x + "_proj").register_forward_hook(lambda m, args, out, x=x: self.see(x, l, out))
        return layer.post_attention_layernorm if self.normed_behind() else attn

    def normed_behind(self):
        return self.model.config.model_type in ("gemma3_text", "gemma2", "olmo2")

    def see(self, what, l, x):
        x = self.edit[what, l](x) if (what, l) in self.edit else x
        if self.gradients:
            x = x if x.requires_grad else x.clone().requires_grad_()
            x.retain_grad()
        self.kept[what, l] = x
        return x

    def see_added(self, l, out):
        self.kept["added", l] = (out[0] if isinstance(out, tuple) else out).detach()

    def run(self, case, edit=None, gradients=False):
        self.kept, self.edit, self.gradients = {}, edit or {}, gradients
        with in_double(), torch.set_grad_enabled(gradients):
            logits = self.model(torch.tensor([case["tokens"] + case["answer"][: case.get("lead", 0)]]), use_cache=False).logits[0, -1]
        return logits, dict(self.kept)

    def reads(self, l, x, what):
        """q, k or v of a layer out of the stream."""
        layer = self.layers[l]
        normed = x if self.model.config.model_type == "olmo2" else layer.input_layernorm(x)
        w = getattr(layer.self_attn, what + "_proj")
        return torch.nn.functional.linear(normed, w.weight, w.bias)

    def change(self, l, x, part, what):
        """What reads() gives more, to first order, with the part in the stream."""
        return torch.func.jvp(lambda x: self.reads(l, x, what), (x,), (part,))[1]


class RecurrentPass(Pass):
    """Of Gated DeltaNet in every layer: q and k before their activation, v behind it, z before norm and gate."""
    def counts(self, config):
        values, keys = config.linear_num_value_heads, config.linear_num_key_heads
        return values, dict(z=values, q=keys, k=keys, v=values)

    def watch(self, l, layer):
        mixer = layer.linear_attn
        mixer.causal_conv1d_fn = lambda x, **_: self.convolved(l, mixer, x)
        mixer.norm.register_forward_pre_hook(lambda m, args: (self.see("z", l, args[0].view(1, -1, mixer.value_dim)).view(args[0].shape),
                                                              args[1]))
        return mixer

    def split(self, mixer, x):
        """What comes out of the convolution: q, k, v."""
        q, k, v = mixer.conv1d(x)[..., : x.shape[-1]].transpose(1, 2).split([mixer.key_dim, mixer.key_dim, mixer.value_dim], -1)
        return dict(q=q, k=k, v=F.silu(v))

    def convolved(self, l, mixer, x):
        q, k, v = (self.see(what, l, part) for what, part in self.split(mixer, x).items())
        return torch.cat([F.silu(q), F.silu(k), v], -1).transpose(1, 2)

    def reads(self, l, x, what):
        return self.of_normed(l, self.layers[l].input_layernorm(x), what)

    def change(self, l, x, part, what):
        """The norm to first order; behind it as it is: v is read behind its activation."""
        normed, along = torch.func.jvp(self.layers[l].input_layernorm, (x,), (part,))
        return self.of_normed(l, normed + along, what) - self.of_normed(l, normed, what)

    def of_normed(self, l, normed, what):
        mixer = self.layers[l].linear_attn
        q, k, v, *_ = mixer.fix_query_key_value_ordering(mixer.in_proj_qkvz(normed), mixer.in_proj_ba(normed))
        return self.split(mixer, torch.cat([y.flatten(2) for y in (q, k, v)], -1).transpose(1, 2))[what]


def difference(logits, pair):
    return logits[first(pair[0])] - logits[first(pair[1])]


def of_head(x, h, n):
    return x.unflatten(-1, (n, -1))[..., h, :]


def put_head(own, other, h, n):
    out = own.clone().unflatten(-1, (n, -1))
    out[..., h, :] = other.unflatten(-1, (n, -1))[..., h, :]
    return out.flatten(-2)


def last_row(x, other):
    """Of the answer's row alone, which is the last."""
    out = x.clone()
    out[:, -1] = other[:, -1]
    return out


def part_of(p, pair, source, own, sender):
    """What the sender's z of the source adds to the stream, less what it adds by itself."""
    l, h = sender
    _, with_it = p.run(pair[1], {("z", l): lambda z: last_row(z, put_head(z, source["z", l], h, p.heads))})
    return with_it["added", l] - own["added", l]


def by_head(p, what, change, gradient, rows):
    n = p.count[what]
    product = (change * gradient)[0, -rows:].unflatten(-1, (n, -1)).sum((0, 2))
    return product.repeat_interleave(p.heads // n).numpy()


def attributions(p, pair, rows):
    _, source = p.run(pair[0])
    logits, own = p.run(pair[1], gradients=True)
    difference(logits, pair).backward()
    return source, own, {(what, l): by_head(p, what, source[what, l] - x.detach(), x.grad, rows)
                         for (what, l), x in own.items() if what in "zqkv"}


def integrated(p, pair, rows, steps):
    """{(what, layer): [heads]}, and the same of what enters the first layer, summed."""
    _, source = p.run(pair[0])
    _, own = p.run(pair[1])
    begin, along, mean = own["stream", 0], source["stream", 0] - own["stream", 0], {}
    for i in range(steps):
        logits, here = p.run(pair[1], {("stream", 0): lambda x, i=i: begin + (i + .5) / steps * along}, gradients=True)
        difference(logits, pair).backward()
        for k, x in here.items():
            if k[0] != "added":
                mean[k] = mean.get(k, 0) + x.grad / steps
    heads = {k: by_head(p, k[0], source[k] - own[k], mean[k], rows) for k in mean if k[0] in "zqkv"}
    return heads, (along * mean["stream", 0]).sum().item()


def edges_of(p, pair, source, own):
    """{(sender, what, layer): [heads or KV heads]}"""
    out, L = {}, len(p.layers)
    for sender in ((l, h) for l in range(L - 1) for h in range(p.heads)):
        part = part_of(p, pair, source, own, sender)
        for l in range(sender[0] + 1, L):
            for what in "qkv":
                n = p.count[what]
                with in_double():
                    change = p.change(l, own["stream", l].detach(), part, what)
                out[sender, what, l] = (change * own[what, l].grad)[0, -1].unflatten(-1, (n, -1)).sum(-1).detach().numpy()
    return out


def texts_of(f, name):
    return [s if isinstance(s, str) else s.decode() for s in f[name][:]]


def check_attributions(tool, folder, p, cases, path, name, work):
    worst, out = Worst(), os.path.join(work, "a.h5")
    for rows in ("answer", "all"):
        for site in "zqkv":
            more = ["--edges", "7"] if (site, rows) == ("z", "answer") else []
            call(tool, "attribute", folder, "--cases", path, "--site", site, "--rows", rows, "-q", "-o", out, *more)
            with h5py.File(out) as f:
                got, pairs = f["case_attribution"][:], list(zip(texts_of(f, "source_id"), texts_of(f, "case_id")))
                edges = [f[k][:] for k in ("edge_q", "edge_k", "edge_v")] if more else None
            want, summed = np.zeros(got.shape), 0
            for i, (a, b) in enumerate(pairs):
                pair = cases[a], cases[b]
                source, own, by = attributions(p, pair, 1 if rows == "answer" else len(pair[1]["tokens"]))
                want[i] = [by[site, l] for l in range(len(p.layers))]
                found = edges_of(p, pair, source, own) if more else {}
                summed = {k: v + (summed[k] if summed else 0) for k, v in found.items()} if more else 0
            worst.add(got, want, f"{name}: {site} {rows}", scale=np.abs(want).max())
            if more:
                most = max(np.abs(v).max() for v in summed.values())
                for ((l, h), what, to), v in summed.items():
                    first_of_group = p.heads // len(v) if what == "q" else 1
                    got = edges["qkv".index(what)][l * p.heads + h, to, ::first_of_group][: len(v)] * len(pairs)
                    worst.add(got, v, f"{name}: edge {l}.{h}:{to}.{what}", scale=most)
    return worst


STEPS = 3


def check_integrated(tool, folder, p, cases, path, name, work):
    worst, out = Worst(), os.path.join(work, "i.h5")
    for rows, site in (("answer", "z"), ("all", "k"), ("all", "z")):
        call(tool, "attribute", folder, "--cases", path, "--site", site, "--rows", rows, "--steps", str(STEPS), "-q", "-o", out)
        with h5py.File(out) as f:
            got, integral = f["case_attribution"][:], f["integral"][:]
            pairs = [(cases[a], cases[b]) for a, b in zip(texts_of(f, "source_id"), texts_of(f, "case_id"))]
            assert f.attrs["steps"] == str(STEPS) and f.attrs["rows"] == rows
        for i, pair in enumerate(pairs):
            by, along = integrated(p, pair, 1 if rows == "answer" else len(pair[1]["tokens"]), STEPS)
            want = np.array([by[site, l] for l in range(len(p.layers))])
            worst.add(got[i], want, f"{name}: {site} {rows}, {STEPS} steps", scale=np.abs(want).max())
            worst.add(integral[i], along, f"{name}: integral", scale=1 + abs(along))
    return worst


def check_gates(tool, folder, p, cases, path, name, work):
    worst, out = Worst(), os.path.join(work, "s.h5")
    call(tool, "attribute", folder, "--cases", path, "--site", "q", "--gates", "--recompute", "-q", "-o", out)
    with h5py.File(out) as f:
        got, pairs = f["case_gate"][:], list(zip(texts_of(f, "source_id"), texts_of(f, "case_id")))
    for i, (a, b) in enumerate(pairs):
        pair = cases[a], cases[b]
        logits, own = p.run(pair[1], gradients=True)
        difference(logits, pair).backward()
        want = np.array([by_head(p, "z", -own["z", l].detach(), own["z", l].grad, 1) for l in range(len(p.layers))])
        worst.add(got[i], want, f"{name}: gates", scale=np.abs(want).max())
    return worst


def check_paths(tool, folder, p, cases, path, name, work):
    out, worst, L = os.path.join(work, "p.h5"), Worst(), len(p.layers)
    paths = [f"0.1:{L - 1}.2.q", f"0.1:1.0.v", f"0.0:{L - 1}.2.q", f"0.0:1.0.k", "0.1:logits"]
    call(tool, "patch", folder, "--cases", path, "--path", ",".join(paths), "--draws", "2", "-q", "-o", out)
    with h5py.File(out) as f:
        kinds, chosen = texts_of(f, "kind"), [s.split(",") if s else [] for s in texts_of(f, "paths")]
        got, pairs = f["difference"][:], list(zip(texts_of(f, "source_id"), texts_of(f, "case_id")))
    assert kinds.count("control") == 2 and kinds.count("path") == len(paths) and sorted(chosen[kinds.index("target")]) == sorted(paths)
    for i, (a, b) in enumerate(pairs):
        pair = cases[a], cases[b]
        _, source = p.run(pair[0])
        logits, own = p.run(pair[1])
        for k, edges in enumerate(chosen):
            if not edges:
                continue
            inputs, final = {}, 0
            for edge in edges:
                sender, receiver = edge.split(":")
                part = part_of(p, pair, source, own, tuple(map(int, sender.split("."))))
                if receiver == "logits":
                    final = final + part
                else:
                    inputs[receiver] = inputs.get(receiver, 0) + part
            edit = {}
            for receiver, part in inputs.items():
                l, h, what = receiver.split(".")
                l, n = int(l), p.count[what]
                with in_double(), torch.no_grad():
                    x = p.reads(l, own["stream", l] + part, what)
                before = edit.get((what, l), lambda y: y)
                edit[what, l] = lambda y, x=x, h=int(h) * n // p.heads, n=n, before=before: last_row(y, put_head(before(y), x, h, n))
            end = p.model.model.norm.register_forward_pre_hook(lambda m, args: (args[0] + final,)) if torch.is_tensor(final) else None
            x, _ = p.run(pair[1], edit)
            if end:
                end.remove()
            want = difference(x, pair).item()
            worst.add(got[k, i], want, f"{name}: {edges}", scale=1 + abs(want))
    return worst


def check_patches(tool, folder, p, cases, path, name, work):
    """Every head by itself, at every site."""
    out, worst = os.path.join(work, "p.h5"), Worst()
    for rows, site in ((rows, site) for rows in ("answer", "all") for site in "zqkv"):
        call(tool, "patch", folder, "--cases", path, "--site", site, "--rows", rows, "-q", "-o", out)
        with h5py.File(out) as f:
            got, pairs = f["map_difference"][:], list(zip(texts_of(f, "source_id"), texts_of(f, "case_id")))
        for i, l, h in np.ndindex(got.shape):
            pair, n = [cases[c] for c in pairs[i]], p.count[site]
            source, mine = p.run(pair[0])[1][site, l], h * n // p.heads
            edit = lambda x: put_head(x, source if rows == "all" else last_row(x, source), mine, n)
            want = difference(p.run(pair[1], {(site, l): edit})[0], pair).item()
            worst.add(got[i, l, h], want, f"{name}: {site} {rows} {l}.{h}", scale=1 + abs(want))
    return worst


def recurrent(work):
    """Three heads to a q and a k that are wider than any head's z: a model of that class alone."""
    config = transformers.Qwen3NextConfig(
        vocab_size=64, hidden_size=24, intermediate_size=36, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        linear_num_key_heads=2, linear_num_value_heads=6, linear_key_head_dim=14, linear_value_head_dim=7, linear_conv_kernel_dim=4,
        num_experts=0, mlp_only_layers=[0, 1, 2], layer_types=["linear_attention"] * 3, max_position_embeddings=96)
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for p in model.parameters():
            p += .15 * torch.randn_like(p)
    folder = os.path.join(work, "recurrent")
    model.save_pretrained(folder)
    return folder


def check_pairs(tool, folder, name, work, length=30):
    model, path = load(folder), os.path.join(work, "cases.jsonl")
    random_twins(path, min(model.config.vocab_size, 64), length)
    cases = {c["id"]: c for c in map(json.loads, open(path))}
    p = RecurrentPass(model) if name == "recurrent" else Pass(model)
    checks = [check_attributions, check_paths, check_integrated, check_gates] + ([check_patches] if name == "recurrent" else [])
    return [check(tool, folder, p, cases, path, name, work) for check in checks]


def main():
    tool, fixtures = sys.argv[1:3]
    torch.set_num_threads(1)
    bad = []
    with tempfile.TemporaryDirectory() as work:
        folders = {n: os.path.join(fixtures, n) for n in dict.fromkeys(INFLUENCE + HEADS)} | {"recurrent": recurrent(work)}
        folders = folders if len(sys.argv) < 4 else {"model": sys.argv[3]}
        for name, folder in folders.items():
            found = [("influence", influence(tool, folder, load(folder), name, work))] if name in INFLUENCE + ["model"] else []
            if name in HEADS:
                found += zip(("attributions and edges", "paths", "integrated gradients", "gates", "patches"),
                             check_pairs(tool, folder, name, work))
            for what, worst in found:
                print(f"{name}: {what}: {worst}", flush=True)
                bad += [name] if not worst.most <= BOUND else []
    if bad:
        sys.exit(f"wrong: {', '.join(bad)}")


if __name__ == "__main__":
    main()
