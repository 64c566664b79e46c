#!/usr/bin/env python3
"""Every score of attention and of weights against eager transformers, and every number of scores.h5 against its raw counts.

    scores.py NEEDLESCOPE [--only tiny|smollm2]

Two models: a random Mistral with grouped keys and a sliding window (synthetic tokens, prompts beyond the window), and SmolLM2-135M-Instruct
(text). Hits are equal for every (case, layer, head) but for near ties (margin < 1e-5), masses, entropies and distances within 1e-5. The
detection patterns of TransformerLens' head_detector (previous token, duplicate token, induction; error measure "mul") are written down here
from their definition; where transformer_lens can be imported (4.3 wants another transformers than the referees'), its own code is run on
the same maps too."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import types

import h5py
import numpy as np
import pandas as pd
import torch
import xarray as xr
from compare import Worst, close, count, same
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

try:
    from transformer_lens.head_detector import detect_head
except ImportError:
    detect_head = None

HERE = os.path.dirname(os.path.abspath(__file__))
SMOL = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
TIE, NEAR = 1e-5, 1e-5


def call(*command):
    """Exit code 1 of `score`: done, but the model answered none of the cases, as a random model must."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 or (done.returncode == 1 and "score" in command), (command, done.returncode)
    return done.stdout


# ---- the models and their cases ----

def make_tiny(work):
    """Weights large enough that rows are far from uniform."""
    torch.manual_seed(5)
    config = MistralConfig(vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=8,
                           num_key_value_heads=2,
                           head_dim=12, sliding_window=48, max_position_embeddings=512, initializer_range=0.2, tie_word_embeddings=False)
    model = MistralForCausalLM(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_(1 + 0.3 * torch.randn_like(p))
    folders = [os.path.join(work, "tiny"), os.path.join(work, "reference")]
    model.save_pretrained(folders[0])
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    model.save_pretrained(folders[1])
    return folders


def tiny_cases(tool, folder, work):
    path = os.path.join(work, "tiny.jsonl")
    call(tool, "cases", "needle", "--model", folder, "--synthetic", "--lengths", "40,90,130", "--depths", "0.1,0.9", "--count", 3, "--seed",
         1, "-o", path)
    return path


def smol_cases(tool, work):
    path = os.path.join(work, "smol.jsonl")
    call(tool, "cases", "needle", "--model", SMOL, "--lengths", "320", "--depths", "0.2,0.8", "--count", 1, "--seed", 3, "-o", path)
    return path


def special_ids(folder):
    path = os.path.join(folder, "tokenizer.json")
    return {t["id"] for t in json.load(open(path))["added_tokens"] if t["special"]} if os.path.exists(path) else set()


# ---- the definitions ----

class Case:
    """One case's maps A [L, H, Q, K], and what the scores of docs/measures.md are of it: {output: (value [L, H], margin [L, H] or
    None)}."""

    def __init__(self, case, maps, special):
        self.case, self.A = case, maps
        self.T, self.lead, self.answer = len(case["tokens"]), case.get("lead", 0), case["answer"]
        self.ids = case["tokens"] + self.answer[:-1]
        self.spans = case["spans"]
        self.sinks = [0] + [p for p in range(1, len(self.ids)) if self.ids[p] in special]
        self.out = {}

    def row(self, q, sinks=True):
        row = self.A[:, :, q, : q + 1].copy()
        if not sinks:
            row[..., [s for s in self.sinks if s <= q]] = -1
        top = np.sort(row, axis=-1)[..., -2:]
        return row, row.argmax(-1), top[..., 1] - top[..., 0]

    def place(self, span, i):
        a, b = self.spans.get(span, [0, 0])
        return a + i if a + i < b else -1

    def add(self, name, value, margin):
        old, least = self.out.get(name, (0, np.inf))
        self.out[name] = (old + value.astype(int), np.minimum(least, margin))

    def retrieval(self):
        distractors = [s for s in self.spans if s.startswith("distractor_answer.")]
        for i, token in enumerate(self.answer[self.lead:]):
            q = self.T - 1 + self.lead + i
            part = "find" if i == 0 else "continue"
            _, best, margin = self.row(q)
            _, calm, calm_margin = self.row(q, sinks=False)
            tokens = np.array(self.ids)
            for kind in (part, "copy"):
                self.add(f"{kind}_hits", best == self.place("needle_answer", i), margin)
                self.add(f"{kind}_nosink_hits", calm == self.place("needle_answer", i), calm_margin)
                self.add(f"{kind}_placebo_hits", best == self.place("placebo", i), margin)
                if kind != "continue":
                    hit = np.isin(best, [self.place(d, i) for d in distractors])
                    self.add(f"{kind}_distractor_hits", hit, margin)
            self.add("any_hits", tokens[best] == token, margin)
            self.add("any_nosink_hits", tokens[calm] == token, calm_margin)

    def mass(self, name, q):
        a, b = self.spans["needle_answer"]
        row = self.row(q)[0].astype(np.float64)
        self.out[f"case_mass{name}"] = row[..., a:b].sum(-1), None
        self.out[f"case_mass{name}_lift"] = row[..., a:b].sum(-1) * (q + 1) / (b - a), None
        if "placebo" in self.spans:
            c, d = self.spans["placebo"]
            self.out[f"case_mass{name}_placebo"] = row[..., c:d].sum(-1), None
        rest = [k for k in range(q + 1) if k not in self.sinks]
        total = row[..., rest].sum(-1)
        inside = row[..., [k for k in rest if a <= k < b]].sum(-1)
        self.out[f"case_mass{name}_nosink"] = np.divide(inside, total, out=np.full_like(total, np.nan), where=total > 0), None

    def patterns(self):
        T, ids = self.T, np.array(self.ids[: self.T])
        A = self.A[:, :, :T, :T].astype(np.float64)
        D = np.tril(ids[:, None] == ids[None, :], -1)                     # duplicate: an earlier copy
        shifted = np.roll(D, 1, 1)
        shifted[:, 0] = False
        shifted = np.tril(shifted)                                        # induction: the token after it
        rows = D.any(1)
        self.out["case_duplicate_token"] = (A * D).sum(-1)[..., rows].mean(-1), None
        self.out["case_induction"] = (A * shifted).sum(-1)[..., rows].mean(-1), None
        self.out["case_echo"] = ((A * D).sum(-1)[..., rows] / D.sum(-1)[rows]).mean(-1), None
        previous = A[..., np.arange(1, T), np.arange(T - 1)]
        self.out["case_previous_token"] = previous.mean(-1), None
        # TransformerLens, head_detector, error_measure="mul": sum(A * D) / sum(A); rows sum to 1, so a mean over rows is that up to their
        # number
        total = A.sum((-1, -2))
        self.lens = {"previous_token": previous.sum(-1) / total / (T - 1) * T,
                     "duplicate_token": (A * D).sum((-1, -2)) / total / rows.sum() * T,
                     "induction": (A * shifted).sum((-1, -2)) / total / rows.sum() * T}
        if detect_head:
            self.ask_transformer_lens(rows.sum())
        last = [A[:, :, q, : q + 1] for q in range(T - 4, T)]
        self.out["case_sink_mass"] = np.mean([r[..., 0] for r in last], 0), None
        self.out["case_local_mass"] = np.mean([r[..., -32:].sum(-1) for r in last], 0), None
        entropies = []
        for r in last:                                                    # compute_attention_metrics of arXiv 2606.15378
            p = np.clip(r / (r.sum(-1, keepdims=True) + 1e-12), 1e-12, None)
            entropies.append(-(p * np.log(p)).sum(-1))
        self.out["case_entropy"] = np.mean(entropies, 0), None
        self.out["case_entropy_norm"] = np.mean([h / np.log(r.shape[-1]) for h, r in zip(entropies, last)], 0), None
        a, b = self.spans["needle"]
        q = [self.T - 1 + j for j in range(self.lead, len(self.answer))]
        self.out["case_needle_mass"] = self.A[:, :, q, a:b].astype(np.float64).sum(-1).mean(-1), None

    def ask_transformer_lens(self, rows):
        """Its detector wants a model to ask for tokens and for shapes, and a cache: both are given here, so only its own arithmetic
        runs."""
        L, H = self.A.shape[:2]
        cfg = types.SimpleNamespace(device="cpu", n_ctx=1 << 20, n_layers=L, n_heads=H, dtype=torch.float64)
        model = types.SimpleNamespace(cfg=cfg, to_tokens=lambda _: torch.tensor([self.case["tokens"]]))
        cache = {("pattern", l, "attn"): torch.tensor(self.A[l, :, : self.T, : self.T]).double() for l in range(L)}
        for name, n in (("previous_token", self.T - 1), ("duplicate_token", rows), ("induction", rows)):
            theirs = detect_head(model, "the prompt", f"{name}_head", cache=cache).numpy() / n * self.T
            close(theirs, self.lens[name], 1e-6, name)
            self.lens[name] = theirs

    def compute(self):
        self.retrieval()
        for name, q in (("", self.T - 2), ("_last", self.T - 1), ("_first", self.T - 1 + self.lead)):
            self.mass(name, q)
        self.patterns()
        return self


@torch.inference_mode()
def maps_of(model, case):
    ids = case["tokens"] + case["answer"][:-1]
    out = model(torch.tensor([ids]), output_attentions=True, use_cache=False)
    right = out.logits[0, len(case["tokens"]) - 1:].argmax(-1).tolist()
    return np.stack([a[0].numpy() for a in out.attentions]), [r == t for r, t in zip(right, case["answer"])]


# ---- weights ----

@torch.inference_mode()
def weight_scores(model, reference):
    """q, k and qk distance (compute_weight_distance of arXiv 2606.15378) and the OV copying score (Elhage et al. 2021), in f64."""
    config = model.config
    H, G = config.num_attention_heads, config.num_key_value_heads
    d = getattr(config, "head_dim", None) or config.hidden_size // H
    E = model.model.embed_tokens.weight.double()
    U = model.lm_head.weight.double() * model.model.norm.weight.double()
    gram = E.T @ U
    out = {name: np.full((config.num_hidden_layers, H), np.nan) for name in ("q_distance", "k_distance", "qk_distance", "ov_copying")}
    for l, layer in enumerate(model.model.layers):
        attn = layer.self_attn
        V = attn.v_proj.weight.double() * layer.input_layernorm.weight.double()
        O = attn.o_proj.weight.double()
        for h in range(H):
            g = h // (H // G)
            values = torch.linalg.eigvals(V[g * d:(g + 1) * d] @ gram @ O[:, h * d:(h + 1) * d])
            out["ov_copying"][l, h] = float(values.real.sum() / values.abs().sum())
            if reference is None:
                continue
            other = reference.model.layers[l].self_attn
            for name, w, ref, at in (("q", attn.q_proj, other.q_proj, h), ("k", attn.k_proj, other.k_proj, g)):
                a, b = w.weight.double()[at * d:(at + 1) * d], ref.weight.double()[at * d:(at + 1) * d]
                out[f"{name}_distance"][l, h] = float((a - b).norm() / (b.norm() + 1e-12))
    out["qk_distance"] = out["q_distance"] + out["k_distance"]
    return out


# ---- comparing ----

def check_case(ours, i, case, worst, seen):
    """Adds to worst (a Worst) and to seen {output: how many of its numbers were compared}; how many near ties."""
    near = 0
    for name, (want, margin) in case.out.items():
        if name.endswith("placebo_hits") and "placebo" not in case.spans:
            continue
        got = ours[name][i]
        if margin is None:
            scale = np.maximum(1, np.abs(want[~np.isnan(want)]))
            if name.endswith("_lift"):                                    # as near as the mass it is a multiple of
                scale = scale * case.T / (case.spans["needle_answer"][1] - case.spans["needle_answer"][0])
            here = worst.add(got, want, (case.case["id"], name), scale, nan=True)
            assert here <= NEAR, (case.case["id"], name, here)
            seen[name] = seen.get(name, 0) + int(np.isfinite(want).sum())
        else:
            wrong = got != want
            assert not (wrong & (margin >= TIE)).any(), (case.case["id"], name, np.argwhere(wrong & (margin >= TIE))[:4])
            near += int(wrong.sum())
            seen[name] = seen.get(name, 0) + int((margin >= TIE).sum())
    for name, want in case.lens.items():
        close(ours[f"case_{name}"][i], want, NEAR, (case.case["id"], "head_detector", name))
    return near


def quotient(f, of, over, which):
    """sum of / sum over, or the mean of the finite ones."""
    a = f[of][:][which].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        if over:
            return a.sum(0) / f[over][:][which].astype(np.float64).sum(0)
        return np.nansum(a, 0) / np.isfinite(a).sum(0)


FORMULAS = {"retrieval_find": ("find_hits", "find_events"), "retrieval_continue": ("continue_hits", "continue_events"),
            "retrieval_copy": ("copy_hits", "copy_events"), "copy_any": ("any_hits", "copy_events"),
            "retrieval_find_nosink": ("find_nosink_hits", "find_events"),
            "retrieval_continue_nosink": ("continue_nosink_hits", "continue_events"),
            "retrieval_copy_nosink": ("copy_nosink_hits", "copy_events"), "copy_any_nosink": ("any_nosink_hits", "copy_events"),
            "retrieval_selectivity": ("case_selectivity", None), "copy_selectivity": ("case_copy_selectivity", None)}
for suffix in ("", "_last", "_first"):
    FORMULAS["retrieval_mass" + suffix] = (f"case_mass{suffix}", None)
    FORMULAS[f"retrieval_mass{suffix}_nosink"] = (f"case_mass{suffix}_nosink", None)
    FORMULAS["mass_lift" + suffix] = (f"case_mass{suffix}_lift", None)
for name in ("induction", "previous_token", "duplicate_token", "needle_mass", "sink_mass", "local_mass", "entropy", "entropy_norm"):
    FORMULAS[name] = (f"case_{name}", None)
CHANCE = {"retrieval_find": ("find_placebo_hits", "find_placebo_events"),
          "retrieval_continue": ("continue_placebo_hits", "continue_placebo_events"),
          "retrieval_copy": ("copy_placebo_hits", "copy_placebo_events"), "retrieval_mass": ("case_mass_placebo", None),
          "retrieval_mass_last": ("case_mass_last_placebo", None), "retrieval_mass_first": ("case_mass_first_placebo", None)}


def agree(a, b, what, tolerance=2e-7):
    """NaN at the same places, the others near. How many these were."""
    known = b[~np.isnan(b)]
    close(a, b, tolerance, what, np.abs(known).max(initial=1), nan=True)
    return known.size


def spearman(scores):
    """Rank correlations of each two over the heads that have both."""
    pairs = [[pd.DataFrame(np.array([a, b]).T[~np.isnan(a) & ~np.isnan(b)]).rank().corr().to_numpy()[0, 1] for b in scores] for a in scores]
    return np.array(pairs)


def shares(score, k, best, worst_end):
    """How much of a place among the k best each head has: heads on the good side of nothing only, and those that tie for the last places
    share them."""
    out, sign = np.zeros(score.size), -1 if best == "smallest" else 1
    counting = [i for i in range(score.size) if best != "none" and not np.isnan(score[i]) and sign * score[i] > sign * worst_end]
    if len(counting) <= k:
        out[counting] = 1
        return out
    last = sorted((sign * score[i] for i in counting), reverse=True)[k - 1]
    above, tied = [i for i in counting if sign * score[i] > last], [i for i in counting if sign * score[i] == last]
    out[above] = 1
    out[tied] = (k - len(above)) / len(tied)
    return out


def shares_in(f, name, score):
    best, (low, high) = f[name].attrs["best"], f[name].attrs["range"]
    return shares(score, 10, best.decode() if isinstance(best, bytes) else best, high if best in ("smallest", b"smallest") else max(0, low))


def check_file(path, group):
    """Scores, their parts, chance and agreement from the raw counts, with numpy and pandas; and what xarray shows at the root."""
    with h5py.File(path) as f:
        names = [n.decode() for n in f["score_name"][:]]
        kinds = np.array([a.decode() + "/" + b.decode() for a, b in zip(f["value_type"][:], f["template"][:])])
        answered, everything = f["answered"][:].astype(bool), np.ones(len(kinds), bool)
        groups = [g.decode() for g in f["group_name"][:]]
        assert groups == sorted(set(kinds))
        for name, (of, over) in FORMULAS.items():
            k = names.index(name)
            n = agree(f[name][:], quotient(f, of, over, everything), name)
            count(n, name)
            agree(f["score_answered"][k], quotient(f, of, over, answered), name)
            agree(f["score_missed"][k], quotient(f, of, over, ~answered), name)
            for g, kind in enumerate(groups):
                agree(f["score_by_group"][g, k], quotient(f, of, over, kinds == kind), (name, kind))
            if name in CHANCE:
                agree(f["score_chance"][k], quotient(f, *CHANCE[name], everything), name)
            inside = (f["score_low"][k] <= f[name][:] + 1e-6) & (f["score_high"][k] >= f[name][:] - 1e-6) | np.isnan(f[name][:])
            assert inside.mean() > 0.97, (name, inside.mean())
        echo = quotient(f, "case_echo", None, everything)
        agree(f["echo"][:], np.repeat(echo.reshape(len(echo), -1, group).max(-1), group, axis=1), "echo")
        hits = f["answer_hits"][:].astype(int)
        for name, want in (("copy_hits", (hits == 1).sum(1)), ("copy_events", (hits != 255).sum(1)), ("find_hits", hits[:, 0])):
            same(f[name][:], want, name)
        scores = np.array([f[n][:].ravel() for n in names])
        count(agree(f["agreement_spearman"][:], spearman(scores), "spearman", 1e-5), "spearman")
        for i in range(len(names)):
            for j in range(len(names)):
                a, b = shares_in(f, names[i], scores[i]), shares_in(f, names[j], scores[j])
                want = np.minimum(a, b).sum() / np.maximum(a, b).sum() if a.any() and b.any() else np.nan       # one ranks no head
                close(f["agreement_jaccard10"][i, j], want, 1e-5, (names[i], names[j]), nan=True)
        for of in ("find", "continue"):
            check_intervals(f, names.index("retrieval_" + of), of)
    shown = xr.open_dataset(path)
    assert {"case", "layer", "head", "score"} <= set(shown.coords) and shown.retrieval_find.dims == ("layer", "head")
    assert shown.find_hits.dims == ("case", "layer", "head") and "value_type" in shown and float(shown.retrieval_find.max()) <= 1


def prompts_of(f):
    """Number of each case's prompt: a case and its twins share one."""
    ids, twin = [i.decode() for i in f["case_id"][:]], [t.decode() for t in f["twin_of"][:]]
    above = {i: t for i, t in zip(ids, twin) if t}

    def root(i):
        return root(above[i]) if i in above else i
    roots = sorted({root(i) for i in ids})
    return np.array([roots.index(root(i)) for i in ids])


def strata_of(kinds, prompt):
    """Stratum of each prompt: its kind; kinds of fewer than ten prompts as one, with the smallest of the others where these are too few
    still."""
    first = [kinds[np.flatnonzero(prompt == p)[0]] for p in range(prompt.max() + 1)]
    count = {kind: first.count(kind) for kind in set(first)}
    small, large = {k for k in count if count[k] < 10}, [k for k in count if count[k] >= 10]
    if large and 0 < sum(count[k] for k in small) < 10:
        small.add(min(large, key=lambda k: (count[k], k)))
    return np.array(["" if kind in small else kind for kind in first])


def wilson(x, n):
    z, p = 1.959963984540054, x / n
    middle, across = (p + z * z / (2 * n)) / (1 + z * z / n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # half of the .05 quantile of chi square with 2 x degrees of freedom
    poisson = [0, 0.0512932944, 0.3553615108, 0.8176914471]
    low, high = max(0, middle - across), min(1, middle + across)
    few_hits, few_misses = np.interp(x, range(4), poisson) / n, 1 - np.interp(n - x, range(4), poisson) / n
    return (min(low, few_hits) if x < 3 else low), (max(high, few_misses) if n - x < 3 else high)


def worth(hits, events, seen):
    """How many events the hits[P] of events[P] are worth, which seem to be `seen` (docs/measures.md, several events a prompt)."""
    prompts, telling = events.sum() ** 2 / (events ** 2).sum(), min((hits > 0).sum(), (hits < events).sum())
    return (telling + 1) / (telling / seen + 1 / prompts) if seen > prompts else seen


def check_intervals(f, k, of):
    """A rate's intervals against Wilson's with the variance of numpy's own resamples of prompts (docs/measures.md)."""
    rng, prompt = np.random.default_rng(0), prompts_of(f)
    kinds = np.array([a + b for a, b in zip(f["value_type"][:], f["template"][:])])
    strata, P = strata_of(kinds, prompt), prompt.max() + 1
    hits, events = [np.array([f[n][:][prompt == p].sum(0) for p in range(P)], float) for n in (of + "_hits", of + "_events")]   # [P, L, H]
    within = [np.flatnonzero(strata == s) for s in sorted(set(strata))]
    draws = [np.concatenate([rng.choice(s, len(s)) for s in within]) for _ in range(3000)]
    rates = np.array([hits[d].sum(0) / events[d].sum(0) for d in draws])
    free = P - len(within)
    seen = 0
    for at in np.ndindex(hits.shape[1:]):
        rate = hits[(slice(None),) + at].sum() / events[(slice(None),) + at].sum()
        v = rates[(slice(None),) + at].var() * P / free if free > 0 else 0
        e = events[(slice(None),) + at]
        n = worth(hits[(slice(None),) + at], e, min(rate * (1 - rate) / v, e.sum())) if v > 0 else e.sum() ** 2 / (e ** 2).sum()
        low, high = wilson(rate * n, n)
        ours = [f["score_low"][k][at], f["score_high"][k][at]]
        close(ours, [min(low, rate), max(high, rate)], 0.12, (at, rate, n, low, high), high - low)
        seen += 1
    assert seen == hits[0].size


# ---- probes that run on their own: decoding, and questions against null queries ----

@torch.inference_mode()
def decode_scores(model, case, steps, stop):
    """(retrieval_wu's hits, retrieval_wu2024's, was the answer said): retrieval_head_detection.py of Wu et al., and the set its paper
    defines."""
    prompt = case["tokens"]
    a, b = case["spans"]["needle_answer"]
    needle = prompt[a:b]
    s = next(i for i in range(len(prompt)) if len(set(prompt[i:i + b - a]) & set(needle)) / len(set(needle)) > 0.9)
    past = model(torch.tensor([prompt[:-1]]), use_cache=True).past_key_values if len(prompt) > 1 else None
    ids, said, sets, count, recalls = prompt[-1:], [], None, 0, []
    for step in range(steps):
        out = model(torch.tensor([ids[-1:]]), past_key_values=past, use_cache=True, output_attentions=True)
        past, token = out.past_key_values, int(out.logits[0, -1].argmax())
        ids, said = [token], said + [token]
        n = len(prompt) + step                                            # keys so far; a window's cache may hold fewer
        looked = np.array([[int(row.argmax()) + n - row.numel() for row in layer[0, :, -1]] for layer in out.attentions])
        inside = np.array([[s <= k < s + b - a and k < len(prompt) and prompt[k] == token for k in row] for row in looked])
        count = count + inside
        if step < len(case["answer"]):
            found = np.array([[k if a <= k < b and prompt[k] == token else -1 for k in row] for row in looked])
            sets = [[{k} - {-1} for k in row] for row in found] if sets is None else [[o | ({k} - {-1}) for o, k in zip(x, row)] for x,
                                                                                      row in zip(sets, found)]
        recalls.append(sum(min(said.count(t), needle.count(t)) for t in set(needle)) / (b - a))
        if token == 144 or token in stop:
            break
    strict = np.array([[len(x) for x in row] for row in sets])
    return strict, count, recalls[min(len(case["answer"]), len(recalls)) - 1] > 0.5, recalls[-1] > 0.5, b - a


def first_cases(path, n):
    """A file of the first n cases: decoding is a pass a token, here and there."""
    few = f"{path}.{n}"
    open(few, "w").writelines(open(path).readlines()[:n])
    return few


def check_decoding(tool, folder, path, model, work):
    out, path = os.path.join(work, "wu.h5"), first_cases(path, 2)
    call(tool, "score", folder, "--cases", path, "--probe", "wu,wu2024", "--threads", 2, "--quiet", "-o", out)
    said = 0
    with h5py.File(out) as f:
        ids = [s.decode() for s in f["case_id"][:]]
        for case in [json.loads(line) for line in open(path)]:
            i = ids.index(case["id"])
            strict, count, strict_said, count_said, m = decode_scores(model, case, 50, set())
            for name, want, ok in (("wu", strict, strict_said), ("wu2024", count, count_said)):
                same(f[f"{name}_hits"][i], want, (case["id"], name))
                close(f[f"case_{name}"][i], want / m if ok else np.full(want.shape, np.nan), 1e-6, (case["id"], name, ok), nan=True)
                said += ok
    print(f"{os.path.basename(folder)}: decoding: hits equal on {len(ids)} cases, {said} of {2 * len(ids)} times the answer was said")


def check_questions(tool, folder, path, model, work):
    """qr with twins whose question is cut short; QRHead's score_docs, written down from its definition."""
    cases, lines = [json.loads(line) for line in open(first_cases(path, 6))], []
    for case in cases:
        q = case["spans"]["question"][0]
        twin = {"id": case["id"] + "-null", "twin_of": case["id"], "tokens": case["tokens"][:q] + case["tokens"][-1:] * 3,
                "spans": {"question": [q, q + 1]},
                "meta": {"twin": "null"}}
        lines += [json.dumps(case), json.dumps(twin)]
    own, out = os.path.join(work, "twins.jsonl"), os.path.join(work, "qr.h5")
    open(own, "w").write("\n".join(lines) + "\n")
    call(tool, "score", folder, "--cases", own, "--probe", "qr", "--threads", 2, "--quiet", "-o", out)
    with h5py.File(out) as f:
        ids, worst, golds = [s.decode() for s in f["case_id"][:]], Worst(), []
        for case, line in zip(cases, lines[1::2]):
            twin, q = json.loads(line), case["spans"]["question"][0]
            mean = [maps_of(model, {"tokens": c["tokens"], "answer": [0]})[0][:, :, q:].astype(np.float64).mean(2)[..., :q] for c in (case,
                                                                                                                                      twin)]
            calm = mean[0] - mean[1]
            tie = np.zeros(calm.shape[:2], bool)                          # a token within rounding of the floor is in or out by chance

            def score(span):
                c = calm[..., span[0]:span[1]]
                floor = c.mean(-1, keepdims=True) - 2 * c.std(-1, ddof=1, keepdims=True)
                tie[:] |= (np.abs(c - floor) < 1e-5).any(-1) & (np.abs(c).max(-1) > 1e-4)
                return (c * (c > floor)).sum(-1)
            gold = score(case["spans"]["needle"])
            other = np.max([score(span) for name, span in case["spans"].items() if name.startswith("distractor.")], 0)
            i = ids.index(case["id"])
            assert np.isfinite(f["case_qr"][i]).all() and np.isfinite(f["case_qr_margin"][i]).all(), case["id"]
            assert tie.mean() < 0.3, (case["id"], tie.mean())
            worst.add(f["case_qr"][i][~tie], gold[~tie], case["id"])
            worst.add(f["case_qr_margin"][i][~tie], (gold - other)[~tie], case["id"])
            golds.append(np.abs(gold).max())
            assert np.isnan(f["case_qr"][ids.index(twin["id"])]).all()
        assert worst.within(2e-5) and max(golds) > 1e-3, (worst, golds)
        count(agree(f["qr"][:], quotient(f, "case_qr", None, np.ones(len(ids), bool)), "qr"), "qr")
    print(f"{os.path.basename(folder)}: qr within {worst.most:.1e}")


def check_model(tool, folder, path, work, reference=None):
    cases = [json.loads(line) for line in open(path)]
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    other = AutoModelForCausalLM.from_pretrained(reference, dtype=torch.float32) if reference else None
    out = os.path.join(work, os.path.basename(folder) + ".h5")
    listing = json.loads(call(tool, "score", "--list", "--json"))["scores"]
    by_default = {row["probe"] for row in listing} - {"distance", "ov_copying", "linear_probe", "wu", "wu2024", "qr"}
    call(tool, "score", folder, "--cases", path, "--probe", ",".join(sorted(by_default | {"ov_copying"})), "--threads", 2, "--quiet", "-o",
         out,
         *(["--reference", reference] if reference else []))
    special = special_ids(folder)
    with h5py.File(out) as f:
        ids = [s.decode() for s in f["case_id"][:]]
        assert sorted(ids) == sorted(c["id"] for c in cases)
        ours = {name: f[name][:] for name in f
                if isinstance(f[name], h5py.Dataset) and f[name].ndim == 3 and f[name].shape[0] == len(ids)
                and not name.startswith("score_")}
        right, worst, near, seen = f["content_right"][:], Worst(), 0, {}
        for case in cases:
            maps, says = maps_of(model, case)
            c = Case(case, maps, special).compute()
            i = ids.index(case["id"])
            assert right[i] == sum(says[case.get("lead", 0):]), case["id"]
            near += check_case(ours, i, c, worst, seen)
        assert all(seen.values()), [name for name, n in seen.items() if not n]
        n_weights = 0
        for name, want in weight_scores(model, other).items():
            if name in f and not np.isnan(want).all():
                assert worst.add(f[name][:], want, name) <= NEAR, name
                n_weights += 1
        assert n_weights == (4 if reference else 1), n_weights
    check_questions(tool, folder, path, model, work)
    check_decoding(tool, folder, path, model, work)
    check_file(out, model.config.num_attention_heads // model.config.num_key_value_heads)
    print("head_detector: " + ("transformer_lens' own" if detect_head else "its definition"))
    print(f"{os.path.basename(folder)}: {len(cases)} cases x {ours['find_hits'][0].size} heads, {len(seen)} outputs equal; "
          f"masses within {worst.most:.1e}; near ties {near}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("tool")
    p.add_argument("--only", choices=("tiny", "smollm2"))
    args = p.parse_args()
    # two threads that wait for each other are slower on a busy machine
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        if args.only != "smollm2":
            tiny, reference = make_tiny(work)
            check_model(args.tool, tiny, tiny_cases(args.tool, tiny, work), work, reference)
        if args.only != "tiny":
            call(sys.executable, os.path.join(HERE, "make_smollm2.py"), SMOL)
            check_model(args.tool, SMOL, smol_cases(args.tool, work), work)


if __name__ == "__main__":
    main()
