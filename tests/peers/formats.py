#!/usr/bin/env python3
"""Every format, dtype and family that is read, against what computed it outside: docs/formats.md.

    formats.py FOLDER             some cells of each row and column, as the page has them
    formats.py FOLDER --all       all of them, each cell of the page held to what is measured
    formats.py FOLDER --page      writes the page anew

FOLDER: that of needlescope.py; NEEDLESCOPE_LIB: the library. Families are those of tests/golden with transformers 4, in every dtype stored
as safetensors (one file, shards) and by torch.save (zip, legacy, shards); the truth is transformers on the safetensors of that dtype, in
f32. Of GGUF every architecture in every type: the truth is transformers with the weights of gguf.dequantize. llama2.c: run.c's algorithm
in f64; nanoGPT: transformers' GPT-2."""
import copy
import json
import os
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers as hf
from gguf import GGMLQuantizationType as Q
from safetensors.torch import load_file, save_file

import gguf_models
import llama2c
import torch_files
from compare import close, count

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
import tiny  # noqa: E402
from families import FIXTURES, LIVE  # noqa: E402

PAGE = os.path.join(HERE, "..", "..", "docs", "formats.md")
BOUND = 1e-4
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
STORED = DTYPES | {"F64": torch.float64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
CONSTANTS = ("minimax",)                    # files hold its decays, which are constants: eight bits cannot, and it is refused
FORMATS = ("safetensors", "safetensors in shards", ".bin", ".bin, legacy", ".bin in shards")
TYPES = {q.name: q for q in (Q.F32, Q.F16, *gguf.quants._type_traits)}
BLOCKS = {name: gguf.GGML_QUANT_SIZES[q][0] for name, q in TYPES.items()}
# Where the halves that all numbers of a block are proportional to stand, and in what proportion, so that their mean is about 0.
HALVES = {Q.Q2_K: {80: 1, 82: 1.5}, Q.Q3_K: {108: 1}, Q.Q4_K: {0: 1, 2: 7.5}, Q.Q5_K: {0: 1, 2: 15.5}, Q.Q6_K: {208: 1}, Q.IQ1_M: {},
          Q.NVFP4: {},
          **dict.fromkeys((Q.IQ2_XXS, Q.IQ2_XS, Q.IQ2_S, Q.IQ3_XXS, Q.IQ3_S, Q.IQ1_S, Q.IQ4_NL, Q.IQ4_XS), {0: 1})}
# Rows of 256; gguf_models' heads of 16, and enough of them.
WIDER = {False: dict(hidden_size=256, intermediate_size=256, num_attention_heads=16), True: dict(n_embd=256, n_head=16)}
SD = .08


# ---- families in folders ----

def families():
    """One model of each type: the plain one."""
    found = {}
    for name, (config_class, _, how) in (FIXTURES | LIVE).items():
        if not how.get("wrapper") and not how.get("mxfp4") and "config" not in how:
            found.setdefault(config_class.model_type, name)
    return found


def shards(folder, tensors, stem, ending, save):
    names, parts = sorted(tensors), [f"{stem}-{i + 1:05}-of-00003.{ending}" for i in range(3)]
    where = {name: parts[i % 3] for i, name in enumerate(names)}
    for part in parts:
        save({name: tensors[name] for name in names if where[name] == part}, os.path.join(folder, part))
    with open(os.path.join(folder, f"{stem}.{ending}.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}, f)


def put(folder, form, tensors, config):
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        f.write(config)
    whole = os.path.join(folder, "pytorch_model.bin")
    {"safetensors": lambda: save_file(tensors, os.path.join(folder, "model.safetensors")),
     "safetensors in shards": lambda: shards(folder, tensors, "model", "safetensors", save_file),
     ".bin": lambda: torch.save(tensors, whole),
     ".bin, legacy": lambda: torch.save(tensors, whole, _use_new_zipfile_serialization=False),
     ".bin in shards": lambda: shards(folder, tensors, "pytorch_model", "bin", torch.save)}[form]()


def some_ids(vocab, n):
    return [int(x) for x in np.random.default_rng(1).integers(0, vocab, n)]


def logits(ns, path, ids):
    return np.asarray(ns.load(path).run([int(i) for i in ids], at="hook_logits")[1]["hook_logits"])


def family_model(name):
    config_class, keys, how = (FIXTURES | LIVE)[name]
    generator = tiny.begin(21)
    model = hf.AutoModelForCausalLM.from_config(config_class(**copy.deepcopy(keys)), attn_implementation="eager")
    tiny.randomise(model, generator, how.get("sd", 0.2))
    return model, torch.randint(0, model.config.vocab_size, (tiny.T,), generator=generator)


@torch.no_grad()
def truth(folder, ids):
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if model.config.model_type == "minimax":                     # its decays are constants, whatever a file of 16 bits has rounded them to
        fresh = dict(hf.AutoModelForCausalLM.from_config(model.config).named_buffers())
        for name, buffer in model.named_buffers():
            buffer.copy_(fresh[name])
    return model.eval().float()(ids[None], use_cache=False).logits[0].numpy()          # .float(): make_fixtures.expect says why


def family_cells(ns, folder, name, wanted):
    """{(dtype, format): the largest difference of a logit} of those in wanted."""
    model, ids = family_model(name)
    out = {}
    for dtype in dict.fromkeys(d for d, _ in wanted):
        stored = os.path.join(folder, name, dtype)
        tiny.store(copy.deepcopy(model), stored, STORED[dtype], "1GB")
        want = truth(stored, ids)
        tensors = load_file(os.path.join(stored, "model.safetensors"))
        with open(os.path.join(stored, "config.json")) as f:
            config = f.read()
        for form in (f for d, f in wanted if d == dtype):
            path = os.path.join(stored, form)
            put(path, form, tensors, config)
            out[dtype, form] = close(logits(ns, path, ids).reshape(want.shape), want, BOUND, f"{name} {dtype} {form}")
    return out


# ---- GGUF ----

def drawn(data, kind):
    """Codes of a type that gguf cannot quantise: drawn, with the scale that makes them as large as the numbers were."""
    size, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(int(kind))
    raw = rng.integers(0, 256, (data.size // size, n_bytes), dtype=np.uint8)

    def scaled(d):
        for at, times in HALVES[kind].items():
            raw[:, at:at + 2] = np.float16([d * times]).view(np.uint8)
        if kind == Q.IQ1_M:                                      # four bits of the half in each of four words
            words = raw[:, 48:].view(np.uint16)
            words[:] = words & 0xFFF | (int(np.float16(d).view(np.uint16)) >> np.array([0, 4, 8, 12]) << 12).astype(np.uint16) & 0xF000
        return gguf.dequantize(raw, kind)
    if kind == Q.NVFP4:                                          # has small floats for scales
        raw[:, :4] = rng.integers(0x0C, 0x14, (len(raw), 4))
    else:
        scaled(data.std() / scaled(.01).std() * .01)
    return raw.reshape(*data.shape[:-1], -1), kind


def coded(data, kind):
    """A row that is no multiple of the type's blocks is stored as F16, as llama.cpp takes another type there."""
    if data.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = Q.F16
    return drawn(data, kind) if kind in HALVES else gguf_models.quantized(data, kind)


def gguf_cells(ns, folder, name, wanted):
    arch, config_class, keys, _ = gguf_models.MODELS[name]
    ids = some_ids(96, gguf_models.T)
    out = {}
    for label in wanted:
        model, path = gguf_models.make(config_class, keys, WIDER, SD), os.path.join(folder, "model.gguf")
        with torch.no_grad():
            gguf_models.write(path, arch, model, TYPES[label] if label != "F32" else None, coded)
        want = gguf_models.theirs(model, ids)
        out[label] = close(logits(ns, path, ids).reshape(want.shape), want, BOUND, f"{name} {label}")
    return out


# ---- files that are one model's ----

def llama2c_cells(ns, folder):
    out, path = {}, os.path.join(folder, "model.bin")
    for version in (0, 1):
        for shared in (True, False):
            s = llama2c.SHAPES[0]
            w, ids = llama2c.make(s), some_ids(s["V"], 32)
            llama2c.write(path, s, w, version, shared)
            want, what = llama2c.forward(s, w, ids, shared), f"llama2.c, version {version}, {'tied' if shared else 'own'} head"
            out[what, "F32"] = close(logits(ns, path, ids).reshape(want.shape), want, BOUND, what)
    return out


def nanogpt_cells(ns, folder):
    out = {}
    for bias in (True, False):
        for dtype, torch_dtype in DTYPES.items():
            model, checkpoint = torch_files.nanogpt_model(bias, torch_dtype)
            path, ids = os.path.join(folder, "ckpt.pt"), some_ids(96, 40)
            torch.save(checkpoint, path)
            want, what = gguf_models.theirs(model, ids), f"nanoGPT ckpt.pt, {'' if bias else 'no '}biases"
            out[what, dtype] = close(logits(ns, path, ids).reshape(want.shape), want, BOUND, what)
    return out


# ---- the page ----

HEADER = """# Formats: every family in every form that is read

The largest difference of any logit from what computed the model outside, f32 arithmetic on the numbers that the file holds, tiny random
models of each family (bound 1e-4). `tests/peers/formats.py --page` wrote it. The test `formats live` measures some cells of every row and
column with each run of the referees, `formats, all of them` measures them all: a row or column that is not here, or a cell that is neither
within four times of what is measured nor below 5e-6 as that is, fails. F64 is rounded to F32, which a note says; F8_E4M3 and F8_E5M2
(torch's float8_e4m3fn and float8_e5m2) are read as the numbers they are, where no scales belong to them (MiniMax's decays do not fit
them, and are refused); integers are no weights that are read; of float8 with scales and of GPTQ and AWQ it is said what converts them.

## Folders: config.json and weights
Against transformers %s on the safetensors of the dtype. `.bin` is what torch.save writes; the shards are three, with an index.

"""
GGUF = """
## GGUF
Architectures by [gguf.md](gguf.md), against transformers with the weights that `gguf.dequantize` gives. Rows of 256; those of a tensor that
are no multiple of the type's block are stored as F16. Codes of K and IQ types are drawn at random.

"""
ONES = """
## Files of one model
llama2.c against run.c's algorithm in f64; nanoGPT's ckpt.pt against transformers' GPT-2.

"""


def table(columns, rows):
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def number(x):
    return f"{x:.1e}"


def family_table(ns, folder, wanted=None):
    rows = []
    for i, (family, name) in enumerate(families().items()):
        every = [(d, f) for d in STORED for f in FORMATS if not (family in CONSTANTS and d.startswith("F8"))]
        cells = family_cells(ns, folder, name, wanted(i, every) if wanted else every)
        rows += [[family, d] + [number(cells[d, f]) if (d, f) in cells else "" for f in FORMATS] for d in STORED]
    return ["family", "dtype", *FORMATS], rows


def gguf_table(ns, folder, wanted=None):
    rows = []
    for i, name in enumerate(gguf_models.MODELS):
        cells = gguf_cells(ns, folder, name, wanted(i, list(TYPES)) if wanted else TYPES)
        rows.append([name] + [number(cells[t]) if t in cells else "" for t in TYPES])
    return ["model", *TYPES], rows


def one_table(ns, folder):
    cells = llama2c_cells(ns, folder) | nanogpt_cells(ns, folder)
    return ["file", *DTYPES], [[name] + [number(cells[name, d]) if (name, d) in cells else "" for d in DTYPES]
                               for name in dict.fromkeys(n for n, _ in cells)]


def key_of(row):
    return tuple(row[:2]) if row[1] in STORED and row[0] not in ("model", "file") else row[0]


def read_page():
    """The tables' lines, as lists of cells, by their first ones."""
    with open(PAGE, encoding="utf-8") as f:
        lines = [[c.strip() for c in line.strip().strip("|").split("|")] for line in f if line.startswith("| ")]
    keys = [key_of(line) for line in lines]
    assert len(set(keys)) == len(keys), "a row stands twice"
    return dict(zip(keys, lines))


def near(measured, printed):
    """The order of roundings is another on another CPU's libraries."""
    small = 5e-6
    return (measured <= small and printed <= small) or printed / 4 <= measured <= printed * 4


def check(tables):
    page, wrong, seen = read_page(), [], set()
    for columns, rows in tables:
        for row in [columns] + rows:
            key = key_of(row)
            seen.add(key)
            printed = page.get(key)
            if printed is None or len(printed) != len(row) or (row is columns and printed != row):
                wrong.append(f"{PAGE} has no such row: {row}")
                continue
            cells = [(a, b) for a, b in zip(row, printed) if a and row is not columns and a not in STORED][1:]
            wrong += [f"{key}: {a} is measured, and the page says {b}" for a, b in cells if not near(float(a), float(b or "nan"))]
    wrong += [f"{PAGE} has a row that is not measured: {key}" for key in set(page) - seen]
    print("\n".join(wrong) or f"{len(seen)} rows are as the page has them")
    count(len(seen), "rows")
    return bool(wrong)


def some(of_each):
    """of_each of the cells of row i, so that few rows have all of them."""
    return lambda i, cells: [cells[(i * of_each + k) % len(cells)] for k in range(of_each)]


def main():
    sys.path.insert(0, sys.argv[1])
    import needlescope as ns
    page, every = "--page" in sys.argv, "--all" in sys.argv
    hf.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        tables = [family_table(ns, folder, None if page or every else some(1)), gguf_table(ns, folder, None if page or every else some(2)),
                  one_table(ns, folder)]
    if not page:
        return check(tables)
    with open(PAGE, "w", encoding="utf-8") as f:
        for head, (columns, rows) in zip((HEADER % hf.__version__, GGUF, ONES), tables):
            print(head + "\n".join(table(columns, rows)), file=f)
    return 0


if __name__ == "__main__":
    sys.exit(main())
