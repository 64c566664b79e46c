#!/usr/bin/env python3
"""The zoo: every planted head has every score in the range that its construction promises, and transformers loads it and answers.

    zoo.py NEEDLESCOPE"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import torch
import transformers
from transformers import AutoModelForCausalLM

from compare import count


def call(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def check(tool, zoo, heads, cases, key, work):
    wanted = sorted({score for head in heads for score in head.get(key, {})})
    out = os.path.join(work, key + ".h5")
    call(tool, "score", zoo, "--cases", cases, "--probe", ",".join(wanted), "-q", "-o", out)
    n, wrong = 0, []
    with h5py.File(out) as f:
        for head in heads:
            for score, (low, high) in head.get(key, {}).items():
                value = float(f[score][head["layer"], head["head"]])
                n += 1
                if not low - 1e-6 <= value <= high + 1e-6:
                    wrong.append(f"{head['layer']}.{head['head']} ({head['kind']}): {score} is {value:.3f}, not {low} to {high}")
    assert not wrong, "\n".join(wrong)
    count(n, key)
    print(f"{key}: {n} scores of {len(heads)} heads in their ranges", flush=True)


def silence(tool, zoo, sets, cases, work):
    """A redundant pair, and a backup that works when the first is silenced: what is still answered without them."""
    out = os.path.join(work, "ablation.h5")
    for one in sets:
        named = ",".join(f"{layer}.{head}" for layer, head in one["heads"])
        call(tool, "ablate", zoo, "--cases", cases, "--heads", named, "--mode", "zero_z", "--draws", "1", "--loss-cases", "0", "-q", "-o",
             out)
        with h5py.File(out) as f:
            share = float(f["answered_share"][2])            # none, noop, these
        assert share == one["answered"], f"without {named} {share} is answered, not {one['answered']}"
    count(len(sets), "silenced sets")
    print(f"{len(sets)} silenced sets leave what they should", flush=True)


@torch.inference_mode()
def answers(zoo, cases):
    model = AutoModelForCausalLM.from_pretrained(zoo, attn_implementation="eager", dtype=torch.float32).eval()
    right = 0
    lines = [json.loads(line) for line in open(cases)]
    for case in lines:
        logits = model(torch.tensor([case["tokens"] + case["answer"][:-1]])).logits[0, len(case["tokens"]) - 1:]
        right += logits.argmax(-1).tolist() == case["answer"]
    assert right == count(len(lines), "cases"), f"transformers answers {right} of {len(lines)}"
    print(f"transformers answers all {right} cases", flush=True)


def main():
    tool = sys.argv[1]
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as work:
        zoo, needles, twins, repeats = (os.path.join(work, name) for name in ("zoo", "needles.jsonl", "twins.jsonl", "repeats.jsonl"))
        call(tool, "lab", "plant", zoo, "--zoo", "-q")
        planted = json.load(open(os.path.join(zoo, "planted.json")))
        grid = ("--model", zoo, "--lengths", ",".join(map(str, planted["cases"]["lengths"])), "--depths", "0:1:5", "--count", "4", "-q")
        call(tool, "cases", "needle", *grid, "-o", needles)
        call(tool, "cases", "needle", *grid, "--twins", "null", "-o", twins)
        call(tool, "cases", "repeat", "--model", zoo, "--length", "101", "--count", "4", "--bos", "0", "--first-id", "3", "-q", "-o",
             repeats)
        heads = planted["heads"]
        assert len(heads) >= 10
        check(tool, zoo, heads, needles, "expected", work)
        check(tool, zoo, heads, twins, "expected_with_null", work)
        check(tool, zoo, heads, repeats, "expected_on_repeats", work)
        silence(tool, zoo, planted["silenced"], needles, work)
        answers(zoo, needles)


if __name__ == "__main__":
    main()
