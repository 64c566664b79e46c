"""Writes colormap_tables.h: 256 x 3 sRGB bytes per map.

cividis, viridis, magma and inferno are matplotlib's tables (CC0; cividis: Nunez, Anderton & Renslow, PLoS ONE 2018).
grey runs from near white to black, as ink does. bluered is our own: two straight lines in OKLab that meet in near white,
so lightness is the same at equal distance from zero.

    python make_colormaps.py > colormap_tables.h        (needs matplotlib)
"""
import matplotlib


def srgb(linear):
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def oklab(L, a, b):
    l, m, s = ((L + x * a + y * b) ** 3 for x, y in
               ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480)))
    rgb = (4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
           -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
           -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)
    return [srgb(min(1, max(0, c))) for c in rgb]


def bluered():
    middle, blue, red = (0.97, 0, 0), (0.36, -0.035, -0.145), (0.36, 0.125, 0.062)
    for i in range(256):
        t = i / 127.5 - 1
        end = red if t > 0 else blue
        yield oklab(*(m + (e - m) * abs(t) for m, e in zip(middle, end)))


def grey():
    for i in range(256):
        yield [0.96 * (255 - i) / 255] * 3


def listed(name):
    return lambda: (c[:3] for c in matplotlib.colormaps[name](range(256)))


print("/* colormap_tables.h - made by make_colormaps.py; do not edit. */")
for name, make in [(n, listed(n)) for n in ("cividis", "viridis", "magma", "inferno")] + [("grey", grey), ("bluered", bluered)]:
    print(f"static const uint8_t {name}[256][3] = {{")
    rows = [tuple(int(c * 255 + 0.5) for c in rgb) for rgb in make()]
    for i in range(0, 256, 8):
        print("    " + " ".join("{%d, %d, %d}," % rgb for rgb in rows[i:i + 8]))
    print("};")
