#!/usr/bin/env python3
"""previous_token, duplicate_token and induction against TransformerLens 4.3's own detector (head_detector.detect_head, on a
TransformerBridge): the same weights, the same tokens, a forward pass on either side.

    heads_tl.py NEEDLESCOPE

detect_head divides by all T rows, ours by the R rows that have such a key at all; its patterns have K ones. So
    "mul" = R / T * ours          "abs" = 1 - (T + K - 2 R ours) / T, rounded to three digits"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import torch
from tokenizers import Tokenizer, models
from transformer_lens.head_detector import detect_head
from transformer_lens.model_bridge import TransformerBridge
from compare import Worst
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

NEAR = 1e-4
NAMES = {"previous_token": "previous_token_head", "duplicate_token": "duplicate_token_head", "induction": "induction_head"}


def make_model(folder):
    """Weights large enough that rows are far from uniform."""
    torch.manual_seed(3)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=8,
                                         num_key_value_heads=4, max_position_embeddings=512, initializer_range=0.25,
                                         tie_word_embeddings=False))
    model.save_pretrained(folder)
    return model.eval()


def make_tokenizer(folder):
    """The bridge wants one; the ids go past it."""
    words = Tokenizer(models.WordLevel({str(i): i for i in range(512)}, unk_token="0"))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="0", eos_token="0", pad_token="0", unk_token="0").save_pretrained(folder)


class OnTokens:
    """The bridge, given ids in place of text."""
    def __init__(self, bridge):
        self.cfg, self.run_with_cache = bridge.cfg, bridge.run_with_cache

    def to_tokens(self, ids):
        return ids


def rows_and_ones(name, ids):
    """R, the rows that have such a key, and K, how many such keys there are."""
    if name == "previous_token":
        return len(ids) - 1, len(ids) - 1
    earlier = [ids[:i].count(token) for i, token in enumerate(ids)]
    return sum(n > 0 for n in earlier), sum(earlier)


def compare(name, bridge, cases, ours, worst):
    for case, mine in zip(cases, ours, strict=True):
        ids = case["tokens"]
        T, (R, K) = len(ids), rows_and_ones(name, ids)
        mine = torch.tensor(mine, dtype=torch.float64)
        for measure, expected in (("mul", R / T * mine), ("abs", 1 - (T + K - 2 * R * mine) / T)):
            theirs = detect_head(bridge, torch.tensor([ids]), NAMES[name], exclude_bos=False, exclude_current_token=False,
                                 error_measure=measure).double()
            worst[measure].add(theirs, expected, (name, case["id"], measure))
    for measure, bound in (("mul", NEAR), ("abs", NEAR + 0.0005)):                                # its rounding
        assert worst[measure].within(bound), (name, measure, worst[measure])
    return float(mine.max())


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as work, torch.inference_mode():
        folder, path = os.path.join(work, "model"), os.path.join(work, "cases.jsonl")
        model = make_model(folder)
        make_tokenizer(folder)
        bridge = OnTokens(TransformerBridge.boot_transformers(folder, hf_model=model))
        for kind in ("repeat", "shuffled", "duplicate", "previous"):
            subprocess.run([tool, "cases", "repeat", "--model", folder, "--kind", kind, "--length", "41,121", "--count", "2", "--bos", "0",
                            "--first-id", "1", "-q", "-o", path], check=True, stdout=subprocess.DEVNULL)
            names = ["previous_token"] if kind == "previous" else list(NAMES)
            out = os.path.join(work, kind + ".h5")
            subprocess.run([tool, "score", folder, "--cases", path, "--probe", ",".join(names), "-q", "-o", out], check=True,
                           stdout=subprocess.DEVNULL)
            with h5py.File(out) as f:
                order = [x.decode() if isinstance(x, bytes) else x for x in f["case_id"][:]]
                by_id = {json.loads(line)["id"]: json.loads(line) for line in open(path)}
                for name in names:
                    worst = {"mul": Worst(), "abs": Worst()}
                    best = compare(name, bridge, [by_id[i] for i in order], f["case_" + name][:], worst)
                    print(f"{kind:9} {name:15} mul within {worst['mul'].most:.1e}, abs within its rounding; largest score {best:.3f}",
                          flush=True)


if __name__ == "__main__":
    main()
