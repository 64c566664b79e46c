#!/usr/bin/env python3
"""The folder that ./start docs builds the site from: every page has its place, every link of a page leads to a page or picture that is
there, the reference has every command, every function that the module exports and every public header.

    site.py NEEDLESCOPE ROOT"""
import glob
import os
import re
import subprocess
import sys
import tempfile

from compare import count

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

with tempfile.TemporaryDirectory() as out:
    subprocess.run([sys.executable, os.path.join(root, "docs", "site", "make.py"), root, tool, out], check=True, stdout=subprocess.DEVNULL)
    at = os.path.join(out, "pages")
    read = lambda name: open(os.path.join(at, name)).read()
    with open(os.path.join(out, "mkdocs.yml")) as f:
        placed = re.findall(r": (\S+\.md)$", f.read(), re.M)
    pages, links = sorted(x for x in os.listdir(at) if x.endswith(".md")), 0
    assert sorted(placed) == pages, set(placed) ^ set(pages)
    for name in pages:
        text = re.sub(r"^```.*?^```$", "", read(name), flags=re.S | re.M)
        stuck = re.findall(r"^(?:(?![-*|#>\s]|\d+\. ).+\n([-*] .*)|(?![-*|#>]|\d+\. ).+\n(\d+\. .*))", text, re.M)
        assert not stuck, f"{name}: mkdocs makes no list of {stuck[:3]}"
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:|#", target):
                assert os.path.exists(os.path.join(at, target.partition("#")[0])), f"{name}: {target}"
                links += 1
    for command in subprocess.run([tool, "help-commands"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        assert f"\n### {command}\n" in read("commands.md"), command
    for name in ns.__all__:
        assert re.search(rf"^###? {name}$", read("python-api.md"), re.M), name
    for header in glob.glob(os.path.join(root, "*", "include", "needlescope", "*.h")):
        assert f"\n## {os.path.basename(header)}\n" in read("headers.md"), header
    print(f"{len(pages)} pages, {count(links)} links that lead somewhere", flush=True)
