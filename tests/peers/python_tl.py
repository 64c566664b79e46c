#!/usr/bin/env python3
"""needlescope.py's TransformerLens habits against TransformerLens 4.3 itself (a TransformerBridge of the same folder): weights by name and
shape, logits of all positions, every activation that both name, by its short name too, loss, configuration.

    python_tl.py ROOT"""
import os
import sys
import tempfile

import numpy as np
import torch
from transformer_lens.model_bridge import TransformerBridge
from compare import Worst, count, same
from transformers import GPT2Config, GPT2LMHeadModel
import heads_tl

sys.path.insert(0, os.path.join(sys.argv[1], "notebooks_export"))
import needlescope as ns

NEAR = 2e-5
WEIGHTS = ["W_Q", "W_K", "W_V", "W_O", "W_E", "W_U", "W_in", "W_out", "b_U"]
SHORT = [("resid_pre", 1), ("resid_mid", 0), ("resid_post", -1), ("q", 0), ("k", 1), ("v", 0), ("z", 0), ("pattern", 1), ("attn_scores", 0),
         ("post", 0, "mlp"), ("mlp_out", 1), ("attn_out", 0), ("normalized", 0, "ln1"), "embed"]
PROMPT, OTHER = [0, 5, 9, 77, 5, 300, 9], [0, 9, 77, 5]


def make_gpt2(folder):
    torch.manual_seed(5)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=512, n_embd=64, n_layer=2, n_head=4, n_positions=64, initializer_range=.2))
    model.save_pretrained(folder)
    return model.eval()


def near(worst, name, got, want):
    want = np.asarray(want, np.float64)
    assert got.shape == want.shape, (name, got.shape, want.shape)
    hidden = np.isneginf(want) | (want < -1e30)                        # masked scores: ours are -inf, theirs as low as it goes
    assert np.array_equal(np.isneginf(got) | (got < -1e30), hidden), name
    error = worst.add(got[~hidden], want[~hidden], name, 1 + np.abs(want[~hidden]).max(initial=0))
    assert error < NEAR, (name, error)


@torch.inference_mode()
def check(folder, model, weights):
    lens, m, worst = TransformerBridge.boot_transformers(folder, hf_model=model), ns.load(folder), Worst()
    for name in weights:
        want = getattr(lens, name).detach().numpy()
        same(np.asarray(getattr(m, name)), want)
        if want.ndim == 4:
            same(getattr(m, name)[-1, 2], want[-1, 2])
    logits, cache = lens.run_with_cache(torch.tensor([PROMPT]))
    got, ours = m.run_with_cache(PROMPT)
    near(worst, "logits", got, logits)
    both = [name for name in ours if name in cache.keys()]
    assert len(both) >= 14 * m.n_layers, both
    for name in both:
        near(worst, name, ours[name], cache[name])
    for key in SHORT:
        near(worst, key, ours[key], cache[key])
    near(worst, "stack", ours.stack_activation("resid_pre"), cache.stack_activation("resid_pre"))
    for prompt in (PROMPT, OTHER):
        near(worst, "loss", np.array(m.loss(prompt)), lens(torch.tensor([prompt]), return_type="loss"))
    near(worst, "losses", m.loss([PROMPT], per_token=True), lens(torch.tensor([PROMPT]), return_type="loss", loss_per_token=True))
    batch, cached = m.run_with_cache([PROMPT, OTHER], names_filter=["blocks.*.attn.hook_pattern", "blocks.0.hook_resid_post"])
    near(worst, "batch", batch[1, :len(OTHER)], lens(torch.tensor([OTHER]))[0])
    same(batch[0], got[0])
    assert np.isnan(batch[1, len(OTHER):]).all() and np.isnan(cached["pattern", 1][1, :, len(OTHER):]).all()
    same(cached["resid_post", 0][0], ours["resid_post", 0][0])
    for name in ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "d_vocab", "n_ctx", "normalization_type"):
        assert m.cfg[name] == getattr(lens.cfg, name), (name, m.cfg[name], getattr(lens.cfg, name))
    print(f"{m.family}: {len(weights)} weights equal, {len(both)} activations within {worst.most:.1e}", flush=True)
    count(len(both), m.family)


with tempfile.TemporaryDirectory() as work:
    llama, gpt2 = os.path.join(work, "llama"), os.path.join(work, "gpt2")
    model = heads_tl.make_model(llama)
    heads_tl.make_tokenizer(llama)
    check(llama, model, WEIGHTS + ["W_gate"])
    model = make_gpt2(gpt2)
    heads_tl.make_tokenizer(gpt2)
    check(gpt2, model, [*WEIGHTS, "W_pos", "b_Q", "b_K", "b_V", "b_O", "b_in", "b_out"])
