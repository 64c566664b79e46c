#!/usr/bin/env python3
"""torch_referee.py IO_LIST CORPUS - what torch.save writes, in both formats and as trainers save it, and the layouts of older versions in
CORPUS (tests/fuzz/make_torch.py), against torch.load: names, dtypes, shapes and bits."""
import argparse
import collections
import hashlib
import os
import subprocess
import sys
import tempfile

import torch
from compare import count

NAMES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int8: "I8", torch.uint8: "U8",
         torch.int16: "I16", torch.int32: "I32", torch.int64: "I64", torch.bool: "BOOL", torch.uint16: "U16", torch.uint32: "U32",
         torch.uint64: "U64"}


def weights():
    g = torch.Generator().manual_seed(11)
    base = torch.randn(40, 24, 6, generator=g)
    bits = torch.randint(0, 2, (9, 31), generator=g)
    sd = {f"typed.{name}": (bits * 3).to(dtype) for dtype, name in NAMES.items()}
    sd |= {"embed.weight": torch.randn(300, 64, generator=g), "scalar": torch.tensor(2.5), "empty": torch.zeros(3, 0, 2),
           "one": torch.ones(1, 1), "transposed": torch.randn(130, 70, generator=g).t(), "permuted": base.permute(2, 0, 1),
           "swapped": base.transpose(0, 1),
           "cut": base[3:30, 4:20:3, 1:5], "row": base[7], "every": torch.randn(100, generator=g)[5::7],
           "column": torch.randn(50, 33, generator=g)[:, 4], "expanded": torch.randn(5, 1, generator=g).expand(5, 40),
           "half.t": torch.randn(90, 50, generator=g).half().t(), "bf.t": torch.randn(300, 260, generator=g).bfloat16().t(),
           "large.t": torch.randn(2000, 300, generator=g).t(), "far": torch.randn(40, 30000, generator=g)[:, 7::20000],
           "parameter": torch.nn.Parameter(torch.randn(4, 4, generator=g)), 'odd "name" \\ é 😀': torch.randn(3, generator=g)}
    sd["tied"] = sd["embed.weight"]
    sd["tied.t"] = sd["embed.weight"].t()
    sd["tied.part"] = sd["embed.weight"][10:20]
    return sd


def lines(expected):
    out = []
    for name in sorted(expected, key=lambda n: n.encode()):
        t = expected[name].detach().contiguous()
        raw = t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        out.append(f"{name}\t{NAMES[t.dtype]}\t{','.join(map(str, t.shape))}\t{hashlib.sha256(raw).hexdigest()}")
    return out


def run(path, piece):
    return subprocess.run([sys.argv[1], path, str(piece)], capture_output=True, text=True)


class Referee:
    def __init__(self, folder):
        self.folder, self.failed, self.compared = folder, 0, 0

    def fail(self, what):
        print("FAILED:", what)
        self.failed += 1

    def check(self, what, saved, expected=None, note="", **how):
        """saved as torch.save writes it; its tensors are `expected`, or all of what torch.load gives."""
        path = os.path.join(self.folder, "w.bin")
        torch.save(saved, path, **how)
        expected = torch.load(path, weights_only=False, map_location="cpu") if expected is None else expected
        wanted = lines(expected)
        doubles = sum(t.dtype == torch.float64 for t in expected.values())
        if doubles and not note:
            note = f"{doubles} of its {len(expected)} tensors are F64: their numbers are rounded to F32"
        for piece in (1 << 20, 4097):
            got = run(path, piece)
            self.compared += len(wanted)
            if got.stdout.splitlines() != wanted:
                bad = sorted(set(wanted) ^ set(got.stdout.splitlines()))
                self.fail(f"{what}, {how}: {got.stderr.strip()[:300]} {bad[:4]}")
            elif note not in got.stderr or (not note and got.stderr):
                self.fail(f"{what}: wanted a note '{note}', got '{got.stderr.strip()}'")

    def refused(self, what, saved, says, **how):
        path = os.path.join(self.folder, "w.bin")
        torch.save(saved, path, **how)
        got = run(path, 4096)
        if got.returncode != 1 or says not in got.stderr:
            self.fail(f"{what}: wanted '{says}', got {got.returncode} '{got.stderr.strip()}'")


def older(r, corpus):
    """Layouts of older versions, as torch.load reads them."""
    for name in ("legacy-0.4-python2", "legacy-1.1", "legacy-view", "zip-1.6", "zip-2.0-parameter", "zip-2.13-protocol5", "zip-typed",
                 "zip-zip64", "zip-from-type"):
        path = os.path.join(corpus, name)
        wanted = lines(torch.load(path, weights_only=False, encoding="ascii"))
        got = run(path, 4096)
        r.compared += len(wanted)
        if got.stdout.splitlines() != wanted:
            r.fail(f"{name}: {got.stdout} {got.stderr}")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/needlescope-was-executed",)


def both(r, all_types):
    for new in (True, False):
        how = {"_use_new_zipfile_serialization": new}
        no_legacy = ("typed.U16", "typed.U32", "typed.U64")         # torch writes them, and cannot read them back
        sd = {k: v for k, v in all_types.items() if new or k not in no_legacy}
        for protocol in (2, 3, 4, 5):
            r.check("a state dict", sd, **how, pickle_protocol=protocol)
        r.check("an OrderedDict", collections.OrderedDict(sd), **how)
        small = {k: sd[k] for k in ("embed.weight", "transposed", "half.t", "tied")}
        linear = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7))
        r.check("a module's state dict, which has _metadata", linear.state_dict(), **how)
        optimizer = torch.optim.AdamW(linear.parameters())
        linear(torch.randn(3, 5)).sum().backward()
        optimizer.step()
        trained = {"optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=1.5, out=None), "step": 2**40, "loss": -1.25}
        for key in ("state_dict", "model_state_dict", "model", "module"):
            r.check(f"a trainer's {key}", {key: small, **trained}, small,
                    f"the weights are its '{key}'; left out: 'optimizer', 'args', 'step'", **how)
        r.check("a member of a member", {"app": {"model": small, **trained}}, small, "its 'app'", **how)
        r.check("Composer's", {"state": {"model": small, **trained}, "rng": []}, small, "its 'state'", **how)
        r.check("names of what is not made", {"model": small, **trained}, small, "'argparse.Namespace'", **how)
        r.check("an object that would run", {"model": small, "x": Evil()}, small, "none of it was executed", **how)
        r.check("entries that are no tensors", small | {"a._extra_state": None, "n": 5}, small,
                "2 of its entries are no tensors, and were left out: 'a._extra_state', 'n'", **how)
        r.check("torch.compile", {f"_orig_mod.{k}": v for k, v in small.items()}, small, "_orig_mod", **how)
        r.check("torch.compile of layers", {"a._orig_mod.b._orig_mod.c": sd["one"], "a.d": sd["row"]},
                {"a.b.c": sd["one"], "a.d": sd["row"]}, "_orig_mod", **how)
        r.check("DataParallel of torch.compile", {f"module._orig_mod.{k}": v for k, v in small.items()}, small,
                "'module.' is taken off", **how)
        r.check("not all in a module", {"module.a": sd["one"], "b": sd["row"]}, **how)
        lightning = {"state_dict": {f"model.model.{k}": v for k, v in small.items()} | {"model.lm_head.weight": sd["row"]}, "epoch": 3}
        r.check("Lightning", lightning, {f"model.{k}": v for k, v in small.items()} | {"lm_head.weight": sd["row"]},
                "'model.' is taken off", **how)
        r.check("a base model", {f"model.{k}": v for k, v in small.items()}, **how)
        r.refused("os.system", Evil(), f"{os.system.__module__}.system and no state dict; nothing that a pickle names is executed", **how)
        r.refused("a whole module", linear, "torch.nn.modules.container.Sequential", **how)
        r.refused("no tensors", {"a": 1, "b": [2]}, "it has 2: 'a', 'b'", **how)
        r.refused("a list", [sd["one"]], "holds no dict of tensors", **how)
        r.refused("sparse", {"w": torch.eye(3).to_sparse(), "v": sd["one"]}, "'w' is made by torch._utils._rebuild_sparse_tensor", **how)
        r.refused("complex", {"w": torch.ones(2, dtype=torch.complex64)}, "'w': is stored as torch.complex64", **how)
        r.refused("float8", {"w": torch.ones(2).to(torch.float8_e4m3fnuz)}, "'w': is stored as torch.float8_e4m3fnuz", **how)
        r.refused("float8 by columns", {"w": torch.ones(2, 3).to(torch.float8_e5m2).t()},
                  "is stored as torch.float8_e5m2, and not row by row", **how)
        r.refused("meta", {"w": torch.ones(2, device="meta"), "v": sd["one"]},
                  "'w' is made by torch._utils._rebuild_meta_tensor_no_storage", **how)
        r.refused("an array", {"w": sd["one"].numpy(), "v": sd["one"]}, "'w' is made by numpy", **how)


def main():
    with tempfile.TemporaryDirectory() as folder:
        r = Referee(folder)
        both(r, weights())
        older(r, sys.argv[2])
        if os.path.exists("/tmp/needlescope-was-executed"):
            r.fail("a pickle was executed")
    print(f"{count(r.compared)} tensors compared, {r.failed} differ")
    return r.failed != 0


sys.exit(main())
