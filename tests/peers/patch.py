#!/usr/bin/env python3
"""Patching against eager transformers: a planted model and the committed llama and mistral fixtures.

    patch.py NEEDLESCOPE FIXTURES

Every condition of `needlescope patch` (nothing, everything, a set and its controls, each head of the map; both directions, answer rows and
all rows; z, q, k, v) is made again inside transformers, by pre-hooks on o_proj and hooks on q_proj, k_proj and v_proj: logit differences
within 1e-4 (relative to 1 + |d|), recovery within 1e-4, flips equal but for near ties."""
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

from compare import Worst, close


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 1), (command, done.stderr)      # 1: a random model has nothing to recover
    return done.stdout


class Referee:
    def __init__(self, folder, site):
        self.model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        self.heads = self.model.config.num_attention_heads
        self.layers = self.model.model.layers
        self.kept, self.patch = {}, None
        d = self.layers[0].self_attn.o_proj.in_features // self.heads
        for l, layer in enumerate(self.layers):
            if site == "z":
                layer.self_attn.o_proj.register_forward_pre_hook(lambda module, args, l=l: (self.at_site(l, args[0], d),))
            else:
                getattr(layer.self_attn, site + "_proj").register_forward_hook(lambda module, args, out, l=l: self.at_site(l, out, d))

    def at_site(self, l, x, d):
        x = x[0].unflatten(-1, (-1, d)).clone()                    # [row, head or KV head, d]
        if self.patch is not None:
            source, heads, rows = self.patch
            for layer, head in heads:
                if layer == l:
                    head = head * x.shape[1] // self.heads
                    x[-rows:, head] = source[l][-rows:, head]
        self.kept[l] = x
        return x.flatten(-2)[None]

    @torch.inference_mode()
    def run(self, case, patch=None):
        """Logits of the row that predicts the first content token, what the site holds in every layer."""
        self.kept, self.patch = {}, patch
        tokens = case["tokens"] + case["answer"][: case.get("lead", 0)]
        logits = self.model(torch.tensor([tokens])).logits[0, -1].double().numpy()
        return logits, dict(self.kept)


def first(case):
    return case["answer"][case.get("lead", 0)]


def check(tool, folder, path, heads, rows, direction, work, site="z"):
    out = os.path.join(work, "p.h5")
    call(tool, "patch", folder, "--cases", path, "--heads", heads, "--rows", rows, "--direction", direction, "--site", site, "--draws", "3",
         "-q", "-o", out)
    cases = {c["id"]: c for c in map(json.loads, open(path))}
    referee = Referee(folder, site)
    with h5py.File(out) as f:
        assert f.attrs["site"] == site
        text = lambda name: [s if isinstance(s, str) else s.decode() for s in f[name][:]]
        ids, sources, sets = text("case_id"), text("source_id"), text("heads")
        d, says, source_d = f["difference"][:], f["says_source"][:], f["source_difference"][:]
        set_recovery, recovery, mapped = f["set_recovery"][:], f["recovery"][:], f["map_difference"][:]
    L, H = recovery.shape
    conditions = [[tuple(map(int, h.split("."))) for h in s.split(",")] if s else [] for s in sets]
    conditions += [[(l, h)] for l in range(L) for h in range(H)]
    want, there, worst = np.zeros((len(conditions), len(ids))), np.zeros(len(ids)), Worst()
    for i, (to, source) in enumerate(zip(ids, sources)):
        a, b = cases[source], cases[to]
        assert (a.get("twin_of") == to) if direction == "noising" else (b.get("twin_of") == source)
        logits, z = referee.run(a)
        there[i] = logits[first(a)] - logits[first(b)]
        n = len(a["tokens"]) + a.get("lead", 0) if rows == "all" else a.get("lead", 0) + 1
        for k, chosen in enumerate(conditions):
            x, _ = referee.run(b, (z, chosen, n))
            want[k, i] = x[first(a)] - x[first(b)]
            got = d[k, i] if k < len(sets) else mapped[i, (k - len(sets)) // H, (k - len(sets)) % H]
            worst.add(got, want[k, i], (chosen, to), 1 + abs(want[k, i]))
            top = np.sort(x)[-2:]
            assert k >= len(sets) or top[1] - top[0] < 1e-4 or says[k, i] == (x.argmax() == first(a)), (folder, rows, direction, chosen, to)
    close(source_d, there, 1e-4, "source", 1 + np.abs(there).max())
    assert worst.within(1e-4, want.size), (folder, rows, direction, worst)
    gap = (there - want[0]).sum()
    assert np.isfinite(gap) and (gap > 0 or not folder.endswith("planted")), gap
    if gap > 0.05 * np.abs(there - want[0]).sum():                 # a random model may gain nothing on the whole: no ratio then
        ours = np.concatenate([set_recovery, recovery.ravel()])
        close(ours, (want - want[0]).sum(1) / gap, 1e-4, (folder, rows, direction))
    print(f"{os.path.basename(folder)} {site} {rows} {direction}: {want.size} conditions x pairs equal within {worst.most:.1e}, "
          f"gap {gap:.3g}", flush=True)


def random_twins(path, vocab, length):
    rng = np.random.default_rng(5)
    with open(path, "w") as f:
        for i in range(3):
            tokens = rng.integers(3, vocab, length).tolist()
            tokens[10], tokens[16] = 5 + i, 20 + i
            twin = tokens[:-4] + rng.integers(3, vocab, 3).tolist() + tokens[-1:]
            for name, prompt, at, of in (("", tokens, 10, None), ("-swap", twin, 16, f"case{i}")):
                case = dict(id=f"case{i}{name}", tokens=prompt, spans=dict(needle=[at - 1, at + 1], needle_answer=[at, at + 1]),
                            answer=[prompt[at]])
                f.write(json.dumps(case | ({"twin_of": of} if of else {})) + "\n")


def main():
    tool, fixtures = sys.argv[1:3]
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as work:
        planted, path = os.path.join(work, "planted"), os.path.join(work, "cases.jsonl")
        call(tool, "lab", "plant", planted, "--window", "24", "-q")
        call(tool, "cases", "needle", "--model", planted, "--lengths", "60", "--depths", "0,.7", "--count", "1", "--twins", "swap", "-q",
             "-o", path)
        for rows in ("answer", "all"):
            for direction in ("denoising", "noising"):
                check(tool, planted, path, "3.1,4.6", rows, direction, work)
        for site in ("q", "k", "v"):
            check(tool, planted, path, "3.1,4.6", "all", "denoising", work, site)
        for name in ("llama", "mistral"):
            random_twins(path, 64, 30)
            for rows in ("answer", "all"):
                for site in ("z", "q", "k", "v"):
                    check(tool, os.path.join(fixtures, name), path, "1.4,2.0", rows, "denoising", work, site)


if __name__ == "__main__":
    main()
