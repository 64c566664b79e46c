#!/usr/bin/env python3
"""make_gguf_golden.py - writes gguf/ beside it (needs the package gguf): blocks.gguf, two random blocks of every quantised type, and
blocks.f32, what gguf.dequantize makes of them in the order of their names; whole.gguf, and the same model in two parts."""
import os
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "fuzz"))
import make_gguf as seeds  # noqa: E402

TYPES = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.MXFP4,
         T.NVFP4, T.IQ2_XXS, T.IQ2_XS, T.IQ2_S, T.IQ3_XXS, T.IQ3_S, T.IQ1_S, T.IQ1_M, T.IQ4_NL, T.IQ4_XS, T.TQ1_0, T.TQ2_0]
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2],
          T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0], T.IQ1_S: [0],
          T.IQ4_NL: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64]}


def blocks(folder):
    rng = np.random.default_rng(3)
    w = gguf.GGUFWriter(os.path.join(folder, "blocks.gguf"), "none")
    numbers = {}
    for kind in TYPES:
        raw = rng.integers(0, 256, (2, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for at in HALVES.get(kind, []):                                                 # scales that are numbers
            raw[:, at:at + 2] = rng.normal(size=2).astype(np.float16).reshape(2, 1).view(np.uint8)
        raw = raw.reshape(1, -1)
        w.add_tensor(kind.name, raw, raw_dtype=kind)
        numbers[kind.name] = gguf.dequantize(raw, kind)
        assert np.isfinite(numbers[kind.name]).all()
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    np.concatenate([numbers[name].ravel() for name in sorted(numbers)]).astype(np.float32).tofile(os.path.join(folder, "blocks.f32"))


def parts(folder):
    tensors = seeds.llama_tensors(8, v=8, w=32, ff=32, kv=32)
    values = seeds.sizes("llama", 32, ff=32) + seeds.BYTES
    n = len(tensors)

    def put(name, v, t):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(seeds.gguf(v, t))
    split = lambda i: [("split.no", seeds.U16, i), ("split.count", seeds.U16, 2), ("split.tensors.count", seeds.I32, n)]
    put("whole.gguf", values, tensors)
    put("m-00001-of-00002.gguf", values + split(0), tensors[:5])
    put("m-00002-of-00002.gguf", split(1), tensors[5:])


def main():
    folder = os.path.join(HERE, "gguf")
    os.makedirs(folder, exist_ok=True)
    blocks(folder)
    parts(folder)


main()
