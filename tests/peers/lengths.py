#!/usr/bin/env python3
"""Greedy tokens where frequencies depend on the length: transformers' generate() with its cache, and ours, over the boundary.

    lengths.py GREEDY     the program of greedy.c

longrope changes its factors behind original_max_position_embeddings (24 here), dynamic its base with every token beyond
max_position_embeddings (24). Prompts below, at and above the boundary; the continuation crosses it. Our tokens must be those of generate(),
asked for few or many, with a draft or without."""
import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers as hf

from compare import count

SIZES = dict(hidden_size=36, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, vocab_size=64,
             pad_token_id=0, bos_token_id=1, eos_token_id=None)
FACTORS = dict(short_factor=[1.0, 1.5, 2.0], long_factor=[2.0, 3.0, 5.0])
MODELS = {
    "phi3 longrope": (hf.Phi3Config, dict(max_position_embeddings=96, original_max_position_embeddings=24,
                                          rope_scaling=dict(type="longrope", **FACTORS))),
    "llama longrope": (hf.LlamaConfig, dict(max_position_embeddings=96, original_max_position_embeddings=24,
                       rope_scaling=dict(rope_type="longrope", original_max_position_embeddings=24, factor=4.0, **FACTORS))),
    "llama dynamic": (hf.LlamaConfig, dict(max_position_embeddings=24, rope_scaling=dict(rope_type="dynamic", factor=4.0))),
    "llama linear": (hf.LlamaConfig, dict(max_position_embeddings=24, rope_scaling=dict(rope_type="linear", factor=4.0))),
    "llama yarn": (hf.LlamaConfig, dict(max_position_embeddings=96,
                                        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=24))),
}
PROMPTS, STEPS = [3, 20, 23, 24, 25, 40], 24


def make(folder, config_class, keys):
    torch.manual_seed(3)
    # eager forgets the mask where phi3 runs again
    model = hf.AutoModelForCausalLM.from_config(config_class(**SIZES, **keys), attn_implementation="sdpa")
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p if p.dim() == 1 else 0) + torch.randn(p.shape) * 0.25)
    model.save_pretrained(folder)


@torch.no_grad()
def theirs(folder, prompt):
    """A fresh model each time: dynamic keeps the longest length it has seen. -> tokens, and by how much the first was ahead of the
    second."""
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    out = model.generate(torch.tensor([prompt]), max_new_tokens=STEPS, do_sample=False, output_logits=True, return_dict_in_generate=True)
    ahead = min(float(top[0] - top[1]) for top in (logits[0].topk(2).values for logits in out.logits))
    return out.sequences[0, len(prompt):].tolist(), ahead


def ours(greedy, folder, cases, n):
    path = os.path.join(folder, "cases.jsonl")
    with open(path, "w") as f:
        f.writelines(json.dumps(case) + "\n" for case in cases)
    lines = subprocess.run([greedy, folder, path, str(n), "1"], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return [json.loads(line) for line in lines]


def check(greedy, name):
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        make(folder, *MODELS[name])
        prompts = [torch.randint(2, 64, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in PROMPTS]
        want = [theirs(folder, p) for p in prompts]
        drafts = [tokens[:i] + [(t + 1) % 64 for t in tokens[i:]] for i, (tokens, _) in enumerate(want)]
        cases = [{"id": str(i), "tokens": p, "answer": d} for i, (p, d) in enumerate(zip(prompts, drafts))]
        for n in (1, 5, STEPS):
            for (tokens, ahead), prompt, got in zip(want, prompts, ours(greedy, folder, cases, n), strict=True):
                count(n)
                if not ahead <= 1e-4 and (got["plain"] != tokens[:n] or got["verified"] != tokens[:n]):
                    print(f"  {len(prompt)} tokens, {n} asked: {got['plain']} and {got['verified']}, not {tokens[:n]}")
                    bad += 1
        bad += sum(ahead > 1e-4 for _, ahead in want) < len(want) - 1        # too many ties would prove nothing
    print(f"{'ok  ' if bad == 0 else 'FAIL'} {name}")
    return bad


if __name__ == "__main__":
    hf.logging.set_verbosity_error()
    sys.exit(sum(check(sys.argv[1], name) for name in MODELS) > 0)
