#!/usr/bin/env python3
"""Every command that reads HDF5, on mutants of sound files, in a sanitized build.

    hdf5.py SERVER PROGRAM [--mutants N] [--only COMMAND,...] [--seed N] [--good FOLDER] [--keep FOLDER] [--plant FAULT]

SERVER: hdf5_server, sanitized. PROGRAM: needlescope, to make the sound files with. A mutant is wrong when a command crashes on it, when a
sanitizer reports, when it takes more than 10 s of CPU, when its exit code is none of the table (0 1 2 65 66 69 73 74 75), or when it gives
numbers from nowhere: exit 0, and another answer than for the same content without the damage. That content is what h5py (another HDF5
library) reads from the mutant, written anew: datasets, attributes and axes that h5py cannot read, or that lie outside of the file, are not
in it. So each number that is printed or drawn is explained by values that are in the file: garbage of the heap, of another file or of a
wrong length would give another answer, since the second run has other bytes in fresh memory. --plant: answers are spoilt (a digit, a crash,
a loop, a report), which must be found."""
import argparse
import collections
import glob
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple, Optional

import h5py

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hdf5_mutants import in_child, mutant, rewrite

KNOWN = {0, 1, 2, 65, 66, 69, 73, 74, 75}
MOST_CPU = 10
REFUSED = b"(in a process of its own; nothing else was touched)"
REPORT = re.compile(rb"ERROR: (Address|Leak)Sanitizer|runtime error|SUMMARY: \w+Sanitizer")


class Way(NamedTuple):
    """One way to read: the kind of file, arguments, what is written (None: the answer is what is printed), its share of the command's
    mutants."""
    kind: str
    arguments: str
    output: Optional[str] = None
    share: float = 1


# What takes the time of a reader is the number of datasets: scores and studies are full (80 and 90 of them) in every fifth mutant or so,
# few (45 and 50: other probes) and lean (without what no figure and no table reads) in the others. What vets files beside a pool of threads
# has one thread: the sanitizer's allocator may be locked by another when the process forks, and stays so in the child.
INDUCTION = "--score induction"
LAB = "lab laziness --protocol tiny.json --quick -o lab --json"
SCAN = "scan lab/runs/SFS-W16-s5 --cases lab.jsonl --probe induction,previous_token -o scan --threads 1 --json"
PAIR = "small --cases pair.jsonl --scores in.h5 --by induction --top 2 --draws 1"
READS = {
    "export csv": Way("few scores", "export csv in.h5 -o out.csv", "out.csv", 4),
    "export csv of a study": Way("few study", "export csv in.h5 -o out.csv", "out.csv", 4),
    "export csv of a patching": Way("patching", "export csv in.h5 -o out.csv", "out.csv", 2),
    "export csv of full scores": Way("scores", "export csv in.h5 -o out.csv", "out.csv"),
    "export csv of a full study": Way("study", "export csv in.h5 -o out.csv", "out.csv"),
    "export latex": Way("lean scores", "export latex in.h5 --top 3 -o out.tex", "out.tex", 4),
    "export latex of a study": Way("lean study", "export latex in.h5 --top 3 -o out.tex", "out.tex", 4),
    "export latex of full scores": Way("scores", "export latex in.h5 --top 5 -o out.tex", "out.tex"),
    "export latex of a full study": Way("study", "export latex in.h5 --top 5 -o out.tex", "out.tex"),
    "export notebook": Way("lean scores", "export notebook in.h5 -o out.ipynb", "out.ipynb", 4),
    "export notebook of a study": Way("lean study", f"export notebook in.h5 {INDUCTION} -o out.ipynb", "out.ipynb", 4),
    "export notebook of full scores": Way("scores", "export notebook in.h5 -o out.ipynb", "out.ipynb"),
    "export notebook of a full study": Way("study", "export notebook in.h5 -o out.ipynb", "out.ipynb"),
    "figure heads": Way("lean scores", "figure heads in.h5 --top 3 -o out.svg", "out.svg", 4),
    "figure heads of full scores": Way("scores", "figure heads in.h5 --top 3 -o out.svg", "out.svg"),
    "figure rank": Way("lean scores", "figure rank in.h5 --top 3 -o out.svg", "out.svg", 4),
    "figure rank of full scores": Way("scores", "figure rank in.h5 --top 5 -o out.svg", "out.svg"),
    "figure agreement": Way("lean scores", "figure agreement in.h5 -o out.svg", "out.svg", 7),
    "figure agreement of full scores": Way("scores", "figure agreement in.h5 -o out.svg", "out.svg"),
    "figure grid": Way("few scores", "figure grid in.h5 -o out.svg", "out.svg", 4),
    "figure grid of full scores": Way("scores", "figure grid in.h5 -o out.svg", "out.svg"),
    "figure grid of finds": Way("scores", "figure grid in.h5 --of find --head 1.1 -o out.svg", "out.svg"),
    "figure map": Way("dense", "figure map in.h5 -l 1 -n 1 -o out.svg", "out.svg"),
    "figure map of rows": Way("rows", "figure map in.h5 -l 1 -n 1 -o out.svg", "out.svg"),
    "figure ablation": Way("ablation", "figure ablation in.h5 -o out.svg", "out.svg"),
    "figure ablation of a patching": Way("patching", "figure ablation in.h5 -o out.svg", "out.svg"),
    "figure laziness": Way("lean study", f"figure laziness in.h5 {INDUCTION} -o out.svg", "out.svg", 4),
    "figure laziness of a full study": Way("study", "figure laziness in.h5 -o out.svg", "out.svg"),
    "figure births": Way("lean study", f"figure births in.h5 {INDUCTION} -o out.svg", "out.svg", 4),
    "figure births of a full study": Way("study", "figure births in.h5 -o out.svg", "out.svg"),
    "figure pairs": Way("lean study", f"figure pairs in.h5 {INDUCTION} -o out.svg", "out.svg", 4),
    "figure pairs of a full study": Way("study", "figure pairs in.h5 -o out.svg", "out.svg"),
    "figure curves": Way("lean study", f"figure curves in.h5 {INDUCTION} -o out.svg", "out.svg", 4),
    "figure curves of a full study": Way("study", "figure curves in.h5 -o out.svg", "out.svg"),
    "figure loss": Way("lean study", "figure loss in.h5 -o out.svg", "out.svg", 4),
    "figure loss of a full study": Way("study", "figure loss in.h5 -o out.svg", "out.svg"),
    "figure strip": Way("lean study", f"figure strip in.h5 {INDUCTION} -o out.svg", "out.svg", 4),
    "figure strip of a full study": Way("study", "figure strip in.h5 -o out.svg", "out.svg"),
    "emergence": Way("lean study", f"emergence in.h5 {INDUCTION} --resamples 20 --json", None, 4),
    "emergence of a full study": Way("study", "emergence in.h5 --resamples 20 --json"),
    "laziness": Way("lean study", f"laziness in.h5 {INDUCTION} --json", None, 4),
    "laziness of a full study": Way("study", "laziness in.h5 --json"),
    "ablate --scores": Way("few scores", f"ablate {PAIR} --mode zero_z --loss-cases 0 -o out.h5", "out.h5"),
    "patch --scores": Way("few scores", f"patch {PAIR} --no-map --resamples 2 -o out.h5", "out.h5"),
    "verify": Way("few scores", "verify in.h5"),
    "verify of a recording": Way("dense", "verify in.h5"),
    "verify --content": Way("few study", "verify in.h5 --content"),
    "verify --facts": Way("few study", "verify in.h5 --facts"),
    "merge": Way("shard", "merge scan -o out.h5", "out.h5"),
    "merge of metrics": Way("metrics", "merge scan -o out.h5", "out.h5"),
    "scan that goes on": Way("shard", SCAN),
    "lab laziness, its study": Way("lab study", "idle blind " + LAB),
    "lab laziness, longer prompts": Way("lab lengths", "idle blind " + LAB),
    "lab laziness, metrics": Way("lab metrics", "idle blind " + LAB),
    "lab laziness with its figures": Way("lab study", "idle " + LAB, None, .1),
    "lab laziness with its jobs, a shard": Way("lab shard", LAB, None, .01),
    "lab laziness with its jobs, metrics": Way("lab metrics", LAB, None, .01),
    "read in Python": Way("few scores", "read in.h5"),
    "read of a study in Python": Way("few study", "read in.h5"),
    "read of a recording in Python": Way("dense", "read in.h5"),
    "read of a patching in Python": Way("patching", "read in.h5"),
    "read of metrics in Python": Way("run metrics", "read run/metrics.h5"),
    "train that goes on": Way("run metrics", "train lab/configs/SFS-W16-s5.json -o run --resume --json"),
}
IN = {"shard": "scan/shards/SFS-W16-s5/step000020.h5", "metrics": "scan/shards/SFS-W16-s5/metrics.h5", "run metrics": "run/metrics.h5",
      "lab study": "lab/study.h5", "lab lengths": "lab/lengths/SFS-W16-s5-step000040.h5",
      "lab shard": "lab/scan/shards/SFS-W16-s5/step000020.h5", "lab metrics": "lab/runs/SFS-W16-s5/metrics.h5"}
FILES = {"scores": "scores", "study": "study", "dense": "dense", "rows": "rows", "ablation": "ablation", "patching": "patching",
         "few scores": "few_scores", "few study": "few_study"}
NOT_DONE = "idle", "blind"                 # a laboratory takes its jobs, or its figures, for done (hdf5_server.c)
WITHOUT_NUMBERS = "verify", "scan"         # what they say of a file is no number of it
UNREAD = """answer answered checkpoint content_right depth error first_right first_token_accuracy grad_norm length lr n_answer n_distractors
    n_mentions n_tokens nope prompt query_token template twin_of value_type weights_sha256""".split()


def command_of(name):
    """The command as it is typed: of one word or two."""
    words = [x for x in READS[name].arguments.split() if x not in NOT_DONE]
    return " ".join(words[:2 if words[0] in ("export", "figure", "lab") else 1])


def shares(n):
    """How many of a command's n mutants each way takes; of a laboratory with its jobs (5 s and 13 processes a time) few or none."""
    whole = collections.Counter()
    for name, way in READS.items():
        whole[command_of(name)] += way.share
    each = {name: n * way.share / whole[command_of(name)] for name, way in READS.items()}
    return {name: int(x) if READS[name].arguments == LAB else math.ceil(x) for name, x in each.items()}


class Server:
    """The program in one process, forked for each call. fill: the byte that fresh memory holds."""

    def __init__(self, path, fill, leaks):
        options = (f"malloc_fill_byte={fill}:max_malloc_fill_size=65536:malloc_context_size=0:detect_leaks={int(leaks)}:"
                   "allocator_may_return_null=1:quarantine_size_mb=4")
        here = os.path.dirname(os.path.abspath(__file__))
        env = dict(os.environ, ASAN_OPTIONS=options, UBSAN_OPTIONS="print_stacktrace=1", OPENBLAS_NUM_THREADS="1",
                   FONTCONFIG_FILE=os.path.join(here, "fonts.conf"),
                   LSAN_OPTIONS=f"print_suppressions=0:suppressions={here}/lsan.supp")
        if leaks:
            env["HDF5_SERVER_LEAKS"] = "1"
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


def in_vetting_child(said):
    """Each report is of a fault of HDF5's own, in the child that is there to die of it (lib/core/child.c)."""
    for report in re.split(rb"(?=ERROR: \w+Sanitizer|runtime error)", said)[1:]:
        stack = re.search(rb"(^ *#\d+ .*\n)+", report, re.M)
        inner = stack and re.search(rb"libhdf5|\.\./(lib|cli|probes|notebooks_export|datasets)/", stack[0])
        if not inner or inner[0] != b"libhdf5" or not re.search(rb" in child .*/core/child\.c", stack[0]):
            return False
    return True


def clear(folder):
    for name in ("said", "wrong", "out.csv", "out.tex", "out.ipynb", "out.svg", "out.h5", "out.csv-metadata.json"):
        if os.path.exists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))


def make_folder(root, name, good):
    """Where a command runs: links to what it needs, and copies of what it may write to."""
    folder = os.path.join(root, name)
    os.makedirs(folder)
    for one in ("lab", "lab.jsonl", "small", "pair.jsonl"):
        os.symlink(os.path.join(good, one), os.path.join(folder, one))
    shutil.copytree(os.path.join(good, "scan"), os.path.join(folder, "scan"))
    shutil.copytree(os.path.join(good, "lab/runs/SFS-W16-s5"), os.path.join(folder, "run"))
    return folder


class Fuzz:
    def __init__(self, options, root):
        self.o, self.root = options, root
        self.good = options.good or os.path.join(root, "good")
        if not os.path.exists(os.path.join(self.good, "scan")):
            subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), "hdf5_good.sh"), options.program, self.good],
                           check=True)
        self.folders = [make_folder(root, x, self.good) for x in ("here", "there")]
        self.here, self.there = self.folders
        if not os.path.exists(self.lab("lab.sound")):
            os.rename(self.lab("lab"), self.lab("lab.sound"))
            self.restore_lab()
        self.servers = Server(options.server, 0xbe, options.leaks), Server(options.server, 0x11, False)
        self.bytes = {kind: read(self.good, f"{file}.h5") for kind, file in FILES.items()}
        self.bytes.update({kind: read(self.here, path) for kind, path in IN.items()})
        for kind in "scores", "study":
            rewrite(os.path.join(self.good, f"few_{kind}.h5"), os.path.join(root, "lean.h5"), UNREAD)
            self.bytes[f"lean {kind}"] = read(root, "lean.h5")
        self.count, self.wrong, self.planting, self.sound_answer = collections.Counter(), [], False, None

    def lab(self, name):
        return os.path.join(self.good, name)

    def restore_lab(self):
        """A laboratory knows where its runs lie: it stays where it was made, and what a call wrote there is put back."""
        shutil.rmtree(self.lab("lab"), ignore_errors=True)
        subprocess.run(["cp", "-al", self.lab("lab.sound"), self.lab("lab")], check=True)

    def put(self, kind, data):
        """The file that is read next, and a copy: a command may write to where it lies."""
        if kind.startswith("lab "):
            self.restore_lab()
        for path in os.path.join(self.here, IN.get(kind, "in.h5")), os.path.join(self.root, "mutant.h5"):
            if os.path.exists(path):
                os.unlink(path)
            with open(path, "wb") as f:
                f.write(data)

    def enter(self, kind):
        self.here, self.there = [self.good, self.good] if kind.startswith("lab ") else self.folders

    def said_by_jobs(self):
        logs = glob.glob(os.path.join(self.lab("lab"), "log", "*.log")) if self.here == self.good else []
        return b"".join(read("", path) for path in logs)

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
        said = read(folder, "wrong") + self.said_by_jobs()
        if self.planting and where == 0 and self.o.plant != "number":
            code, killed, cpu, said = {"crash": (-1, 11, cpu, said), "hang": (code, 0, 11.0, said),
                                       "report": (code, 0, cpu, b"ERROR: AddressSanitizer: planted")}[self.o.plant]
        why = (f"signal {killed}" if killed else f"{cpu:.1f} s" if cpu > MOST_CPU
               else "a sanitizer's report" if REPORT.search(said) and not in_vetting_child(said)
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
        if self.there == self.good:
            self.restore_lab()
            os.unlink(to)
        if not in_child(lambda: rewrite(os.path.join(self.root, "mutant.h5"), to)):
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
        kind, arguments, output, _ = READS[name]
        rng = random.Random(f"{self.o.seed} {kind} {i}")
        data, what = mutant(self.bytes[kind], rng, os.path.join(self.root, "work.h5"))
        self.put(kind, data)
        code, why = self.run(0, self.here, arguments)
        self.count[name, "mutants"] += 1
        self.count[name, f"exit {code}"] += 1
        said = read(self.here, "wrong")
        self.count[name, "HDF5 failed in a child"] += REFUSED in said + read(self.here, "said") or REPORT.search(said) is not None
        if not why and code == 0 and command_of(name) not in WITHOUT_NUMBERS:
            why = self.unexplained(kind, arguments, output)
        if why:
            self.tell(name, i, why, what, data)

    def sound(self, name):
        """The sound file is read, and its own rewriting gives the same answer: else the comparison would say nothing."""
        kind, arguments, output, _ = READS[name]
        self.enter(kind)
        self.put(kind, self.bytes[kind])
        code, why = self.run(0, self.here, arguments)
        if code != 0 or why:
            return why or f"exit {code}: {read(self.here, 'wrong').decode(errors='replace')[-300:]}"
        self.sound_answer = None
        why = None if command_of(name) in WITHOUT_NUMBERS else self.unexplained(kind, arguments, output)
        self.sound_answer = answer(self.here, output)
        return why

    def restore(self, name):
        kind = READS[name].kind
        if self.here == self.good:
            self.restore_lab()
        for folder in self.folders if kind in IN and not kind.startswith("lab ") else []:
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
    options.server, options.program, options.good = (x and os.path.abspath(x) for x in (options.server, options.program, options.good))
    only = options.only.split(",") if options.only else []
    names = [x for x in READS if not only or x in only or command_of(x) in only]
    mutants = shares(options.mutants)
    with tempfile.TemporaryDirectory() as root:
        fuzz = Fuzz(options, root)
        for name in (x for x in names if mutants[x]):
            why = fuzz.sound(name)
            if why:
                fuzz.wrong.append(why)
                print(f"WRONG: {name} on the sound file: {why}", flush=True)
                continue
            fuzz.planting = options.plant is not None
            for i in range(options.first, options.first + mutants[name]):
                fuzz.one(name, i)
            fuzz.planting = False
            fuzz.restore(name)
            codes = ", ".join(f"{what}: {n}" for (of, what), n in sorted(fuzz.count.items()) if of == name and what[:4] in ("exit", "HDF5"))
            print(f"{name}: {fuzz.count[name, 'mutants']} mutants, {fuzz.count[name, 'wrong']} wrong; {codes}", flush=True)
    sys.exit(bool(fuzz.wrong))


if __name__ == "__main__":
    main()
