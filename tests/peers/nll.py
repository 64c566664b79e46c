#!/usr/bin/env python3
"""Losses, windows, key tokens and LongPPL of `nll` against transformers' logits and LongPPL's formula in numpy.

    nll.py NEEDLESCOPE

Two models on texts of its own: SmolLM2-135M-Instruct in a short context of 64 (its key tokens are real ones: texts that repeat what was
said long before), and a random Llama with its tokenizer, whose LongPPL is asked by the first's key tokens. The formula is written from the
paper and the released file format: key tokens have loss_short - loss > 2 and loss < 2; intervals of characters, adjacent ones merged; a
token counts where it lies wholly inside one."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from compare import close, count, same, skip
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

program = os.path.abspath(sys.argv[1])
SMOL = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
if not os.path.isdir(SMOL):
    skip("no " + SMOL)
K, S = 64, 24
torch.set_grad_enabled(False)
os.chdir(tempfile.mkdtemp())

FACTS = ["Dr. Ödön Kovács lives at 4417 Baker Street", "the vault's code is 7-19-83-02", "Ms. Zhāng sold 1,204 umbrellas in May"]
FILLER = ("The grass is green and the sky is blue. Rivers run to the sea, and clouds bring rain back to the hills. People sow in spring "
          "and reap in autumn; some of it they keep for winter. ")
texts = [f"Note that {fact}. " + FILLER * n + f"As was said before, {fact}. " + FILLER + f"Again: {fact}."
         for fact, n in zip(FACTS, (3, 4, 2))]
with open("texts.jsonl", "w") as f:
    for i, text in enumerate(texts):
        f.write(json.dumps({"id": f"t{i}", "text": text, "spans": {"fact": [10, 10 + len(FACTS[i])]}}, ensure_ascii=False) + "\n")


def ask(model, *options, code=0):
    done = subprocess.run([program, "nll", model, "--text", "texts.jsonl", "--json", *map(str, options)], stdout=subprocess.PIPE, text=True)
    assert done.returncode == code, done.returncode
    return json.loads(done.stdout)


def losses(model, ids):
    """[n] of token i given those before it; NaN: the first."""
    logits = model(torch.tensor([ids])).logits[0, :-1].double()
    chosen = torch.log_softmax(logits, -1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
    return np.concatenate([[np.nan], -chosen.numpy()])


def windowed(model, ids, context, stride):
    out = losses(model, ids[:context + stride])
    for start in range(stride, len(ids) - context, stride):
        out = np.concatenate([out, losses(model, ids[start:start + context + stride])[context:]])
    return out


def key_intervals(loss, short, offsets):
    found = []
    for i in range(K, len(loss)):
        if short[i] - loss[i] > 2 and loss[i] < 2:
            if found and found[-1][1] == offsets[i][0]:
                found[-1][1] = offsets[i][1]
            else:
                found.append(list(offsets[i]))
    return found


def longppl(per_text, intervals, offsets):
    """exp(sum of n ln lppl / sum of n) over texts, and how many tokens."""
    weight, number = 0.0, 0
    for loss, inside, at in zip(per_text, intervals, offsets):
        keys = [i for i, (a, b) in enumerate(at) if i > 0 and any(a >= x and b <= y for x, y in inside)]
        if keys:
            lppl = np.exp(loss[keys].mean())
            weight += len(keys) * np.log(lppl)
            number += len(keys)
    return np.exp(weight / number), number


tokenizer = AutoTokenizer.from_pretrained(SMOL)
smol = AutoModelForCausalLM.from_pretrained(SMOL, dtype=torch.float32).eval()
torch.manual_seed(5)
small = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                                     num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
                                     initializer_range=.2)).eval()
small.save_pretrained("small")
tokenizer.save_pretrained("small")

# ---- losses in the whole text, in a short context, and the key tokens that both say
whole = [tokenizer(text, return_offsets_mapping=True) for text in texts]               # with special tokens, as an evaluator has them
ids, at = [w["input_ids"] for w in whole], [w["offset_mapping"] for w in whole]
plain = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in texts]
offsets = [p["offset_mapping"] for p in plain]
full = [losses(smol, x) for x in ids]
short = [windowed(smol, x, K, S) for x in ids]
said = ask(SMOL, "--short", K, "--stride", S, "--make-keys", "keys.txt", "--per-token", "-o", "nll.h5")
for i, x in enumerate(ids):
    rows = [t for t in said["tokens"] if t["text"] == f"t{i}"]
    same([t["token"] for t in rows], x, "ids")
    assert rows[0]["log_p"] is None
    close([-t["log_p"] for t in rows[1:]], full[i][1:], 2e-4, "losses")
    close([-t["log_p_short"] for t in rows[1:]], short[i][1:], 2e-4, "losses in the short context")
every, every_short = (np.concatenate([x[1:] for x in of]) for of in (full, short))
close(said["loss"], every.mean(), 1e-4, "loss")
close(said["ppl"], np.exp(every.mean()), 1e-3, "ppl")
close(said["loss_short"], every_short.mean(), 1e-4, "loss in the short context")
intervals = [key_intervals(*x) for x in zip(full, short, at)]
lines = open("keys.txt").read().splitlines()
same(lines, [";".join(f"[{a}, {b}]" for a, b in x) for x in intervals], "key intervals")
count(sum(map(len, intervals)), "key intervals")
want, n = longppl(full, intervals, at)
close(said["longppl"], want, 1e-3, "LongPPL of the evaluator")
same([said["n_keys"]], [n], "key tokens")

# ---- by position, by span, by distance
position = np.concatenate([np.arange(1, len(x)) for x in ids])
for row in said["positions"]:
    use = (position >= row["from"]) & (position < row["to"])
    same([row["n"]], [int(use.sum())], "tokens of a bin")
    close(row["loss"], every[use].mean(), 2e-4, "by position")
distance = []
for x in ids:
    for i in range(1, len(x)):
        before = [j for j in range(1, i) if x[j] == x[i] and x[j - 1] == x[i - 1]]
        distance.append(i - before[-1] if before else 0)
distance = np.array(distance)
for row in said["distances"]:
    use = (distance >= row["from"]) & (distance < row["to"])
    same([row["n"]], [int(use.sum())], "tokens at a distance")
    close(row["loss"], every[use].mean(), 2e-4, "by distance")
assert sum(row["n"] for row in said["distances"]) == len(distance)
inside = [[i for i, (a, b) in enumerate(o) if b > 10 and a < 10 + len(FACTS[k]) and a < b and i > 0] for k, o in enumerate(at)]
row = next(row for row in said["spans"] if row["span"] == "fact")
same([row["n"]], [sum(map(len, inside))], "tokens of the span")
close(row["loss"], np.concatenate([full[k][x] for k, x in enumerate(inside)]).mean(), 2e-4, "by span")

# ---- the file
with h5py.File("nll.h5") as f:
    assert f.attrs["kind"] == "nll" and f["log_p"].dims[0][0].name == "/text"
    for i, x in enumerate(ids):
        same(f["token_id"][i, :len(x)], x, "ids in the file")
        close(-f["log_p"][i, 1:len(x)], full[i][1:], 2e-4, "losses in the file")
        close(-f["log_p_short"][i, 1:len(x)], short[i][1:], 2e-4, "short losses in the file")
        assert np.isnan(f["log_p"][i, len(x):]).all()
    same([int(f["is_key"][()].sum())], [n], "keys in the file")

# ---- another model's LongPPL by these keys
of_small = [losses(small, p["input_ids"]) for p in plain]
said = ask("small", "--keys", "keys.txt")
want, n = longppl(of_small, intervals, offsets)
close(said["longppl"] / want, 1, 1e-4, "LongPPL")
same([said["n_keys"]], [n], "key tokens")
# the same in windows
said = ask("small", "--context", 40, "--stride", 16)
close(said["loss"], np.concatenate([windowed(small, x, 40, 16)[1:] for x in ids]).mean(), 1e-4, "loss in windows")
print("nll: LongPPL", want, "of", n, "key tokens in", len(texts), "texts")
