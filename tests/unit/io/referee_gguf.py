#!/usr/bin/env python3
"""referee_gguf.py IO_COPY - quantised blocks of every type that is read, random to the last bit, are what gguf.dequantize makes of them."""
import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np
from compare import count
from gguf import GGMLQuantizationType as T
from safetensors.numpy import load_file

TYPES = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.MXFP4, T.NVFP4, T.IQ2_XXS, T.IQ2_XS,
         T.IQ2_S, T.IQ3_XXS, T.IQ3_S, T.IQ1_S, T.IQ1_M, T.IQ4_NL, T.IQ4_XS, T.TQ1_0, T.TQ2_0, T.F16, T.BF16]
ROWS, BLOCKS = 67, 5                    # more than the reader's buffer holds


def random_blocks(rng, kind):
    """Every byte is drawn: every code, and scales of all exponents, infinities and NaN among them."""
    return rng.integers(0, 256, (ROWS, BLOCKS * gguf.GGML_QUANT_SIZES[kind][1] * (1 if gguf.GGML_QUANT_SIZES[kind][0] > 1 else 64)),
                        dtype=np.uint8)


def write(path, blocks):
    writer = gguf.GGUFWriter(path, "no-model")
    for kind, raw in blocks.items():
        writer.add_tensor(kind.name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    assert set(TYPES) >= set(gguf.quants._type_traits), "a type that gguf.dequantize knows is not compared"
    rng = np.random.default_rng(15)
    blocks = {kind: random_blocks(rng, kind) for kind in TYPES}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        source, copy = os.path.join(folder, "blocks.gguf"), os.path.join(folder, "out.safetensors")
        write(source, blocks)
        subprocess.run([sys.argv[1], source, copy, "F32"], check=True)
        got = load_file(copy)
        assert sorted(got) == sorted(kind.name for kind in TYPES), sorted(got)
        for kind, raw in blocks.items():
            with np.errstate(all="ignore"):
                want = gguf.dequantize(raw.view(np.float16) if kind == T.F16 else raw, kind)
            ours = got[kind.name]
            assert ours.shape == want.shape and ours.dtype == want.dtype == np.float32, kind
            known = ~np.isnan(want)
            wrong = np.count_nonzero(ours.view(np.uint32)[known] != want.view(np.uint32)[known]) + np.count_nonzero(~np.isnan(ours[~known]))
            count(np.count_nonzero(known), kind.name)
            print(f"{'ok  ' if not wrong else 'FAIL'} {kind.name}: {want.size - wrong} of {want.size} numbers equal, "
                  f"{np.count_nonzero(known)} not NaN")
            failed += wrong
    return failed != 0


sys.exit(main())
