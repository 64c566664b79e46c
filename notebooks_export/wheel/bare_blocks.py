"""bare_blocks.py GOODS [LIBRARIES] - the first blocks of docs/python.md, beside demo/, print what the page says; the module is the
environment's, the library beside it as in the wheel, or in LIBRARIES."""
import contextlib
import io
import os
import re
import subprocess
import sys

import needlescope

MOST = 3
folder = os.path.dirname(needlescope.__file__)
library = needlescope._library_path()
assert folder.startswith(sys.prefix) and library.startswith((sys.argv[2:] or [folder])[0]), (folder, library)
with open(os.path.join(sys.argv[1], "docs", "python.md"), encoding="utf-8") as f:
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```", f.read(), re.S | re.M)[:MOST]
names, lines = {}, 0
for language, code in blocks:
    if language == "sh":
        subprocess.run(["sh", "-euc", code], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, PATH=os.path.join(sys.prefix, "bin") + os.pathsep + os.environ["PATH"]))
        continue
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, names)
    said, told = [x.rstrip() for x in out.getvalue().splitlines()], [x.rstrip() for x in re.findall(r"#> ?(.*)$", code, re.M)]
    assert said == told, (said, told)
    lines += len(told)
assert len(blocks) == MOST and lines >= 5, (len(blocks), lines)
print(f"docs/python.md: {len(blocks)} blocks, {lines} lines as the page says, Python {sys.version.split()[0]}")
