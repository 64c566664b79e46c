#!/usr/bin/env python3
"""The blocks of Python and of sh in README.md and docs/*.md, run as printed, each file in one go.

    documents.py NEEDLESCOPE ROOT

They run in a folder that has what the documents name: demo/ as `./start demo` makes it, and SmolLM2-135M-Instruct. Lines "#> ..." are what
a block of Python prints; needlescope is on the PATH of sh. What is fenced without a language is not run."""
import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile

from compare import count

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
SMOLLM2 = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")


def prepare():
    """The lines of demo() in ./start that make what it leaves for others."""
    with open(os.path.join(root, "start")) as f:
        demo = f.read().split("\ndemo() {\n")[1].split("\n}\n")[0].replace("\\\n", " ")
    lines = [line.strip() for line in demo.splitlines()]
    os.makedirs("demo")

    def demo_line(command):
        line = next(x for x in lines if x.startswith(command)).split("|")[0]
        subprocess.run([tool, *shlex.split(line)[1:]], check=True, stdout=subprocess.DEVNULL)

    for command in ("needlescope lab plant", "needlescope cases needle", "needlescope score"):
        demo_line(command)
    assert "grep -m 1 '\"depth\": 0.5,' demo/cases.jsonl >demo/one.jsonl" in demo
    with open("demo/cases.jsonl") as cases, open("demo/one.jsonl", "w") as one:
        one.write(next(line for line in cases if '"depth": 0.5,' in line))
    demo_line("needlescope record")
    subprocess.run([sys.executable, os.path.join(root, "tests", "peers", "make_smollm2.py"), SMOLLM2], check=True,
                   stdout=subprocess.DEVNULL)
    os.symlink(SMOLLM2, "SmolLM2-135M-Instruct")


def blocks(path):
    """(line, language, code): what is fenced, and the rows of a table behind the mark, whose second column is code."""
    with open(path) as f:
        text = f.read()
    for found in re.finditer(r"^```(python|sh)\n(.*?)^```|^<!-- executed: the second column -->\n((?:\|[^\n]*\n)+)", text, re.S | re.M):
        if found[1]:
            yield 1 + text.count("\n", 0, found.start(2)), found[1], found[2]
            continue
        for i, row in enumerate(found[3].splitlines()[2:]):
            cell = row[1:].split(" | ")[1].strip()
            assert re.fullmatch("`[^`]+`", cell), f"{path}: no code: {cell}"
            yield 1 + text.count("\n", 0, found.start(3)) + 2 + i, "python", cell.strip("`") + "\n"


def shell(path, line, code):
    here = os.path.dirname(tool) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], env=os.environ | {"PATH": here}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{path}:{line}: exit {done.returncode}:\n{done.stdout}"


def run(path):
    names, n, n_lines = {"__name__": "document"}, 0, 0
    for line, language, code in blocks(path):
        n += 1
        if language == "sh":
            shell(path, line, code)
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * (line - 1) + code, path, "exec"), names)
        told = re.findall(r"#> ?(.*)$", code, re.M)
        said = [x.rstrip() for x in out.getvalue().splitlines()]
        assert said == [x.rstrip() for x in told], f"{path}:{line}: it prints\n" + "\n".join(said)
        n_lines += len(told)
    count(n, path)
    print(f"{os.path.relpath(path, root)}: {n} blocks, {n_lines} lines printed as it says", flush=True)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    prepare()
    for name in ["README.md"] + sorted(os.path.join("docs", x) for x in os.listdir(os.path.join(root, "docs")) if x.endswith(".md")):
        if any(True for _ in blocks(os.path.join(root, name))):
            run(os.path.join(root, name))
    os.chdir(root)
