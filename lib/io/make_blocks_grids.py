"""Writes blocks_grids.h: the points of GGML's IQ types, out of the Python package `gguf` (MIT), which has them in this form.

Of a point of 8 numbers each has two bits of 16, the first the lowest; of a point of 4 each has four.

    python make_blocks_grids.py > blocks_grids.h
"""
from gguf import quants

NAMES = {"iq2_xxs": quants.IQ2_XXS, "iq2_xs": quants.IQ2_XS, "iq2_s": quants.IQ2_S, "iq3_xxs": quants.IQ3_XXS, "iq3_s": quants.IQ3_S,
         "iq1": quants.IQ1_S}

print("/* blocks_grids.h - made by make_blocks_grids.py; do not edit. */")
for name, kind in NAMES.items():
    packed = bytes.fromhex(kind.grid_hex.decode())
    points = [int.from_bytes(packed[i:i + 2], "little") for i in range(0, len(packed), 2)]
    assert len(points) == kind.grid_shape[0]
    print(f"static const uint16_t grid_{name}[{len(points)}] = {{")
    for i in range(0, len(points), 16):
        print("    " + ", ".join(f"0x{p:04x}" for p in points[i:i + 16]) + ",")
    print("};")
