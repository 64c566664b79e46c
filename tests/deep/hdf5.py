#!/usr/bin/env python3
"""Every command that reads HDF5, on mutants of sound files, in a sanitized build.

    hdf5.py SERVER PROGRAM [--mutants N] [--only COMMAND,...] [--seed N] [--good FOLDER] [--keep FOLDER] [--plant FAULT]

SERVER: hdf5_server, sanitized. PROGRAM: needlescope, to make the sound files with. A mutant is wrong when a command crashes on it, when a
sanitizer reports, when it takes more than 10 s of CPU, when its exit code is none of the table (0 1 2 65 66 69 74 75), or when it gives
numbers from nowhere: exit 0, and another answer than for the same content without the damage. That content is what h5py (another HDF5
library) reads from the mutant, written anew: datasets, attributes and axes that h5py cannot read, or that lie outside of the file, are not
in it. So each number that is printed or drawn is explained by values that are in the file: garbage of the heap, of another file or of a
wrong length would give another answer, since the second run has other bytes in fresh memory. --plant: answers are spoilt (a digit, a crash,
a loop, a report), which must be found."""
import argparse
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import h5py

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hdf5_mutants import in_child, mutant, rewrite

KNOWN = {0, 1, 2, 65, 66, 69, 74, 75}
MOST_CPU = 10
REFUSED = b"(in a process of its own; nothing else was touched)"
REPORT = re.compile(rb"ERROR: (Address|Leak)Sanitizer|runtime error|SUMMARY: \w+Sanitizer")

# name: kind of file, arguments, what it writes (None: its answer is what it prints)
READS = {
    "export csv": ("scores", "export csv in.h5 -o out.csv", "out.csv"),
    "export csv of a study": ("study", "export csv in.h5 -o out.csv", "out.csv"),
    "export csv of a patching": ("patching", "export csv in.h5 -o out.csv", "out.csv"),
    "export latex": ("scores", "export latex in.h5 --top 5 -o out.tex", "out.tex"),
    "export latex of a study": ("study", "export latex in.h5 --top 5 -o out.tex", "out.tex"),
    "export notebook": ("scores", "export notebook in.h5 -o out.ipynb", "out.ipynb"),
    "export notebook of a study": ("study", "export notebook in.h5 -o out.ipynb", "out.ipynb"),
    "figure heads": ("scores", "figure heads in.h5 --top 3 -o out.svg", "out.svg"),
    "figure rank": ("scores", "figure rank in.h5 --top 5 -o out.svg", "out.svg"),
    "figure agreement": ("scores", "figure agreement in.h5 -o out.svg", "out.svg"),
    "figure grid": ("scores", "figure grid in.h5 -o out.svg", "out.svg"),
    "figure grid of finds": ("scores", "figure grid in.h5 --of find --head 3.1 -o out.svg", "out.svg"),
    "figure map": ("dense", "figure map in.h5 -l 3 -n 1 -o out.svg", "out.svg"),
    "figure map of rows": ("rows", "figure map in.h5 -l 3 -n 1 -o out.svg", "out.svg"),
    "figure ablation": ("ablation", "figure ablation in.h5 -o out.svg", "out.svg"),
    "figure ablation of a patching": ("patching", "figure ablation in.h5 -o out.svg", "out.svg"),
    "figure laziness": ("study", "figure laziness in.h5 -o out.svg", "out.svg"),
    "figure births": ("study", "figure births in.h5 -o out.svg", "out.svg"),
    "figure pairs": ("study", "figure pairs in.h5 -o out.svg", "out.svg"),
    "figure curves": ("study", "figure curves in.h5 -o out.svg", "out.svg"),
    "figure loss": ("study", "figure loss in.h5 -o out.svg", "out.svg"),
    "figure strip": ("study", "figure strip in.h5 -o out.svg", "out.svg"),
    "emergence": ("study", "emergence in.h5 --resamples 50 --json", None),
    "laziness": ("study", "laziness in.h5 --json", None),
    "ablate --scores": ("scores", "ablate model --cases one.jsonl --scores in.h5 --by retrieval_find --top 2 --mode zero_z --draws 1 --loss-cases 0 -o out.h5", "out.h5"),
    "patch --scores": ("scores", "patch model --cases few.jsonl --scores in.h5 --by retrieval_find --top 2 --no-map --draws 1 --resamples 2 -o out.h5", "out.h5"),
    "verify": ("scores", "verify in.h5", None),
    "verify of a recording": ("dense", "verify in.h5", None),
    "verify --content": ("study", "verify in.h5 --content", None),
    "verify --facts": ("study", "verify in.h5 --facts", None),
    "merge": ("shard", "merge scan -o out.h5", "out.h5"),
    "merge of metrics": ("metrics", "merge scan -o out.h5", "out.h5"),
}
IN = {"shard": "scan/shards/SFS-W16-s5/step000020.h5", "metrics": "scan/shards/SFS-W16-s5/metrics.h5"}


class Server:
    """The program in one process, forked for each call. fill: the byte that fresh memory holds."""

    def __init__(self, path, fill, leaks):
        options = f"malloc_fill_byte={fill}:max_malloc_fill_size=65536:detect_leaks={int(leaks)}:allocator_may_return_null=1:quarantine_size_mb=4"
        here = os.path.dirname(os.path.abspath(__file__))
        env = dict(os.environ, ASAN_OPTIONS=options, UBSAN_OPTIONS="print_stacktrace=1", OPENBLAS_NUM_THREADS="1",
                   LSAN_OPTIONS=f"print_suppressions=0:suppressions={here}/lsan.supp")
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)

    def run(self, folder, arguments):
        self.process.stdin.write("\t".join([folder, *arguments.split()]) + "\n")
        self.process.stdin.flush()
        code, killed, cpu = self.process.stdout.readline().split()
        return int(code), int(killed), float(cpu)


def read(folder, name):
    try:
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


def content(path):
    """What an HDF5 file holds, but when and by whom it was made."""
    out = []
    with h5py.File(path) as f:
        f.visititems(lambda name, d: out.append((name, str(d.dtype), d.shape,
                                                 d[()].tobytes() if d.dtype.kind != "O" else repr(d[()].tolist())))
                     if isinstance(d, h5py.Dataset) else None)
        out += sorted((k, str(v)) for k, v in f.attrs.items())
    return out


def answer(folder, output):
    if output is None:
        return read(folder, "said")
    if output.endswith(".h5"):
        return content(os.path.join(folder, output))
    return re.sub(rb'(?m)^.*"?(created_utc|command_line|<dc:date|CreationDate|"image/png").*$', b"", read(folder, output))


def clear(folder):
    for name in ("said", "wrong", "out.csv", "out.tex", "out.ipynb", "out.svg", "out.h5", "out.csv-metadata.json"):
        if os.path.exists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))


def make_folder(root, name, good):
    """Where a command runs: links to what it needs, and a scan whose shards are copies."""
    folder = os.path.join(root, name)
    os.makedirs(os.path.join(folder, "scan"))
    for one in ("model", "few.jsonl", "one.jsonl"):
        os.symlink(os.path.join(good, one), os.path.join(folder, one))
    shutil.copytree(os.path.join(good, "lab/scan/shards"), os.path.join(folder, "scan/shards"))
    for run in os.listdir(os.path.join(folder, "scan/shards")):
        shutil.copy(os.path.join(good, "lab/runs", run, "metrics.h5"), os.path.join(folder, "scan/shards", run, "metrics.h5"))
    return folder


class Fuzz:
    def __init__(self, options, root):
        self.o, self.root = options, root
        self.good = options.good or os.path.join(root, "good")
        if not os.path.exists(os.path.join(self.good, "study.h5")):
            subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), "hdf5_good.sh"), options.program, self.good],
                           check=True)
        with open(os.path.join(self.good, "few.jsonl")) as few, open(os.path.join(self.good, "one.jsonl"), "w") as one:
            one.write(few.readline())
        self.here, self.there = (make_folder(root, x, self.good) for x in ("here", "there"))
        self.servers = Server(options.server, 0xbe, options.leaks), Server(options.server, 0x11, False)
        self.bytes = {k: read(self.good, f"{k}.h5") for k in ("scores", "study", "dense", "rows", "ablation", "patching")}
        self.bytes.update({k: read(self.here, IN[k]) for k in IN})
        self.count, self.wrong, self.planting, self.sound_answer = collections.Counter(), [], False, None

    def tell(self, name, i, why, what, data):
        self.wrong.append(why)
        self.count[name, "wrong"] += 1
        print(f"WRONG: {name}, mutant {i} ({what}): {why}", flush=True)
        tail = read(self.here, "wrong").decode(errors="replace")
        print("    " + "\n    ".join(tail.splitlines()[:12] if REPORT.search(tail.encode()) else tail.splitlines()[-2:]), flush=True)
        if self.o.keep:
            os.makedirs(self.o.keep, exist_ok=True)
            with open(os.path.join(self.o.keep, f"{name.replace(' ', '-')}-{self.o.seed}-{i}.h5"), "wb") as f:
                f.write(data)

    def run(self, where, folder, arguments):
        clear(folder)
        code, killed, cpu = self.servers[where].run(folder, arguments)
        said = read(folder, "wrong")
        if self.planting and where == 0 and self.o.plant != "number":
            code, killed, cpu, said = {"crash": (-1, 11, cpu, said), "hang": (code, 0, 11.0, said),
                                       "report": (code, 0, cpu, b"ERROR: AddressSanitizer: planted")}[self.o.plant]
        absorbed = code == 65 and REFUSED in said      # HDF5 crashed where a crash does no harm
        why = (f"signal {killed}" if killed else f"{cpu:.1f} s" if cpu > MOST_CPU else "a sanitizer's report" if REPORT.search(said) and not absorbed
               else f"exit {code}" if code not in KNOWN else None)
        return code, why

    def unexplained(self, kind, arguments, output):
        """None, or how the answer for what h5py reads differs from the one that was given. The sound file's own answer is explained: damage
        that h5py stumbles over, and that changes nothing, is none."""
        ours = answer(self.here, output)
        if self.planting and self.o.plant == "number" and isinstance(ours, bytes):
            ours = ours.replace(b"1", b"7", 1)
        if ours == self.sound_answer:
            return None
        path = IN.get(kind, "in.h5")
        to = os.path.join(self.there, path)
        if not in_child(lambda: rewrite(os.path.join(self.here, path), to)):
            return "exit 0, and h5py cannot read the file"
        code, why = self.run(1, self.there, arguments)
        if why:
            return f"on what h5py reads: {why}"
        if code != 0:
            return "exit 0, and on what h5py reads: " + read(self.there, "wrong").decode(errors="replace").strip()[-300:]
        if self.sound_answer and output and output.endswith(".csv") and set(ours.split(b"\n")) <= set(self.sound_answer.split(b"\n")):
            return None                                # fewer rows, each of them the sound file's
        return None if ours == answer(self.there, output) else "numbers from nowhere: another answer on what h5py reads"

    def one(self, name, i):
        kind, arguments, output = READS[name]
        rng = random.Random(f"{self.o.seed} {kind} {i}")
        data, what = mutant(self.bytes[kind], rng, os.path.join(self.root, "work.h5"))
        with open(os.path.join(self.here, IN.get(kind, "in.h5")), "wb") as f:
            f.write(data)
        code, why = self.run(0, self.here, arguments)
        self.count[name, "mutants"] += 1
        self.count[name, f"exit {code}"] += 1
        self.count[name, "exit 65 from a child"] += REFUSED in read(self.here, "wrong")
        if not why and code == 0 and output is not None or not why and code == 0 and not name.startswith("verify"):
            why = self.unexplained(kind, arguments, output)
        if why:
            self.tell(name, i, why, what, data)

    def sound(self, name):
        """The sound file is read, and its own rewriting gives the same answer: else the comparison would say nothing."""
        kind, arguments, output = READS[name]
        with open(os.path.join(self.here, IN.get(kind, "in.h5")), "wb") as f:
            f.write(self.bytes[kind])
        code, why = self.run(0, self.here, arguments)
        if code != 0 or why:
            return why or f"exit {code}: {read(self.here, 'wrong').decode(errors='replace')[-300:]}"
        self.sound_answer = None
        why = None if name.startswith("verify") else self.unexplained(kind, arguments, output)
        self.sound_answer = answer(self.here, output)
        return why

    def restore(self, name):
        kind = READS[name][0]
        for folder in (self.here, self.there):
            if kind in IN:
                with open(os.path.join(folder, IN[kind]), "wb") as f:
                    f.write(self.bytes[kind])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("program")
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--good")
    parser.add_argument("--keep")
    parser.add_argument("--leaks", action="store_true", help="look for leaks too, which takes twice as long")
    parser.add_argument("--plant", choices=["crash", "hang", "report", "number"])
    options = parser.parse_args()
    options.server, options.program = os.path.abspath(options.server), os.path.abspath(options.program)
    names = options.only.split(",") if options.only else list(READS)
    with tempfile.TemporaryDirectory() as root:
        fuzz = Fuzz(options, root)
        for name in names:
            why = fuzz.sound(name)
            if why:
                fuzz.wrong.append(why)
                print(f"WRONG: {name} on the sound file: {why}", flush=True)
                continue
            fuzz.planting = options.plant is not None
            for i in range(options.first, options.first + options.mutants):
                fuzz.one(name, i)
            fuzz.planting = False
            fuzz.restore(name)
            codes = ", ".join(f"{k[1]}: {n}" for k, n in sorted(fuzz.count.items(), key=str) if k[0] == name and k[1].startswith("exit"))
            print(f"{name}: {fuzz.count[name, 'mutants']} mutants, {fuzz.count[name, 'wrong']} wrong; {codes}", flush=True)
    sys.exit(bool(fuzz.wrong))


if __name__ == "__main__":
    main()
