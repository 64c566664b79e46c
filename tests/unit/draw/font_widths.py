"""font_widths.py - the widths of test_parts.c (test_advances), in units of the em, from the fonts' own hmtx and kern tables by fontTools:
python font_widths.py ../../../lib/draw/fonts"""
import sys

from fontTools.ttLib import TTFont

for name in ("DejaVuSans", "DejaVuSans-Bold"):
    font = TTFont(f"{sys.argv[1]}/{name}.ttf")
    glyph, advance, kern = font.getBestCmap(), font["hmtx"], {}
    for table in font["kern"].kernTables:
        kern.update(table.kernTable)
    for text in ("0123456789", "needle", "AVAT", "To", "layer 12, head 3", "▁Ġ…×≤"):
        width = sum(advance[glyph[ord(c)]][0] for c in text)
        print(name, text, width + sum(kern.get((glyph[ord(a)], glyph[ord(b)]), 0) for a, b in zip(text, text[1:])), sep="\t")
