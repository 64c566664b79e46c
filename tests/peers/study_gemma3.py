#!/usr/bin/env python3
"""docs/study-gemma3.md has the numbers that were measured, and they are measured again.

    study_gemma3.py NEEDLESCOPE DOCS

The page's tables are those of study-gemma3.json, to the letter; two of its prompts, the nearest needle and the farthest, give its hits and
its knock-outs from the GGUF, and one its hits under a constraint. Skipped where that file is not installed and cannot be had."""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import h5py

from compare import close, count

HERE = os.path.dirname(os.path.abspath(__file__))
NEAR, FAR = "needle-s1-numbers-essay-4400-d128-0", "needle-s1-numbers-essay-4400-d4096-0"


def load(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3].replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_page(study, data, docs):
    with open(os.path.join(docs, "study-gemma3.md"), encoding="utf-8") as f:
        page = f.read()
    for make in study.TABLES:
        text = "\n".join(make(data))
        assert text in page, f"the page has other numbers than study-gemma3.json in its table '{make.__name__}':\n{text}"
        count(text.count("|"))


def call(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def check_odds(study, said, cases):
    """What score says of the kinds of layers, from the same hits."""
    for row in said["kinds"]:
        name = row["score"].removeprefix("retrieval_")
        if name in study.SCORES and row["kind"] == "full":
            listed = study.strong(study.rates(cases, name))
            assert (row["strong"], row["all_strong"]) == (sum(h in study.FULL for h in listed), len(listed)), (row, listed)
            close([row["p_heads"], row["p_layers"]], study.odds(listed), 1e-5, name)


def check_scores(study, data, tool, model, work):
    cases, scores = os.path.join(work, "cases.jsonl"), os.path.join(work, "scores.h5")
    call(tool, "cases", "needle", "--model", model, "--lengths", "4400", "--distances", "128,4096", "--value-types", "numbers",
         "--templates", "essay", "--seed", "1", "-o", cases)
    said = json.loads(call(tool, "score", model, "--cases", cases, "--probe", "retrieval_find,retrieval_continue,induction", "--resamples",
                           "0", "--json", "-o", scores))
    with h5py.File(scores) as f:
        assert str(f.attrs["weights_sha256"]) == data["weights_sha256"], "other weights"
        again = {c["id"]: c for c in study.pack_scores(f)}
    assert sorted(again) == [NEAR, FAR], sorted(again)
    check_odds(study, said, list(again.values()))
    for case in data["cases"]:
        if case["id"] in again:
            assert again[case["id"]] == case, (again[case["id"]], case)
            count(len(study.ALL))
    return cases


def check_knockout(study, data, tool, model, cases, work):
    out = os.path.join(work, "full.h5")
    call(tool, "ablate", model, "--cases", cases, "--kind", "full", "--mode", "knockout", "--scope", "decode", "--loss-cases", "0",
         "-o", out)
    with h5py.File(out) as f:
        again = study.pack_knockout(f)
    known = data["knockout_full"]
    for i, name in enumerate(again["ids"]):
        at = known["ids"].index(name)
        for condition in ("none", "blind"):
            for what, values in again[condition].items():
                assert values[i] == known[condition][what][at], (name, condition, what, values[i], known[condition][what][at])
                count(1)


def check_constrained(study, data, tool, model, work):
    """The farthest needle again, with the full layers cut to the window."""
    cases, scores = os.path.join(work, "cut.jsonl"), os.path.join(work, "cut.h5")
    call(tool, "cases", "needle", "--model", model, "--lengths", "2300", "--distances", "2048", "--value-types", "numbers", "--templates",
         "essay", "--values", "4", "--seed", "2", "-o", cases)
    subprocess.run([tool, "score", model, "--cases", cases, "--probe", "retrieval_find,retrieval_continue", "--constrain", "full=512+4",
                    "--resamples", "0", "-o", scores], check=False, stdout=subprocess.DEVNULL)       # 1: it answers none
    with h5py.File(scores) as f:
        again, = study.pack_constrained(f)
    known, = (c for c in data["full512"] if c["id"] == again["id"])
    assert again == known, (again, known)
    count(len(study.ALL))


def main():
    tool, docs = sys.argv[1:]
    study = load(os.path.join(docs, "study-gemma3.py"))
    with open(study.DATA, encoding="utf-8") as f:
        data = json.load(f)
    check_page(study, data, docs)
    model = load(os.path.join(HERE, "make_gemma3.py")).cached()
    with tempfile.TemporaryDirectory() as work:
        cases = check_scores(study, data, tool, model, work)
        check_knockout(study, data, tool, model, cases, work)
        check_constrained(study, data, tool, model, work)
    print("ok   the tables are those of the data; three prompts again")


main()
