#!/usr/bin/env python3
"""needlescope.py against eager transformers: committed fixtures, SmolLM2-135M-Instruct with its tokenizer, and stories260K where it is
there.

    real.py NEEDLESCOPE ROOT STORIES

Logits, attention rows and residuals agree; so do logits with heads silenced (z = 0 before o_proj), greedy tokens, and token ids of text."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers
from compare import Worst, count, same
from transformers import AutoModelForCausalLM, AutoTokenizer

tool, root, stories = sys.argv[1:4]
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

SMOLLM2 = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
PARTS = ["", " two  spaces", "Ünïcødé — 漢字 🙂", "line\nbreak\ttab", "The pass key is 71432.", "<|im_start|>user\nHi<|im_end|>"]


class Silenced:
    """Heads of the referee whose z is 0."""

    def __init__(self, model, heads):
        d, layers = model.config.hidden_size // model.config.num_attention_heads, model.model.layers
        d = getattr(model.config, "head_dim", None) or d
        self.handles = [layers[layer].self_attn.o_proj.register_forward_pre_hook(self.cut([h for at, h in heads if at == layer], d))
                        for layer in {layer for layer, _ in heads}]

    @staticmethod
    def cut(heads, d):
        def hook(_, inputs):
            z = inputs[0].clone()
            for h in heads:
                z[..., h * d:(h + 1) * d] = 0
            return (z,)
        return hook

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def near(worst, name, got, want, bound):
    error = worst.add(got, want, name, 1 + np.abs(want).max())
    assert error < bound, (name, error)


@torch.inference_mode()
def check(folder, ids, heads, bound):
    referee = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    m = ns.load(folder)
    run = lambda **more: referee(torch.tensor([ids]), **more)
    want = run(output_attentions=True, output_hidden_states=True)
    rows = [-4, -1]
    logits, cache = m.run(ids, at=["blocks.*.attn.hook_pattern", "blocks.*.hook_resid_pre", "hook_logits"], rows=rows)
    worst = Worst()
    near(worst, "logits", logits, want.logits[0, -1].numpy(), bound)
    near(worst, "rows of logits", cache["hook_logits"], want.logits[0, rows].numpy(), bound)
    for layer in range(m.n_layers):
        near(worst, "pattern", cache[f"blocks.{layer}.attn.hook_pattern"], want.attentions[layer][0][:, rows].numpy(), bound)
        near(worst, "residual", cache[f"blocks.{layer}.hook_resid_pre"], want.hidden_states[layer][0, rows].numpy(), bound)
    with Silenced(referee, heads), m.ablate(heads):
        silenced = m.run(ids)[0]
        near(worst, "silenced", silenced, run().logits[0, -1].numpy(), bound)
    assert np.abs(silenced - logits).max() > 1e-3
    said = referee.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=0)[0,
                                                                                                                       len(ids):].tolist()
    assert m.generate(ids, 8).tolist() == said, (m.generate(ids, 8), said)
    print(f"{os.path.basename(folder)}: logits, rows, residuals, silenced heads within {worst.most:.1e}; 8 greedy tokens equal", flush=True)


def check_text():
    m, referee = ns.load(SMOLLM2), AutoTokenizer.from_pretrained(SMOLLM2)
    for text in [*PARTS, "".join(PARTS)]:
        want = referee(text, return_offsets_mapping=True)
        ids = m.encode(text)
        assert ids.tolist() == want["input_ids"] and ids.dtype == np.int32, text
        assert [tuple(x) for x in m.tokenizer.offsets(text).tolist()] == [tuple(x) for x in want["offset_mapping"]], text
        assert m.tokenize(text) == referee.convert_ids_to_tokens(want["input_ids"]), text
        for skip in (False, True):
            plain = referee.decode(ids.tolist(), skip_special_tokens=skip, clean_up_tokenization_spaces=False)
            assert m.decode(ids, skip_special=skip) == plain, text
    assert set(m.tokenizer.special().tolist()) == {i for i, t in referee.added_tokens_decoder.items() if t.special}
    same(m.run("The pass key is")[0], m.run(m.encode("The pass key is"))[0])
    spans = dict(needle=[0, 24], needle_answer=[20, 23])
    found = m.cases([dict(id="a", text="The code of Rome is 417. The code of Rome is", spans=spans, answer=" 417")])[0]
    assert m.decode(found.answer) == " 417" and m.decode(found.tokens[slice(*found.spans["needle"])]) == "The code of Rome is 417."
    print("SmolLM2: ids, tokens, offsets and text of", len(PARTS) + 1, "texts equal", flush=True)


def check_expected(folder):
    """The model's own expected.json: a forward pass in double precision."""
    with open(os.path.join(folder, "expected.json")) as f:
        want = json.load(f)
    m, ids = ns.load(folder), want["greedy_ids"]
    assert m.generate(ids[:1], len(ids) - 1).tolist() == ids[1:]
    cache = m.run(ids[:16], at=["hook_logits", "blocks.*.attn.hook_pattern"])[1]
    worst = Worst()
    near(worst, "logits", cache["hook_logits"], np.array(want["logits_first16"]), 2e-5)
    for layer, heads in enumerate(want["attn_first16"]):
        for head, rows in enumerate(heads):
            for row, weights in enumerate(rows):
                near(worst, "pattern", cache[f"blocks.{layer}.attn.hook_pattern"][head, row, :row + 1], np.array(weights)[:row + 1], 2e-5)
    print(f"stories260K: {len(ids) - 1} greedy tokens equal, logits and patterns within {worst.most:.1e} of double precision", flush=True)


def check_score():
    """Prompts with special tokens in them: the _nosink scores leave these out, be the cases ids or text."""
    with tempfile.TemporaryDirectory() as work:
        cases, out = os.path.join(work, "cases.jsonl"), os.path.join(work, "scores.h5")
        call = lambda *command: subprocess.run([tool, *command, "-q"], check=True, stdout=subprocess.DEVNULL)
        call("cases", "needle", "--model", SMOLLM2, "--lengths", "150", "--depths", ".5", "--count", "1", "--chat", "chatml", "-o", cases)
        names = ["retrieval_find", "retrieval_mass", "induction"]
        call("score", SMOLLM2, "--cases", cases, "--probe", ",".join(names), "--resamples", "0", "-o", out)
        m, n = ns.load(SMOLLM2), 0
        got = m.score(cases, names)
        special = m.tokenizer.special()
        assert all(np.isin(case.tokens, special).any() for case in m.cases(cases))
        with h5py.File(out) as f:
            assert f.attrs["special_tokens"] == ",".join(map(str, special.tolist()))
            for name, d in f.items():
                if isinstance(d, h5py.Dataset) and d.dtype.kind in "iuf" and name not in ("sample", "weights_sample"):
                    assert got[name].dtype == d.dtype and got[name].values.tobytes() == d[()].tobytes(), name
                    n += 1
        assert (got.retrieval_mass_nosink.values > got.retrieval_mass.values).any()
        print(f"SmolLM2: {count(n)} arrays of scores.h5 equal, bit for bit", flush=True)


def main():
    transformers.logging.set_verbosity_error()
    rng = np.random.default_rng(11)
    fixtures = os.path.join(root, "tests", "golden", "fixtures")
    for name in ("llama", "mistral", "qwen3", "olmo2"):
        check(os.path.join(fixtures, name), rng.integers(3, 64, 40).tolist(), [(0, 1), (1, 0), (1, 2)], 2e-5)
    if os.path.isdir(stories):
        check(stories, [1, *rng.integers(3, 512, 60).tolist()], [(1, 2), (4, 7)], 2e-5)
        check_expected(stories)
    subprocess.run([sys.executable, os.path.join(root, "tests", "peers", "make_smollm2.py"), SMOLLM2], check=True,
                   stdout=subprocess.DEVNULL)
    check_text()
    check_score()
    ids = ns.load(SMOLLM2).encode("The code of Rome is 417, the code of Oslo is 903. Again: the code of Rome is")
    check(SMOLLM2, ids.tolist(), [(5, 1), (18, 6)], 2e-5)


if __name__ == "__main__":
    main()
