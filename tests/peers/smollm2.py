#!/usr/bin/env python3
"""The real model: needlescope against eager transformers on SmolLM2-135M-Instruct.

    smollm2.py NEEDLESCOPE GREEDY [--keep DIR]

22 needle prompts of 300 to 2,000 tokens: the greedy tokens are equal; the hits of retrieval_find and retrieval_copy are equal for every
(case, layer, head) but for near ties (margin < 1e-5); so are the scores and the top heads."""
import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from compare import close, count

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
GRIDS = (("300,500,800", "0:1:3", "2"), ("1300,2000", "0.5", "2"))
STEPS = 12


def call(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_cases(tool, work):
    lines = []
    for i, (lengths, depths, count) in enumerate(GRIDS):
        path = os.path.join(work, f"grid{i}.jsonl")
        call(tool, "cases", "needle", "--model", MODEL, "--lengths", lengths, "--depths", depths, "--count", count, "--seed", str(i),
             "--value-types", "numbers", "--templates", "noise", "-o", path)
        lines += open(path).read().splitlines()
    path = os.path.join(work, "cases.jsonl")
    open(path, "w").write("\n".join(lines) + "\n")
    return path, [json.loads(line) for line in lines]


class Referee:
    """Scores by their definition, from the rows of eager attention."""

    def __init__(self):
        torch.set_num_threads(2)
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, attn_implementation="eager", dtype=torch.float32).eval()

        self.prefixes = {}

    @torch.inference_mode()
    def prefix(self, tokens):
        """Keys and values of a prompt but for its last token; computed once, copied for each use."""
        key = tuple(tokens)
        if key not in self.prefixes:
            self.prefixes[key] = self.model(torch.tensor([tokens[:-1]]), logits_to_keep=1, use_cache=True).past_key_values
        return copy.deepcopy(self.prefixes[key])

    @torch.inference_mode()
    def greedy(self, tokens):
        past, ids = self.prefix(tokens), list(tokens[-1:])
        for _ in range(STEPS):
            out = self.model(torch.tensor([ids[-1:]]), past_key_values=past, use_cache=True)
            ids.append(int(out.logits[0, -1].argmax()))
        return ids[1:]

    @torch.inference_mode()
    def hits(self, case):
        """hit and margin [answer token, layer, head] of the teacher-forced rows."""
        prompt, answer = case["tokens"], case["answer"]
        begin, lead = case["spans"]["needle_answer"][0], case.get("lead", 0)   # the span holds the content tokens
        first = len(prompt) - 1
        tail = torch.tensor([prompt[-1:] + answer[:-1]])
        attentions = self.model(tail, past_key_values=self.prefix(prompt), use_cache=True, output_attentions=True).attentions
        hit, margin = [], []
        for j in range(len(answer)):
            rows = torch.stack([a[0, :, j, : first + j + 1] for a in attentions]).numpy()
            top = np.sort(rows, axis=-1)[..., -2:]
            hit.append(rows.argmax(-1) == begin + j - lead if j >= lead else np.zeros(rows.shape[:2], bool))
            margin.append(top[..., 1] - top[..., 0])
        return np.array(hit), np.array(margin)


def check_greedy(referee, greedy, path, cases):
    ours = {d["id"]: d for d in map(json.loads, call(greedy, MODEL, path, str(STEPS), "2").splitlines())}
    for case in cases:
        want = referee.greedy(case["tokens"])
        assert ours[case["id"]]["plain"] == want, (case["id"], ours[case["id"]]["plain"], want)
        assert ours[case["id"]]["verified"] == want, case["id"]
        count(len(want))
    lengths = [len(c["tokens"]) for c in cases]
    print(f"greedy tokens equal on {len(cases)} prompts of {min(lengths)} to {max(lengths)} tokens")


def top(score, k=10):
    order = np.lexsort((np.arange(score.size), -score.ravel()))[:k]
    return [tuple(int(v) for v in np.unravel_index(i, score.shape)) for i in order]


def check_scores(referee, tool, path, cases, work):
    out = os.path.join(work, "scores.h5")
    call(tool, "score", MODEL, "--cases", path, "--probe", "retrieval_find,retrieval_copy", "--threads", "2", "--quiet", "-o", out)
    with h5py.File(out) as f:
        ids = [s if isinstance(s, str) else s.decode() for s in f["case_id"][:]]
        ours = {name: f[name][:] for name in ("find_hits", "copy_hits", "retrieval_find", "retrieval_copy")}
    near = 0
    total = {"find": 0, "copy": 0}
    events = {"find": 0, "copy": 0}
    for case in cases:
        hit, margin = referee.hits(case)
        lead = case.get("lead", 0)
        for name, rows in (("find", slice(lead, lead + 1)), ("copy", slice(lead, None))):
            want, tie = hit[rows].sum(0), margin[rows].min(0) < 1e-5
            got = ours[f"{name}_hits"][ids.index(case["id"])]
            wrong = (got != want) & ~tie
            assert got.shape == want.shape and not wrong.any(), (case["id"], name, np.argwhere(wrong)[:5])
            count((~tie).sum())
            near += int(((got != want) & tie).sum())
            total[name] = total[name] + want
            events[name] += hit[rows].shape[0]
    for name in ("find", "copy"):
        want = total[name] / events[name]
        got = ours[f"retrieval_{name}"]
        close(got, want, near / events[name] + 1e-7, name)                       # hits are equal; the file holds f32
        assert top(got) == top(want) or near, (top(got), top(want))
        print(f"retrieval_{name}: top heads {top(got, 6)} scores {[round(float(got[h]), 3) for h in top(got, 6)]}")
    print(f"hits equal in {len(cases)} cases x {got.size} heads; near ties that differ: {near}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("tool")
    p.add_argument("greedy")
    args = p.parse_args()
    call(sys.executable, os.path.join(HERE, "make_smollm2.py"), MODEL)
    with tempfile.TemporaryDirectory() as work:
        path, cases = make_cases(args.tool, work)
        assert len(cases) >= 20
        referee = Referee()
        check_greedy(referee, args.greedy, path, cases)
        check_scores(referee, args.tool, path, cases, work)


if __name__ == "__main__":
    main()
