#!/usr/bin/env python3
"""docs/models.md from a run of `golden`: every family, how its checkpoints were stored, the largest differences from transformers.

    page.py FOLDER...               prints the page, two tables for each; FOLDER.lines is what `golden FOLDER/*` printed, FOLDER.gradients
                                    what tests/peers/backward.py found
    page.py FOLDER --check PAGE     is its table in PAGE, and within the bounds? (numbers differ from machine to machine)"""
import json
import os
import re
import sys

HEADER = """# Models: families, and how far each is from transformers

Tiny random models of each family, made and computed in f32 by transformers with its eager attention, or by the kernels of
flash-linear-attention in Triton's interpreter, 40 tokens each: at least four windows or runs of positions, sizes that do not divide, norms
and biases perturbed. The numbers are the largest absolute differences over all rows
(logits ≤ 1e-4), all attention rows that were compared (≤ 1e-5; of recurrent layers, which are not normalised, of 1 + |weight|), and all
outputs of recurrences (≤ 1e-5).
`tests/golden/live.sh` makes the models anew with the Python referees, compares, and holds this page to its families and bounds;
`tests/golden/page.py` printed it ([tests/golden/README.md](../tests/golden/README.md)). A dash is the family's plain form.
"""
TABLE = """
## %s

| family | checkpoints | stored as | logits | attention rows | recurrences |
|---|---|---|---|---|---|
"""
GRADIENTS = """
## Gradients beside %s

| family | checkpoints | tensors | embeddings | trained |
|---|---|---|---|---|
"""
BETWEEN = """
# Gradients

The largest differences from torch.autograd of the mean cross-entropy of a batch: of each tensor's gradient, of the largest of that tensor;
of the gradient by the embeddings, which `m.grad` gives, of the largest of these; and of the logits that the checkpoint has there after
three steps of AdamW here (each ≤ 1e-4). transformers computes in double precision; of flash-linear-attention it is the kernels' own way
back, in f32 and over 70 positions, more than a chunk. `tests/peers/backward.py` compares, on the kept fixtures and on models of its own,
and holds these tables to its families and bounds.
"""
FOOTER = """
# Notes

`minicpm` has no class in transformers 4: its referee is Granite with the multipliers that MiniCPM's keys
stand for. Apertus keeps the parameters of its activation in bf16 in transformers whatever the dtype; the referee has them in f32.
glm4_moe: experts of groups that are left out cannot be chosen; transformers gives them a score of 0, which wins over a negative one.
Mamba-2 with several groups of heads has a norm for each in mamba_ssm and transformers 5, one over all in transformers 4: the former is
right.
olmo_hybrid as save_pretrained of transformers 5.23 writes it has its three convolutions cut into equal parts, which are not the rows of q,
k and v where their widths differ. They are joined, as from_pretrained does; as released, and with one table of all three, it loads, too.
hypenet and minicpm_sala have no class in a package: their referee (`published.py`) is put together as their published code has it, of
transformers' modules and flash-linear-attention's kernel; MiniCPM-SALA's attention to all keys is its own below `dense_len` positions,
and longer prompts are refused.
simple_gla is a layer of flash-linear-attention that no model there has: its referee is that layer in gla's block.
mamba2 of several groups of heads is not compared with flash-linear-attention, whose path on CPUs takes their B and C in another order.

recurrent_gemma: transformers 4 masks a prefill without the window of the attention; its referee has it, as transformers 5 has.
nemotron_h: transformers 5.23 keeps steps at time_step_min or more, a line that its class has from Zamba2, and does not read the config's
time_step_limit, which its other classes of Mamba-2 read and which is followed here; the referee's time_step_min is 1e-9.
gpt_oss: `swiglu_limit` is read, as transformers 5 does; transformers 4 has 7 whatever it says. Another `swiglu_alpha` than 1.702 is
refused.
mamba, falcon_mamba, jamba: a `hidden_act` other than silu is refused. transformers 4 gates the scan's output by it, transformers 5 and
mamba_ssm by silu. A description can say `act` (as transformers 4 reads it). qwen3_next: `hidden_act` is that of the convolution too, as in
transformers 5 and in its kernel; transformers 4 has silu there on CPUs.
falcon_h1: each layer has attention and Mamba-2 side by side. `hook_q`, `hook_k`, `hook_v`, `hook_pattern`, `hook_z` and `hook_result` are
the attention's, and with `--heads-of recurrence` (`heads_of=` in Python) those of Mamba-2, whose rows are unrolled and signed as in any
recurrent layer: every command that takes a model takes it, the numbers of the pass stay the same bits, and files say it by another
`arch_sha256`. `hook_attn_out` is what the mixer with the heads adds; `hook_resid_mid` has what both add. What a recurrence alone has is
there either way: `hook_recurrence_out` (by head, before gate and norm), `hook_log_decay`, `hook_beta`, `hook_ssm_state` and the three
`pre_conv`, to be read, recorded and (but the state) edited. `inspect --points` says it of each point.
mamba2: `norm_before_gate` is not looked at, as in transformers, which gates before the norm; fla's is refused when true.

## What does not load
| model_type | there is no class of branches for |
|---|---|
"""
BOUNDS = (1e-4, 1e-5, 1e-5)
LINE = re.compile(r"(ok|FAILED) +(\S+): logits ([^\s,]+)(?:, attention rows ([^\s,]+))?(?:, recurrences ([^\s,]+))?")


def read(path):
    with open(path) as f:
        return f.read()


def write(text, path):
    with open(path, "w") as f:
        f.write(text)


def dtypes(folder):
    """The dtypes of a checkpoint's tensors, and in how many files they are."""
    found, files = set(), [f for f in os.listdir(folder) if f.endswith(".safetensors") and f != "expected.safetensors"]
    for name in files:
        with open(os.path.join(folder, name), "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        found |= {t["dtype"] for k, t in header.items() if k != "__metadata__"}
    return "+".join(sorted(found)) + (" in shards" if len(files) > 1 else "")


def family(folder):
    """The text model's type; of a text model that does not say, its wrapper's."""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    return config.get("text_config", config).get("model_type", config["model_type"])


def rows(folder, lines):
    table = {}
    for good, path, *worst in LINE.findall(lines):
        name = os.path.basename(path)
        row = table.setdefault(family(os.path.join(folder, name)), {"names": [], "stored": set(), "worst": [0.0, None, None]})
        row["names"].append(name)
        row["stored"].add(dtypes(os.path.join(folder, name)))
        row["worst"] = [max(a or 0.0, float(b)) if b else a for a, b in zip(row["worst"], worst)]
        assert good == "ok", path
    assert table, lines
    return table


def short(name, kind):
    rest = name.removeprefix(kind).removeprefix(kind.removesuffix("_text")).strip("-")
    return rest or "–"


def lacking():
    with open(os.path.join(os.path.dirname(__file__), "../../lib/model/families/wrapper.c")) as f:
        table = re.search(r"lacking\[\] = \{(.*?)\n\};", f.read(), re.S).group(1)
    return re.findall(r'\{"([^"]+)",\s*"([^"]+)"\}', table)


def table(folder):
    found, text = rows(folder, read(folder.rstrip("/") + ".lines")), TABLE % read(folder.rstrip("/") + ".title").strip()
    for kind, row in sorted(found.items()):
        names = ", ".join(sorted({short(n, kind) for n in row["names"]}))
        numbers = " | ".join("" if x is None else f"{x:.1e}" for x in row["worst"])
        text += f"| {kind} | {names} | {', '.join(sorted(row['stored']))} | {numbers} |\n"
    return text


def gradients(title, found):
    """The table of {name: (folder, the largest differences)}."""
    families = {}
    for name, (folder, worst) in found.items():
        families.setdefault(family(folder), []).append((name, worst))
    text = GRADIENTS % title
    for kind, models in sorted(families.items()):
        names = ", ".join(sorted(short(name, kind) for name, _ in models))
        text += f"| {kind} | {names} | {' | '.join(f'{max(x):.1e}' for x in zip(*(worst for _, worst in models)))} |\n"
    return text


def without_numbers(text):
    return re.sub(r"\d\.\de-\d+ (?=\|)", "", text)


def hold(made, path, bounds):
    """Is the table `made` in the page, and are all tables there that have so many bounds within them?"""
    old = read(path)
    before, heading, behind = old.partition(BETWEEN)
    here = behind if made.startswith(GRADIENTS[:8]) else before + "\n"          # which BETWEEN begins with
    seen = re.findall(r"\| (\d\.\de-\d+) \| (\d\.\de-\d+)? *\| (\d\.\de-\d+)? *\|", here)
    wide = [n for n in seen if not all(not x or float(x) <= bound for x, bound in zip(n, bounds))]
    if not heading or without_numbers(made) + "\n" not in without_numbers(here) or wide or len(seen) < 20:
        sys.exit(f"{path} is old: tests/golden/live.sh build/tests/golden/golden --page build/tests/peers/peer_train >{path}")


def check_gradients(made, path):
    hold(made, path, (1e-4, 1e-4, 1e-4))


def main():
    if "--check" in sys.argv:
        hold(table(sys.argv[1]), sys.argv[3], BOUNDS)
    else:
        tables, behind = ("".join(of(f) for f in sys.argv[1:]) for of in (table, lambda f: read(f.rstrip("/") + ".gradients")))
        print(HEADER + tables + BETWEEN + behind + FOOTER + "".join(f"| {glob} | {what} |\n" for glob, what in lacking()), end="")


if __name__ == "__main__":
    main()
