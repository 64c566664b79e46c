#!/usr/bin/env python3
"""Lays the folder that mkdocs builds the site from: the documents as they are, and reference pages made of what the program, the Python
module and the headers say of themselves.

    make.py ROOT NEEDLESCOPE OUT

Links to pages stay, links to other files of the tree become their names; mkdocs --strict finds those that lead nowhere."""
import html
import inspect
import json
import os
import re
import shutil
import subprocess
import sys

root, tool, out = map(os.path.abspath, sys.argv[1:4])
docs, pages = os.path.join(root, "docs"), os.path.join(out, "pages")
MOVED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md", "lib/record/schema.md": "schema.md"}


def say(*arguments):
    return subprocess.run([tool, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def read(path):
    with open(os.path.join(root, path)) as f:
        return f.read()


def write(name, text):
    with open(os.path.join(pages, name), "w") as f:
        f.write(text)


def link(at, target, text):
    """A link of the page `at` (a path of the tree), as the site has it."""
    path, _, anchor = target.partition("#")
    whole = os.path.normpath(os.path.join(os.path.dirname(at), path)) if path else at
    if re.match(r"[a-z]+:", target) or not path:
        return f"[{text}]({target})"
    if whole in MOVED or re.fullmatch(r"docs/[^/]+\.(md|png)", whole):
        return f"[{text}]({MOVED.get(whole, os.path.basename(whole))}{'#' + anchor if anchor else ''})"
    if re.fullmatch(r"lib/include/needlescope/\w+\.h", whole):
        return f"[{text}](headers.md#{os.path.basename(whole).replace('.', '')})"
    assert os.path.exists(os.path.join(root, whole)), f"{at}: {target} leads nowhere"
    return f"{text} (`{whole}`)" if text.strip("`") != whole else f"`{whole}`"


def lists(text):
    """A list that follows its sentence line by line needs a blank line here, which GitHub does without."""
    return re.sub(r"^(?![-*|#>]|\d+\. )(?=\S.*\n[-*] |.+\n\d+\. )(.+)\n", r"\1\n\n", text, flags=re.M)


def page(path):
    """Outside of fences, links and lists as the site has them."""
    parts = re.split(r"(^```.*?^```$)", read(path), flags=re.S | re.M)
    return "".join(x if x.startswith("```") else
                   re.sub(r"(?<!\!)\[([^\]\n]*)\]\(([^)\s]+)\)", lambda m: link(path, m[2], m[1]),
                          re.sub(r"!\[([^\]\n]*)\]\((?:docs/)?([^)\s]+)\)", r"![\1](\2)", lists(x)))
                   for x in parts)


def commands():
    """Names by section, from the program's own list; each with what --help says."""
    text = "# Commands\nFrom the program's tables: what `needlescope COMMAND --help` prints.\n\n"
    section = None
    for line in say("--help").splitlines():
        if re.fullmatch(r"[A-Z].*:", line):
            section = line[:-1]
            text += "" if section.startswith("Options") else f"## {section}\n"
        found = re.match(r"  ([a-z][a-z0-9 ]*?)  +\S", line)
        if found and section and not section.startswith("Options"):
            text += f"### {found[1]}\n```text\n{say(*found[1].split(), '--help').rstrip()}\n```\n"
    return text


def scores():
    """Every score with what it is and the paper it comes from."""
    rows, text = 0, "# All scores\nWhat `needlescope score --list` prints. Formulas: [measures.md](measures.md).\n\n"
    text += "| score | probe | what it is | paper |\n|---|---|---|---|\n"
    for x in api().probes():
        cell = lambda s: html.escape(s or "").replace("|", "\\|")
        text, rows = text + f"| `{x['score']}` | `{x['probe']}` | {cell(x['summary'])} | {cell(x['paper'])} |\n", rows + 1
    assert rows > 30, rows
    return text


def api():
    sys.path.insert(0, os.path.join(root, "notebooks_export"))
    import needlescope
    return needlescope


def described(name, of, level):
    signature = str(inspect.signature(of)).replace("(self, ", "(").replace("(self)", "()")
    said = f"```text\n{inspect.getdoc(of)}\n```\n" if inspect.getdoc(of) else ""
    return f"{'#' * level} {name.split('.')[-1]}\n```text\n{name}{signature}\n```\n{said}"


def python_api():
    """Functions and classes that the module exports, with their docstrings."""
    ns, text = api(), "# Python, every function\nFrom the docstrings of `needlescope.py`; [python.md](python.md) shows them at work.\n\n"
    text += "## Functions\n"
    plain = [x for x in ns.__all__ if inspect.isfunction(getattr(ns, x))]
    text += "".join(described(x, getattr(ns, x), 3) for x in plain)
    for name in [x for x in ns.__all__ if inspect.isclass(getattr(ns, x))]:
        of = getattr(ns, name)
        text += f"## {name}\n```text\n{inspect.getdoc(of)}\n```\n"
        own = [(k, v) for k, v in vars(of).items() if inspect.isfunction(v) and k[0] != "_" and inspect.getdoc(v)]
        text += "".join(described(f"{name}.{k}", v, 3) for k, v in own)
    return text


def headers():
    text = "# C headers\nThe public headers are the manual of what they declare; [c-api.md](c-api.md) has conventions and a program.\n\n"
    folders = [os.path.join(x, "include", "needlescope") for x in ("lib", "probes", "datasets", "notebooks_export")]
    for path in sorted(os.path.join(x, name) for x in folders if os.path.isdir(os.path.join(root, x))
                       for name in os.listdir(os.path.join(root, x)) if name.endswith(".h")):
        text += f"## {os.path.basename(path)}\n```c\n{read(path).rstrip()}\n```\n"
    return text


shutil.rmtree(out, ignore_errors=True)
os.makedirs(pages)
shutil.copy(os.path.join(docs, "site", "mkdocs.yml"), out)
for name in sorted(os.listdir(docs)):
    if name.endswith(".md"):
        write(name, page(os.path.join("docs", name)))
    elif name.endswith(".png"):
        shutil.copy(os.path.join(docs, name), pages)
shutil.copy(os.path.join(docs, "site", "site.css"), pages)
for name, to in MOVED.items():
    write(to, page(name))
for name, make in {"commands.md": commands, "scores.md": scores, "python-api.md": python_api, "headers.md": headers}.items():
    write(name, make())
listed = re.findall(r": (\S+\.md)$", open(os.path.join(out, "mkdocs.yml")).read(), re.M)
extra = sorted(set(os.listdir(pages)) - set(listed) - {x for x in os.listdir(pages) if not x.endswith(".md")})
if extra:                                        # a page that nobody has given a place yet
    with open(os.path.join(out, "mkdocs.yml"), "a") as f:
        f.write("  - More:\n" + "".join(f"      - {x[:-3]}: {x}\n" for x in extra))
print(f"{len(os.listdir(pages))} files in {pages}")
