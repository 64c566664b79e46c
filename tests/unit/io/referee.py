#!/usr/bin/env python3
"""referee.py IO_COPY - files go through io_copy and must be what the safetensors package and torch make of them, bit for bit."""
import os
import subprocess
import sys
import tempfile

import torch
from compare import count
from safetensors.torch import load_file, save_file

NAMES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
EIGHTS = (torch.float8_e4m3fn, torch.float8_e5m2)


def tensors():
    g = torch.Generator().manual_seed(7)
    bits = torch.randint(-2**31, 2**31 - 1, (400, 33), generator=g, dtype=torch.int64).to(torch.int32).view(torch.float32)
    # every exponent, subnormals and overflow; NaN payloads are nobody's promise
    wild = torch.where(torch.isnan(bits), torch.zeros(()), bits)
    near = torch.randn(7, 5, 3, generator=g) * 2.0**-14                       # around the subnormals of F16
    return {"wild": wild, "near": near, "scalar": torch.tensor(3.14159), "empty": torch.zeros(3, 0, 2),
            'name "quoted" \\ é 😀': torch.randn(5, generator=g), "model.layers.0.w": torch.randn(64, 17, generator=g) * 1e4}


def eights(kind):
    """Every number of eight bits but the NaNs, in an order that no reader's pieces fit."""
    all_codes = torch.arange(256, dtype=torch.uint8).repeat(70)[:17777].view(kind)
    return {"codes": torch.where(torch.isnan(all_codes.float()), torch.zeros(()), all_codes.float()).to(kind), "one": all_codes[60]}


def same_bits(a, b):
    width = {4: torch.int32, 2: torch.int16}[a.element_size()]
    bits = [x.contiguous().view(-1).view(width) for x in (a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and bool((bits[0] == bits[1]).all())


def main():
    failed = compared = 0
    with tempfile.TemporaryDirectory() as folder:
        source, copy = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
        for stored, stored_type in (NAMES | dict(zip(("F8_E4M3", "F8_E5M2"), EIGHTS))).items():
            original = eights(stored_type) if stored_type in EIGHTS else {name: t.to(stored_type) for name, t in tensors().items()}
            save_file(original, source, metadata={"note": "a \"value\""})
            for wanted, wanted_type in NAMES.items():
                subprocess.run([sys.argv[1], source, copy, wanted], check=True)
                got = load_file(copy)
                assert got.keys() == original.keys(), got.keys()
                for name, t in original.items():
                    compared += 1
                    if not same_bits(got[name], t.to(torch.float32).to(wanted_type)):
                        print(f"FAILED: {stored} -> {wanted}: {name}")
                        failed += 1
    print(f"{count(compared)} tensors compared, {failed} differ")
    return failed != 0


sys.exit(main())
