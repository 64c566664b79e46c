#!/usr/bin/env python3
"""Interventions against eager transformers: a planted model and the committed llama and mistral fixtures.

    ablate.py NEEDLESCOPE FIXTURES

Every condition of `needlescope ablate` (zero_z and its controls, mean_z, uniform_attn, knockout; scopes all, prefill, decode) is made again
with an attention function of our own inside transformers: first_right and content_right equal in every case, margins within 1e-3 (relative
to 1 + |margin|). How like the controls are is computed again from the norms in the file."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from compare import Worst, count, same

MODES = "zero_z,mean_z,uniform_attn,knockout"


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 1), (command, done.stderr)      # 1: the untouched model answers nothing, as a random one does
    return done.stdout


class Referee:
    def __init__(self, folder):
        self.model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        self.config = AutoConfig.from_pretrained(folder)
        self.edit = None
        module = sys.modules[type(self.model).__module__]
        module.eager_attention_forward = self.attention
        self.heads = self.config.num_attention_heads

    def attention(self, module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * scaling + attention_mask[:, :, :, : key.shape[2]]
        layer, edit = module.layer_idx, self.edit
        heads = [h for l, h in edit["heads"] if l == layer] if edit else []
        rows = self.rows()
        if edit and edit["mode"] == "knockout":
            for h in heads:
                for a, b in self.needle:
                    scores[0, h, rows, a:b] = -torch.inf
        weights = scores.softmax(-1)
        if edit and edit["mode"] == "uniform_attn":
            for h in heads:
                seen = (attention_mask[0, 0, :, : key.shape[2]] == 0).float()
                weights[0, h, rows] = (seen / seen.sum(-1, keepdim=True))[rows]
        z = weights @ value
        if edit and edit["mode"] in ("zero_z", "mean_z"):
            for h in heads:
                z[0, h, rows] = 0 if edit["mode"] == "zero_z" else edit["mean"][layer, h]
        self.z[layer] = z[0]
        return z.transpose(1, 2).contiguous(), weights

    def rows(self):
        scope = "decode" if self.edit and self.edit["mode"] == "knockout" else self.scope
        first = self.first
        return {"all": slice(None), "prefill": slice(0, first), "decode": slice(first, None)}[scope]

    @torch.inference_mode()
    def run(self, case, edit, scope):
        self.edit, self.scope, self.first, self.z = edit, scope, len(case["tokens"]) - 1, {}
        self.needle = [s for name, s in case["spans"].items() if name == "needle" or name.startswith("needle.")]
        lead, answer = case.get("lead", 0), case["answer"]
        logits = self.model(torch.tensor([case["tokens"] + answer[:-1]])).logits[0].double().numpy()
        right, margin = [], []
        for j in range(lead, len(answer)):
            x = logits[self.first + j]
            other = np.delete(x, answer[j]).max()
            right.append(bool(x.argmax() == answer[j]))
            margin.append(x[answer[j]] - other)
        return right, margin, {layer: z[:, self.rows()] for layer, z in self.z.items()}


CALIPERS, ENOUGH, NEIGHBOURS = (1.25, 1.5), 4, 2


def check_controls(f, heads):
    """Ratios, calipers, tiers and numbers of candidates of every draw, recomputed from the file's norms."""
    norm, layer, head = f["z_norm"][:].astype(np.float64), f["control_layer"][:].astype(int), f["control_head"][:].astype(int)
    ratio, caliper, tier, candidates = (f[f"control_{name}"][:] for name in ("ratio", "caliper", "tier", "candidates"))
    targets = [tuple(map(int, h.split("."))) for h in heads.split(",")]
    order = sorted(range(len(targets)), key=lambda k: (-norm[targets[k]], targets[k]))
    for draw in range(len(layer)):
        taken = set(targets)
        for k in order:
            l, h = targets[k]
            with np.errstate(divide="ignore", invalid="ignore"):
                r = norm / norm[l, h]
            fold = np.maximum(r, 1 / r)
            free = [(a, b) for a, b in np.ndindex(*norm.shape) if (a, b) not in taken]
            for factor, reach in [(c, d) for c in CALIPERS for d in (0, 1, NEIGHBOURS, len(norm))]:
                pool = [x for x in free if fold[x] <= factor and abs(x[0] - l) <= reach]
                if len(pool) >= ENOUGH:
                    break
            one = (layer[draw, k], head[draw, k])
            assert one in (pool or free) and candidates[draw, k] == len(pool), (draw, k, one, pool)
            assert np.isclose(ratio[draw, k], r[one], rtol=1e-6), (draw, k, one, ratio[draw, k])
            assert pool or fold[one] == min(fold[x] for x in free), (draw, k, one)
            assert caliper[draw, k] == next((c for c in CALIPERS if fold[one] <= c), np.inf)
            away = abs(one[0] - l)
            assert tier[draw, k] == (0 if away == 0 else 1 if away <= NEIGHBOURS else 2)
            taken.add(one)
    matched = [f["matched"][i] for i in range(len(f["matched"])) if not np.isnan(f["matched"][i])]
    want = np.isfinite(caliper).all(1)
    assert len(matched) % len(want) == 0
    same(matched, np.tile(want, len(matched) // len(want)), "matched")
    return len(layer), int(np.isfinite(caliper).sum())


def means(referee, cases, scope):
    total, n = None, 0
    for case in cases:
        z = referee.run(case, None, scope)[2]
        rows = torch.stack([z[layer].double().sum(1) for layer in sorted(z)])
        total = rows if total is None else total + rows
        n += z[0].shape[1]
    return (total / n).float()


def check(tool, folder, path, heads, scope, work):
    out = os.path.join(work, "a.h5")
    modes = MODES.replace(",knockout", "") if scope == "prefill" else MODES       # which has no row that a knockout edits
    call(tool, "ablate", folder, "--cases", path, "--heads", heads, "--mode", modes, "--scope", scope, "--draws", "6", "--loss-cases", "0",
         "-q", "-o", out)
    cases = {c["id"]: c for c in map(json.loads, open(path))}
    referee = Referee(folder)
    with h5py.File(out) as f:
        text = lambda name: [s if isinstance(s, str) else s.decode() for s in f[name][:]]
        ids, modes, kinds, sets = text("case_id"), text("mode"), text("kind"), text("heads")
        first, content, margin = f["first_right"][:], f["content_right"][:], f["margin"][:]
        draws, like = check_controls(f, heads)
    mean, worst, n = means(referee, [cases[i] for i in ids], scope), Worst(), 0
    for k, (mode, kind, of) in enumerate(zip(modes, kinds, sets)):
        if mode == "knockout_others":
            continue                                  # which keys it hides is drawn; that it hides as much is tested beside the library
        edit = None if kind in ("none", "noop") else dict(mode=mode, mean=mean,
                                                          heads=[tuple(map(int, h.split("."))) for h in of.split(",")])
        for i, name in enumerate(ids):
            right, want, _ = referee.run(cases[name], edit, scope)
            worst.add(margin[k, i], np.mean(want), (mode, kind, name), 1 + abs(np.mean(want)))
            near = min(abs(m) for m in want) < 1e-4
            assert near or (bool(first[k, i]) == right[0] and content[k, i] == sum(right)), (folder, scope, mode, kind, of, name, right)
            n += 1
    count(n, "conditions")
    assert worst.within(1e-3, n), (folder, scope, worst)
    print(f"{os.path.basename(folder)} {scope}: {n} conditions x cases equal, margins within {worst.most:.1e}; "
          f"{draws} draws, {like} heads of like norm", flush=True)


def random_cases(path, vocab, length):
    rng = np.random.default_rng(5)
    with open(path, "w") as f:
        for i in range(3):
            tokens = rng.integers(3, vocab, length).tolist()
            answer = tokens[10:12]
            f.write(json.dumps(dict(id=f"case{i}", tokens=tokens, spans=dict(needle=[9, 12], needle_answer=[10, 12]),
                                    answer=answer)) + "\n")


def main():
    tool, fixtures = sys.argv[1:3]
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as work:
        planted, path = os.path.join(work, "planted"), os.path.join(work, "cases.jsonl")
        call(tool, "lab", "plant", planted, "--window", "24", "-q")
        call(tool, "cases", "needle", "--model", planted, "--lengths", "60,90", "--depths", "0,.7", "--count", "1", "-q", "-o", path)
        for scope in ("all", "prefill", "decode"):
            check(tool, planted, path, "3.1,4.6", scope, work)
        for name in ("llama", "mistral"):
            random_cases(path, 64, 30)
            for scope in ("all", "decode"):
                check(tool, os.path.join(fixtures, name), path, "1.4,2.0", scope, work)


if __name__ == "__main__":
    main()
