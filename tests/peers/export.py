#!/usr/bin/env python3
"""Exports as their readers take them: the notebook by nbformat's schema and by nbclient, whose outputs must be those that it came with; the
CSV by pandas, bit for bit against h5py; the table by LaTeX, where there is one. Of a study whose checkpoints end, fail and are missing, of
the same study with names that are hostile to every format, and of the scores of one checkpoint. A row of attention over hostile tokens, by
LaTeX too.

    export.py NEEDLESCOPE"""
import base64
import copy
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import jsonschema
import nbclient
import nbformat
import numpy as np
import pandas as pd

from compare import count, same

HOSTILE = ['a,"b"\n\'c\'; =1+1', "$x_1$ & 50 % <b>#~^\\{}|`*[é]"]
TOOL = os.path.abspath(sys.argv[1])


def call(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


def make(work):
    """run a: 20 checkpoints, born at steps 30 and 120; run b: 12, with one that cannot be read and one that is not there."""
    heads = "--retrieval", "3.1,3.4,4.6,4.2,5.0", "--every", "10"
    call(TOOL, "lab", "plant", "a", "--series", "20", "--births", "30,120,40:110,30:80:140,never", "--seed", "3", *heads, cwd=work)
    call(TOOL, "lab", "plant", "b", "--series", "12", "--births", "100,100,100,100,never", "--seed", "4", *heads, cwd=work)
    call(TOOL, "cases", "needle", "--model", "a/step000010", "--lengths", "60", "--depths", "0:1:5", "--count", "3", "-o", "cases.jsonl",
         cwd=work)
    shutil.rmtree(os.path.join(work, "b", "step000040"))
    with open(os.path.join(work, "b", "step000070", "model.safetensors"), "r+b") as f:
        f.truncate(1000)
    probes = "retrieval_find,retrieval_mass,previous_token,ov_copying"
    scan = TOOL, "scan", "a", "b", "--cases", "cases.jsonl", "--probe", probes, "-q", "-o", "scan"
    subprocess.run(scan, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)       # exits 1: one checkpoint failed
    merged = subprocess.run([TOOL, "merge", "scan", "-o", "study.h5"], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert merged.returncode == 1, merged                   # says so too: one checkpoint failed
    call(TOOL, "score", "a/step000190", "--cases", "cases.jsonl", "--probe", "retrieval_find,induction", "--resamples", "100", "-o",
         "scores.h5",
         cwd=work)
    call(TOOL, "record", "a/step000190", "--cases", "cases.jsonl", "--maps", "rows", "--rows", "answer", "-o", "rec.h5", cwd=work)
    shutil.copy(os.path.join(work, "study.h5"), os.path.join(work, "hostile.h5"))
    with h5py.File(os.path.join(work, "hostile.h5"), "r+") as f:
        f["run_name"][:] = HOSTILE
        f["arm"][:] = HOSTILE[::-1]
        f["seed"][:] = [123456789012, np.nan]
        f["tokens"][1, :] = -1                      # births in steps
        f["retrieval_find"][0, 19, :2] = np.nan
        for counts in (name for name in f if name.startswith("find_") and name.endswith(("_hits", "_events"))):
            f[counts][0, 19, :, :2] = 0             # a score is without a number where nothing was counted
        f["retrieval_find"][0, 19, 2, 0] = np.float32(1e-45)


def check_csv(path, out):
    table = pd.read_csv(out, keep_default_na=False, na_values={"value": [""], "tokens": [""], "n": [""], "seed": [""], "window": [""]})
    with h5py.File(path) as f:
        study = "run" in f
        names = list(f["run_name"].asstr()[:]) if study else list(table.run.unique())
        assert list(table.run.unique()) == [n for r, n in enumerate(names) if not study or (f["status"][r] == 1).any()]
        axes = ("run", "step", "layer", "head") if study else ("layer", "head")
        arrays = {n: d for n, d in f.items() if isinstance(d, h5py.Dataset)}
        scores = [n for n, d in arrays.items() if d.dtype == "f4" and tuple(len(x) and x[0].name[1:] for x in d.dims) == axes
                  and not n.endswith("_chance")]
        assert sorted(table.score.unique()) == sorted(scores)
        valid = f["head_valid"][:].reshape(len(names), f["layer"].size, -1).astype(bool)
        for score in scores:
            rows = table[table.score == score]
            values = f[score][:].reshape(len(names), -1, *valid.shape[1:])
            measured = np.broadcast_to((f["status"][:] == 1 if study else np.ones((1, 1), bool))[:, :, None, None] & valid[:, None],
                                       values.shape)
            steps = {s: i for i, s in enumerate(f["step"][:])} if study else {}
            at = [names.index(r) for r in rows.run], [steps.get(s, 0) for s in rows.step], rows.layer, rows["head"]
            seen = np.zeros(values.shape, bool)
            seen[at] = True
            assert len(rows) == measured.sum() and np.array_equal(seen, measured), score
            got, want = rows.value.to_numpy().astype(np.float32), values[at]
            count(same(got, want, score, nan=True), score)
            assert got[~np.isnan(got)].tobytes() == want[~np.isnan(want)].tobytes(), score          # the zeros have signs
        if study:
            row = {name: table[table.run == name].iloc[0] for name in names}
            assert [row[n].arm for n in names] == list(f["arm"].asstr()[:])
            same([row[n].seed for n in names], f["seed"][:], "seed", nan=True)
            find = table[(table.score == "retrieval_find") & (table.run == names[0]) & (table.step == 190) & (table.layer == 3)]
            same(find.n, f["find_events"][0, -1, :, 3].sum(0), "n")
        else:
            same(table[table.score == "induction"].n, np.isfinite(f["case_induction"][:]).sum(0).ravel(), "n")
    print(f"{os.path.basename(path)}: {len(table)} rows of CSV, bit for bit", flush=True)


def cells_of(output):
    return [html.unescape(x) for x in re.findall(r"<td>(.*?)</td>", output.data["text/html"], re.S)]


def check_notebook(path):
    """The schema itself: nbformat.validate only warns of a missing id. Then run without the outputs: tables and text are those that were
    there."""
    schema = os.path.join(os.path.dirname(nbformat.__file__), "v4", "nbformat.v4.5.schema.json")
    with open(path) as f, open(schema) as s:
        raw = json.load(f)
        jsonschema.validate(raw, json.load(s))
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)
    given = nbformat.read(path, 4)
    run = copy.deepcopy(given)
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbclient.NotebookClient(run, timeout=120, kernel_name="python3", resources={"metadata": {"path": os.path.dirname(path)}}).execute()
    n = {}
    for a, b in zip(given.cells, run.cells):
        if a.cell_type != "code":
            continue
        got = [o for o in b.outputs if o.get("name") != "stderr"]        # a font may lack a letter
        assert a.execution_count == b.execution_count and [o.output_type for o in a.outputs] == [o.output_type for o in got], a.id
        for x, y in zip(a.outputs, got):
            n[x.output_type] = n.get(x.output_type, 0) + 1
            if x.output_type == "stream":
                assert x.text == y.text
            elif a.id == "page":
                same_page(page_of(x), page_of(y), path)
            elif x.output_type == "execute_result":
                assert cells_of(x) == cells_of(y), (a.id, cells_of(x), cells_of(y))
            else:
                png = base64.b64decode(x.data["image/png"])
                assert png[:8] == b"\x89PNG\r\n\x1a\n" and len(png) < 300_000 and len(x.data["text/plain"]) > 20 and "image/png" in y.data
    count(sum(n.values()), "outputs")
    print(f"{os.path.basename(path)}: {len(ids)} cells, outputs as executed: {n}", flush=True)
    return given


def page_of(output):
    return html.unescape(re.search(r'srcdoc="(.*)"></iframe></div>$', "".join(output.data["text/html"]), re.S)[1])


def same_page(written, executed, path):
    """That in the notebook says no command; the cell's is the command line's."""
    said = re.search(r'"command_line":"[^"]*",', executed)[0]
    assert "needlescope view" in said and executed.replace(said, "", 1) == written, path
    print(f"{os.path.basename(path)}: a page of {len(written)} characters, as executed", flush=True)


def check_births(notebook, want):
    cells = cells_of(next(c for c in notebook.cells if c.id == "births").outputs[0])
    assert cells == want, cells


def check_latex(path):
    text = open(path).read()
    assert text.count("\\midrule") >= 1 and "\\bottomrule" in text
    compile_latex(path)


def compile_latex(path):
    """With whatever LaTeX there is; no error, and no letter that the font lacks. Gives the name of the PDF, None without LaTeX."""
    engine = next((e for e in ("pdflatex", "lualatex", "xelatex") if shutil.which(e)), None)
    if not engine:
        print(f"{os.path.basename(path)}: no LaTeX engine here, not compiled", flush=True)
        return None
    done = subprocess.run([engine, "-interaction=nonstopmode", "-halt-on-error", os.path.basename(path)], cwd=os.path.dirname(path),
                          capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Missing character" not in open(path[:-4] + ".log", errors="replace").read(), path
    print(f"{os.path.basename(path)}: compiled by {engine}", flush=True)
    return path[:-4] + ".pdf"


def compile_part(path, *packages):
    """What an author inputs: it says itself which packages it needs."""
    needs = next(x for x in open(path, encoding="utf-8") if x.startswith("% needs "))
    assert re.findall(r"\\usepackage(\S*\{[a-z0-9]*\})", needs) == [*packages], needs
    around = path[:-4] + "_author.tex"
    with open(around, "w") as f:
        f.write("\\documentclass{article}\n" + "".join(f"\\usepackage{x}\n" for x in packages))
        f.write("\\begin{document}\n\\input{" + os.path.basename(path[:-4]) + "}\nafterwards\n\\end{document}\n")
    return compile_latex(around)


def byte_letters():
    """The letter that byte-level BPE writes for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def check_tokens(work):
    """figure tokens -o FILE.tex, \\input as an author does it: every printable ASCII character, line ends, tabs, runs of blanks, what TeX
    reads as commands and ligatures; the id of the case, which stands in a comment, ends no line there."""
    texts = [chr(x) for x in range(33, 127)]
    texts += [" ", "\n", "\t", "    ", " two  blanks ", "end\n\n", "\\input{/etc/passwd}", "%", " ---", "``''", "<<>>", "^^5c", "\\", "[1]",
              "*", "$x_1$", "a&b", "#1", "~", "?`!`"]
    letters = byte_letters()
    vocab = {"".join(letters[b] for b in text.encode()): i for i, text in enumerate(dict.fromkeys(texts))}
    os.mkdir(os.path.join(work, "words"))
    with open(os.path.join(work, "words", "tokenizer.json"), "w") as f:
        pre = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        json.dump({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": pre, "post_processor": None, "decoder": pre,
                   "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "fuse_unk": False,
                             "end_of_word_suffix": None, "byte_fallback": False, "vocab": vocab, "merges": []}}, f)
    with open(os.path.join(work, "tokens.jsonl"), "w") as f:
        json.dump({"id": "a\n\\stop \u2028 %{", "tokens": list(range(len(vocab))), "answer": [5]}, f)
    call(TOOL, "lab", "plant", "small", "--layers", "4", "--heads", "4", "--kv-heads", "2", "--retrieval", "2.3", "--vocab", "128",
         cwd=work)
    call(TOOL, "record", "small", "--cases", "tokens.jsonl", "--at", "blocks.2.attn.hook_pattern", "--maps", "dense", "-o", "row.h5", "-q",
         cwd=work)
    call(TOOL, "figure", "tokens", "row.h5", "--layer", "2", "--head", "3", "--tokenizer", "words", "-o", "tokens.tex", cwd=work)
    lines = open(os.path.join(work, "tokens.tex"), encoding="utf-8").read().split("\n")[:-1]
    shown = [x for x in lines if re.match(r"\\ns(token|query|less)\{", x)]
    count(len(shown), "tokens")
    assert len(shown) == len(vocab), lines
    assert all(x[0] in "%\\{" for x in lines), [x for x in lines if x[0] not in "%\\{"]
    assert "\\stop" not in "".join(x for x in lines if x[0] != "%"), lines
    for text in "\\ " * 4, "\\ two\\ \\ blanks\\ ", "end" + 2 * "$\\hookleftarrow$", "$\\mapsto$":          # none is eaten
        assert sum("{" + text + "}" in x for x in shown) == 1, (text, lines)
    pdf = compile_part(os.path.join(work, "tokens.tex"), "[T1]{fontenc}", "{textcomp}", "{xcolor}")
    if pdf and shutil.which("pdftotext"):
        page = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
        seen = "".join(page.split())
        lost = [x for x in map(chr, range(33, 127)) if seen.count(x) < "".join(dict.fromkeys(texts)).count(x)]
        assert not lost and "afterwards" in seen and "\\input{/etc/passwd}" in seen, (lost, page)
        count(94, "characters of the page")


def check_words(work):
    """Lines of figure tokens, drawn and as LaTeX, end between words, though their tokens are parts of words."""
    words = [["re", "mem", "ber"], ["the"], ["high"], ["pa", "rk", "s"], ["of"], ["an", "ti", "dis", "es", "tab", "lish", "ment"]]
    rng, text = np.random.default_rng(5), []
    for i in rng.integers(0, len(words), 60):
        text += [" " + words[i][0], *words[i][1:]]
    vocab = {x.replace(" ", "\u0120"): i for i, x in enumerate(dict.fromkeys(text))}
    path = os.path.join(work, "words", "tokenizer.json")
    tokenizer = json.load(open(path))
    tokenizer["model"]["vocab"] = vocab
    json.dump(tokenizer, open(path, "w"))
    with open(os.path.join(work, "text.jsonl"), "w") as f:
        json.dump({"id": "words", "tokens": [vocab[x.replace(" ", "\u0120")] for x in text], "answer": [5]}, f)
    call(TOOL, "record", "small", "--cases", "text.jsonl", "--at", "blocks.2.attn.hook_pattern", "--maps", "dense", "-o", "text.h5", "-q",
         cwd=work)
    draw = [TOOL, "figure", "tokens", "text.h5", "--layer", "2", "--head", "3", "--tokenizer", "words", "-o"]
    for width in "3.3", "2.2", "5":
        call(*draw, "text.svg", "--width", width, cwd=work)
        drawn = [(m[1], m[2].strip()) for m in re.finditer(r'<text[^>]* y="([^"]+)"[^>]*>([^<]+)</text>',
                                                           open(os.path.join(work, "text.svg"), encoding="utf-8").read())]
        pieces = {x.strip() for x in text}
        shown = [x for x in drawn if x[1] in pieces]
        assert [x[1] for x in shown] == [x.strip() for x in text], (width, shown)
        begun = [i for i in range(1, len(text)) if shown[i][0] != shown[i - 1][0]]
        assert len(begun) > 4 and all(text[i][0] == " " for i in begun), (width, [text[i] for i in begun])
        count(len(begun), "lines")
    low = subprocess.run([*draw, "low.svg", "--height", "0.8"], cwd=work, capture_output=True, text=True)
    assert low.returncode == 2 and "is too low; it needs" in low.stderr and not os.path.exists(os.path.join(work, "low.svg")), low
    call(*draw, "text.tex", cwd=work)
    lines = [x for x in open(os.path.join(work, "text.tex"), encoding="utf-8").read().split("\n") if re.match(r"\\(ns|allow)", x)]
    lines = lines[lines.index("\\allowbreak") - 1:]                        # behind the macros; a row begins with a token
    broken, at = [], 0
    for x in lines:
        broken += [at] if x == "\\allowbreak" else []
        at += x != "\\allowbreak"
    assert broken == [i for i in range(1, len(text)) if text[i][0] == " "], broken
    compile_part(os.path.join(work, "text.tex"), "[T1]{fontenc}", "{textcomp}", "{xcolor}")


def main():
    os.environ.pop("NEEDLESCOPE_H5", None)
    os.environ["PATH"] = os.path.dirname(TOOL) + os.pathsep + os.environ["PATH"]          # for the cells that run the program
    with tempfile.TemporaryDirectory() as work:
        make(work)
        os.mkdir(os.path.join(work, "paper"))
        check_tokens(work)
        check_words(work)
        for name in "study", "hostile", "scores":
            path = os.path.join(work, name + ".h5")
            notebook, table, tex = (os.path.join(work, "paper", name + ending) for ending in (".ipynb", ".csv", ".tex"))
            call(TOOL, "export", "csv", path, "-o", table)
            check_csv(path, table)
            second = {"study": "ov_copying", "hostile": "previous_token", "scores": "induction"}[name]
            call(TOOL, "export", "latex", path, "--score", f"retrieval_find,{second}", "--top", "4", "--standalone", "-o", tex)
            check_latex(tex)
            part = tex[:-4] + "_part.tex"
            call(TOOL, "export", "latex", path, "--score", second, "-o", part)
            compile_part(part, "[T1]{fontenc}", "{booktabs}")
            view = {"study": ["--view", "--beside", os.path.join(work, "rec.h5"), "--limit", "3M"], "scores": ["--view"]}.get(name, [])
            call(TOOL, "export", "notebook", path, "--score", f"retrieval_find,{second}", "-o", notebook, *view)
            done = check_notebook(notebook)
            assert any(c.id == "page" for c in done.cells) == bool(view)
            if name != "scores":
                rows = [["a", "3.1", "40960", "61440"], ["b", "", "184320", ""]]
                if name == "hostile":
                    rows = [[HOSTILE[0].replace("\n", "\\n"), "3.1", "20", "30"], [HOSTILE[1], "", "90", ""]]
                check_births(done, sum(rows, []))
        os.environ["NEEDLESCOPE_H5"] = path             # a notebook that was moved
        shutil.move(notebook, os.path.join(work, "moved.ipynb"))
        check_notebook(os.path.join(work, "moved.ipynb"))


main()
