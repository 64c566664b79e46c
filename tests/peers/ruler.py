#!/usr/bin/env python3
"""RULER's prompts written again by its rules, and free generation against transformers'.

    ruler.py NEEDLESCOPE

Of each row of `cases ruler` what was drawn is read out of the text (keys, values, where needles lie, chains, words), and the prompt is made
of it once more with the rules of RULER's niah.py, variable_tracking.py, common_words_extraction.py and freq_words_extraction.py: it must be
the very text, and the answers those that the rules give. 22 rows a task. Then what `generate` says is what transformers generates
greedily, and its score is string_match_all."""
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

import numpy as np
import torch
from compare import close, count, same, skip
from scipy.special import zeta
from transformers import AutoModelForCausalLM, AutoTokenizer

program = os.path.abspath(sys.argv[1])
SMOL = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
if not os.path.isdir(SMOL):
    skip("no " + SMOL)
os.chdir(tempfile.mkdtemp())
tokenizer = AutoTokenizer.from_pretrained(SMOL)
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
NEEDLE = "One of the special magic {type_needle_v} for {key} is: {value}."
DEPTHS = list(np.round(np.linspace(0, 100, num=40, endpoint=True)).astype(int))
NIAH = ("Some special magic {type_needle_v} are hidden within the following text. Make sure to memorize it. I will quiz you about the "
        "{type_needle_v} afterwards.\n{context}\nWhat are all the special magic {type_needle_v} for {query} mentioned in the provided "
        "text?")
NIAH_PREFIX = " The special magic {type_needle_v} for {query} mentioned in the provided text are"
VT = ("Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n{context}\nQuestion: Find all variables "
      "that are assigned the value {query} in the text above.")
VT_PREFIX = (" Answer: According to the chain(s) of variable assignment in the text above, {num_v} variables are assgined the value "
             "{query}, they are: ")
CWE = ("Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n"
       "{context}\nQuestion: What are the 10 most common words in the above list?")
CWE_PREFIX = " Answer: The top 10 words that appear most often in the list are:"
FWE = ("Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. "
       "{context}\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared "
       "words in the above coded text?")
FWE_PREFIX = " Answer: According to the coded text above, the three most frequently appeared words are:"
KINDS = {  # haystack, key, value, numbers of keys, values, queries
    "niah_single_1": ("noise", "words", "numbers", 1, 1, 1), "niah_single_2": ("essay", "words", "numbers", 1, 1, 1),
    "niah_single_3": ("essay", "words", "uuids", 1, 1, 1), "niah_multikey_1": ("essay", "words", "numbers", 4, 1, 1),
    "niah_multikey_2": ("needle", "words", "numbers", 1, 1, 1), "niah_multikey_3": ("needle", "uuids", "uuids", 1, 1, 1),
    "niah_multivalue": ("essay", "words", "numbers", 1, 4, 1), "niah_multiquery": ("essay", "words", "numbers", 4, 1, 4)}
SHAPES = {"words": r"[a-z]+-[a-z]+", "numbers": r"[1-9]\d{6}",
          "uuids": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"}


def equal(got, want, what):
    assert got == want, (what, got[:200], want[:200])
    count(1)


def insert_lines(lines, is_needle, context):
    """RULER inserts from the last index on, at distinct ones of the haystack as it was: the k-th needle's is where it stands less k."""
    haystack = [line for line in lines if not is_needle(line)]
    found = [(i, line) for i, line in enumerate(lines) if is_needle(line)]
    indexes = [i - k for k, (i, _) in enumerate(found)]
    assert len(set(indexes)) == len(indexes) and all(i < len(haystack) for i in indexes), indexes
    sentences = list(haystack)
    for index, (_, line) in sorted(zip(indexes, found), reverse=True):
        sentences.insert(index, line)
    equal("\n".join(sentences), context, "lines")
    return haystack


def insert_essay(context, needle, n_needles):
    """Needles between sentences, at int(len * depth / 100) for distinct depths."""
    parts = re.split("(" + needle.pattern + ")", context)
    whole = [p for p in parts if p and not needle.fullmatch(p)]
    sentences = [s for p in whole for s in re.split(r'(?<=[.!?])(?<![A-Z]\.) (?=[A-Z"])', p.strip()) if s]
    before, at = 0, []
    for p in parts:
        if needle.fullmatch(p):
            at.append(before)
        else:
            before += len([s for s in re.split(r'(?<=[.!?])(?<![A-Z]\.) (?=[A-Z"])', p.strip()) if s])
    places = {int(len(sentences) * (depth / 100)) for depth in DEPTHS}
    assert len(at) == n_needles and set(at) <= places, (at, sorted(places))
    needles = [p for p in parts if needle.fullmatch(p)]
    out, last = [], 0
    for position, line in zip(at, needles):
        out += sentences[last:position] + [line]
        last = position
    equal(" ".join(out + sentences[last:]), context, "essay")
    return len(sentences)


def check_niah(row):
    meta, text = row["meta"], row["text"]
    haystack, key, value, k, v, q = KINDS[meta["task"]]
    template, kind = NIAH + NIAH_PREFIX, value
    if q * v == 1:
        template = template.replace("Some", "A").replace("are all", "is").replace("are", "is").replace("answers", "answer")
        kind = value[:-1]
    begin = text.index("\n") + 1
    context = text[begin:text.rindex("\nWhat ")]
    needle = re.compile(f"One of the special magic {value} for (?:{SHAPES[key]}) is: (?:{SHAPES[value]})\\.")
    queries = re.split(r", and |, ", meta["query"])
    pairs = re.findall(f"One of the special magic {value} for ({SHAPES[key]}) is: ({SHAPES[value]})\\.", context)
    asked = {name: [b for a, b in pairs if a == name] for name in queries}
    assert len(queries) == q and all(len(x) == v for x in asked.values()), asked
    assert Counter(meta["outputs"]) == Counter(b for x in asked.values() for b in x)
    if v == 1:
        equal(meta["outputs"], [asked[name][0] for name in queries], "outputs in the order of the query")
    query = ", ".join(queries[:-1]) + ", and " + queries[-1] if len(queries) > 1 else queries[0]
    equal(template.format(type_needle_v=kind, context=context, query=query), text, meta["task"])
    equal(meta["answer_prefix"], text[text.rindex(" The special"):], "prefix")
    if haystack == "noise":
        equal(insert_lines(context.split("\n"), needle.fullmatch, context), [NOISE] * meta["units"], "noise")
    elif haystack == "needle":
        mine = NEEDLE.format(type_needle_v=value, key=queries[0], value=meta["outputs"][0])
        rest = insert_lines(context.split("\n"), lambda line: line == mine, context)
        assert len(rest) == meta["units"] and all(needle.fullmatch(line) for line in rest)
    else:
        equal(insert_essay(context, needle, k * v), meta["units"], "sentences of the essay")
    spans, tokens = row["spans"], row["tokens"]
    a, b = spans["needle_answer"]
    equal(tokenizer.decode(tokens[a:b]).strip().strip("."), meta["outputs"][0], "the needle's span")


def read_chain(context, letters):
    """Variables, value and the text that RULER's insertion gives of them."""
    names = re.findall(r"VAR ([A-Z]+) =", context)
    first = re.search(r"VAR ([A-Z]+) = (\d{5})(?!\d)", context)
    chain = [f"VAR {names[0]} = {first[2]}"] + [f"VAR {b} = VAR {a} " for a, b in zip(names, names[1:])]
    assert first[1] == names[0] and len(set(names)) == 5 and all(len(x) == letters for x in names)
    noise = NOISE + "\n"
    lines = context.count(NOISE)
    at, rest, positions = 0, context, []
    for item in chain:
        where = rest.index(item)
        at += rest[:where].count(NOISE)
        rest = rest[where + len(item):]
        positions.append(at)
    assert len(set(positions)) == 5 and all(p < lines for p in positions), positions
    sentences = [noise] * lines
    for j, (position, item) in enumerate(zip(positions, chain)):
        sentences.insert(position + j, item)
    equal(" ".join(sentences).replace(". \n", ".\n"), context, "chain")
    return names, first[2], lines


def check_vt(row):
    meta, text = row["meta"], row["text"]
    example, asked = [p for p in text.split("\n\n\n\n") if p]
    made = []
    for part, letters in (example, 3), (asked, 5):
        begin, end = part.index("\n\n") + 2, part.index("\nQuestion: ")
        names, value, lines = read_chain(part[begin:end], letters)
        made.append((VT + VT_PREFIX).format(context=part[begin:end], query=value, num_v=5))
        if letters == 3:
            assert value == "12345" and lines % 5 == 0
            made[-1] += " " + " ".join(names) + "\n\n\n\n"
    equal("".join(made), text, "vt")
    equal(meta["outputs"], names, "variables")
    equal(lines, meta["units"], "noise")


def read_list(context, common, uncommon):
    words = [w.split(". ", 1) for w in re.split(r" (?=\d+\. )", context)]
    equal([int(i) for i, _ in words], list(range(1, len(words) + 1)), "numbers of the list")
    times = Counter(w for _, w in words)
    equal(sorted(times.values()), sorted([common] * 10 + [uncommon] * (len(times) - 10)), "how often words are said")
    equal(" ".join(f"{i + 1}. {w}" for i, (_, w) in enumerate(words)), context, "list")
    return {w for w, n in times.items() if n == common}, len(times)


def check_cwe(row):
    meta, text = row["meta"], row["text"]
    small = meta["length"] < 4096
    second = text.index(CWE[:40], 40)
    made = ""
    parts = (text[:second], 3 if small else 10, 1 if small else 3), (text[second:], 6 if small else 30, 1 if small else 3)
    for part, common, uncommon in parts:
        context = part[part.index("\n") + 1:part.index("\nQuestion: ")]
        words, n = read_list(context, common, uncommon)
        made += (CWE + CWE_PREFIX).format(context=context)
        if part is parts[0][0]:
            answer = part[part.index(CWE_PREFIX) + len(CWE_PREFIX):-1]
            assert n == (20 if small else 40) and {w.split(". ")[1] for w in re.split(r" (?=\d+\. )", answer)} == words
            made += answer + "\n"
    equal(made, text, "cwe")
    equal(set(meta["outputs"]), words, "common words")
    equal(n, meta["units"], "words")


def check_fwe(row):
    meta, text = row["meta"], row["text"]
    context = text[text.index("coded words. ") + 13:text.index("\nQuestion: ")]
    equal((FWE + FWE_PREFIX).format(context=context), text, "fwe")
    times = Counter(context.split(" "))
    k = np.arange(1, meta["length"] // 50 + 1)
    wanted = (meta["units"] * (k ** -2.0) / zeta(2.0)).astype(int)
    same(sorted(times.values(), reverse=True), wanted[wanted > 0], "how often coded words are said")
    ranked = [w for w, _ in times.most_common()]
    assert ranked[0] == "..." and all(re.fullmatch("[a-z]{6}", w) for w in ranked[1:])
    equal(meta["outputs"], ranked[1:4], "frequent words")


def check_phonebook(row):
    book, examples, asked = row["text"].split("\n\n")
    lines = dict(line.split(": ") for line in book.split("\n"))
    assert len(lines) == row["meta"]["units"] and all(re.fullmatch(r"[6-9]\d{9}", x) for x in lines.values())
    shown = dict(line.split(": ") for line in examples.split("\n"))
    assert len(shown) == 2 and all(lines[k] == x for k, x in shown.items()) and asked[:-1] not in shown and asked[-1] == ":"
    equal("\n".join(f"{k}: {x}" for k, x in lines.items()) + "\n\n" + "\n".join(f"{k}: {x}" for k, x in shown.items()) + "\n\n" + asked,
          row["text"], "phonebook")
    equal(row["meta"]["outputs"], [lines[asked[:-1]]], "the number")
    a, b = row["spans"]["needle_answer"]
    equal(tokenizer.decode(row["tokens"][a:b]).strip(), lines[asked[:-1]], "the number's span")


def check_copy(row):
    first, second, word = row["text"].split("\n\n")
    equal(f"{first}\n\n{first}\n\n{first.split(' ')[0]}", row["text"], "copy")
    equal(row["meta"]["outputs"], [" ".join(first.split(" ")[1:9])], "what comes next")
    for name in "needle_answer", "needle_answer.0":
        a, b = row["spans"][name]
        same(row["tokens"][a:b], row["answer"][row.get("lead", 0):], "the answer's tokens where it stands")


def rows_of(*options):
    command = [program, "cases", "ruler", "--model", SMOL, "-o", "ruler.jsonl", *map(str, options)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in open("ruler.jsonl")]


checks = {name: check_niah for name in KINDS} | {"vt": check_vt, "cwe": check_cwe, "fwe": check_fwe}
rows = rows_of("--lengths", 1024, "--count", 20) + rows_of("--lengths", 4096, "--count", 2, "--seed", 7)
same([Counter(r["meta"]["task"] for r in rows)[name] for name in checks], [22] * 11, "rows a task")
for row in rows:
    meta = row["meta"]
    checks[meta["task"]](row)
    same(row["tokens"], tokenizer(row["text"])["input_ids"], "tokens")
    room = meta["length"] - meta["max_new_tokens"] - len(row["tokens"])
    assert 0 <= room < (500 if meta["task"] in ("cwe", "fwe") else 130), (row["id"], room)
    assert row["text"].endswith(meta["answer_prefix"])
again = rows_of("--lengths", 1024, "--count", 3, "--task", "vt,niah_multiquery")
equal([r["text"] for r in again], [r["text"] for name in ("vt", "niah_multiquery") for r in rows if r["meta"]["task"] == name and
                                   r["meta"]["length"] == 1024 and r["meta"]["index"] < 3], "a case does not depend on the others")

for task, check in ("phonebook", check_phonebook), ("copy", check_copy), ("copy_shuffled", check_copy):
    others = rows_of("--lengths", 700, "--count", 20, "--task", task)
    same([len(others)], [20], task)
    for row in others:
        check(row)
        same(row["tokens"], tokenizer(row["text"])["input_ids"], "tokens")

# ---- questions of a file, mixed among its documents as RULER's qa.py writes them
QA = ("Answer the question based on the given documents. Only give me the answer and do not output any other words.\n\nThe following are "
      "given documents.\n\n{context}\n\nAnswer the question based on the given documents. Only give me the answer and do not output any "
      "other words.\n\nQuestion: {query} Answer:")
article = [{"context": f"House {i} of the street is {c}.", "qas": [{"question": f"Which colour has house {i}?", "answers": [{"text": c}]}]}
           for i, c in enumerate("red blue green white black grey".split())]
json.dump({"data": [{"paragraphs": article[:3]}, {"paragraphs": article[3:]}]}, open("squad.json", "w"))
near = [p["context"] for p in article]
for length, n in (220, None), (4000, 6):
    for i, row in enumerate(rows_of("--lengths", length, "--count", 6, "--task", "qa_1", "--qa", "squad.json")):
        context = row["text"].split("documents.\n\n", 1)[1].split("\n\nAnswer the")[0]
        documents = [d.split(":\n", 1)[1] for d in context.split("\n\n")]
        assert article[i]["context"] in documents and set(documents) <= set(near) and len(set(documents)) == len(documents)
        own = near[:3] if i < 3 else near[3:]
        assert n is None or len(documents) == n, (n, documents)
        assert len(documents) >= 3 and set(own) <= set(documents) or set(documents) <= set(own), documents
        text = "\n\n".join(f"Document {k + 1}:\n{d}" for k, d in enumerate(documents))
        equal(QA.format(context=text, query=article[i]["qas"][0]["question"]), row["text"], "qa_1")
        equal(row["meta"]["outputs"], [article[i]["qas"][0]["answers"][0]["text"]], "answers")

# ---- free generation
torch.set_grad_enabled(False)
model = AutoModelForCausalLM.from_pretrained(SMOL, dtype=torch.float32).eval()
some = rows_of("--lengths", 500, "--count", 2, "--task", "niah_single_1,niah_multiquery")
said = json.loads(subprocess.run([program, "generate", SMOL, "--cases", "ruler.jsonl", "--tokens", "24", "--json"], stdout=subprocess.PIPE,
                                 check=True).stdout)
scores = {}
for row, got in zip(some, said["cases"]):
    ids = torch.tensor([row["tokens"]])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)[0, ids.shape[1]:]
    text = tokenizer.decode(out, skip_special_tokens=True)
    equal(got["said"], text, "what is said")
    refs = row["meta"]["outputs"]
    score = sum(ref.lower() in text.lower() for ref in refs) / len(refs) * 100
    close(got["score"], score, 1e-9, "score of a case")
    scores.setdefault(row["meta"]["task"], []).append(score)
for row in said["tasks"]:
    close(row["string_match_all"], np.mean(scores[row["task"]]), 1e-9, "string_match_all")
assert {row["task"] for row in said["tasks"]} == set(scores) and max(map(max, scores.values())) > 0
print("ruler:", len(rows), "rows;", {name: float(np.mean(x)) for name, x in scores.items()})
