#!/usr/bin/env python3
"""What 19.1 of SmolLM2 is by what heads write: the section of study-smollm2.md, as it came out.

    study-smollm2-writes.py NEEDLESCOPE MODEL [WORK]

Makes the study's cases in WORK (a temporary folder), scores them (3 minutes on two busy cores), and prints the tables."""
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

HEADS = ((19, 1), (20, 1), (29, 1), (18, 6), (23, 2), (23, 0), (21, 2), (24, 4))
SCORES = ("retrieval_logit", "dla", "dla_plain", "write_norm", "contribution")


def score(tool, model, work):
    cases, plain, out = (os.path.join(work, name) for name in ("cases.jsonl", "plain.jsonl", "writes.h5"))
    subprocess.run([tool, "cases", "needle", "--model", model, "--lengths", "400", "--depths", ".1,.5,.9", "--count", "4", "--seed", "1",
                    "--twins", "swap,absent", "-q", "-o", cases], check=True, stdout=subprocess.DEVNULL)
    with open(cases) as f, open(plain, "w") as to:
        to.writelines(line for line in f if "twin_of" not in line)
    subprocess.run([tool, "score", model, "--cases", plain, "--probe", "retrieval_find,writes", "-q", "-o", out], check=True,
                   stdout=subprocess.DEVNULL)
    return out


def place(values, head):
    """1: the best of all heads."""
    return 1 + int((values > values[head]).sum())


def table(f, title, values):
    print(f"\n{title}\n\n| head | `retrieval_find` | " + " | ".join(f"`{name}` (place)" for name in SCORES) + " |")
    print("|---|---|" + "---|" * len(SCORES))
    for head in HEADS:
        cells = [f"{values[n][head]:+.2f} ({place(values[n], head)})" for n in SCORES]
        print(f"| {head[0]}.{head[1]} | {f['retrieval_find'][head]:.2f} | " + " | ".join(cells) + " |")


def main(tool, model, work):
    with h5py.File(score(tool, model, work)) as f:
        first = {n: np.nanmean(f["answer_" + n][:, 0], axis=0) for n in SCORES}
        table(f, "At the first token of the answer, which has to be found:", first)
        table(f, "Over all tokens:", {n: f[n][()] for n in SCORES})
        logit, layers = f["answer_logit"][:, 0], f["answer_layer_logit"][:, 0]
        heads = np.nansum(f["answer_dla_plain"][:, 0], axis=(1, 2))
        print(f"\nThe first token's logit, {logit.mean():.2f} on average, is {heads.mean():+.2f} by heads, "
              f"{(layers.sum(1) - heads).mean():+.2f} by MLPs, {f['answer_embed_logit'][:, 0].mean():+.2f} by the embedding; the parts "
              f"differ from it by {np.abs(layers.sum(1) + f['answer_embed_logit'][:, 0] - logit).max():.0e} at most.")
        share = f["case_write_share"][:, 19, 1]
        print(f"\nBy looking at the needle 19.1 writes {np.nanmean(share):.3f} of the size of all that it writes (18.6: "
              f"{np.nanmean(f['case_write_share'][:, 18, 6]):.2f}, 23.2: {np.nanmean(f['case_write_share'][:, 23, 2]):.2f}).")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        main(*sys.argv[1:4])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(*sys.argv[1:3], folder)
