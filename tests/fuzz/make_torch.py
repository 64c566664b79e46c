#!/usr/bin/env python3
"""make_torch.py FOLDER - writes corpus/torch: small files in the layouts of torch.save from PyTorch 0.4 to 2.13, and what strangers may
make of them. Needs no torch: stand-ins with its names are pickled. tests/unit/io/test_torch.c says what is to be read of each, tests/fuzz
mutates them."""
import argparse
import collections
import io
import os
import pickle
import struct
import sys
import types
import zlib

# ---- what torch's pickles name ----


def module(name):
    return sys.modules.setdefault(name, types.ModuleType(name))


def stand_in(name, in_module):
    made = type(name, (), {"__module__": in_module})
    setattr(module(in_module), name, made)
    return made


def function(name, in_module):
    def made():
        pass
    made.__module__, made.__name__, made.__qualname__ = in_module, name, name
    setattr(module(in_module), name, made)
    return made


STORAGES = {name: stand_in(f"{name}Storage", "torch") for name in ("Float", "Half", "BFloat16", "Long", "ComplexFloat")}
UNTYPED = stand_in("UntypedStorage", "torch.storage")
UINT16, FLOAT8 = stand_in("uint16", "torch"), stand_in("float8_e4m3fn", "torch")
TENSOR = stand_in("Tensor", "torch")
REBUILD = [function(name, "torch._utils") for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")]
PARAMETER, FROM_TYPE = function("_rebuild_parameter", "torch._utils"), function("_rebuild_from_type_v2", "torch._tensor")
SPARSE = function("_rebuild_sparse_tensor", "torch._utils")
module("posix").system.__class__            # os.system is pickled as posix.system


class Storage:
    def __init__(self, kind, key, elements, data=b"", view=None):
        self.kind, self.key, self.elements, self.data, self.view = kind, key, elements, data, view


class Made:
    """What a call would make."""
    def __init__(self, called, *arguments):
        self.call = called, arguments

    def __reduce__(self):
        return self.call


def tensor(storage, offset, shape, stride, version=2, dtype=None, metadata=None):
    more = ((), (False, collections.OrderedDict()), (False, collections.OrderedDict(), dtype))[version - 1]
    return Made(REBUILD[version - 1], storage, offset, shape, stride, *more, *([metadata] if metadata else []))


def pickled(value, protocol=2, legacy=False):
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if not isinstance(obj, Storage):
                return None
            kind = STORAGES.get(obj.kind, UNTYPED)
            return ("storage", kind, obj.key, "cpu", obj.elements) + ((obj.view,) if legacy else ())
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


# ---- containers ----

def zipped(entries, zip64=False, method=0, flags=0, comment=b""):
    """A zip archive as miniz writes it for torch: data on 64 bytes, sizes only in the directory."""
    out, directory = bytearray(), bytearray()
    for name, data in entries:
        name, packed = name.encode(), data if method == 0 else zlib.compress(data)[2:-4]
        header = len(out)
        pad = -(header + 34 + len(name)) % 64
        out += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 0, 2056, method, 0, 0, 0, 0, 0, len(name), pad + 4) + name
        out += struct.pack("<2sH", b"FB", pad) + b"Z" * pad + packed
        extra = struct.pack("<HHQQQ", 1, 24, len(data), len(packed), header) if zip64 else b""
        sizes = (2**32 - 1,) * 2 if zip64 else (len(packed), len(data))
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0, 0, flags, method, 0, 0, zlib.crc32(data), *sizes,
                                 len(name), len(extra), 0, 0, 0, 0, 2**32 - 1 if zip64 else header) + name + extra
    at, n = len(out), len(entries)
    out += directory
    if zip64:
        end64 = len(out)
        out += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, len(directory), at)
        out += struct.pack("<4sIQI", b"PK\6\7", 0, end64, 1)
    numbers = (0xffff, 0xffff, 2**32 - 1, 2**32 - 1) if zip64 else (n, n, len(directory), at)
    return bytes(out + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *numbers, len(comment)) + comment)


def entries(pkl, storages, since):
    """since: the version of PyTorch, which decides what else stands in the archive."""
    out = [("archive/data.pkl", pkl)]
    out += [("archive/.format_version", b"1"), ("archive/.storage_alignment", b"64")] if since >= 2.9 else []
    out += [("archive/byteorder", b"little")] if since >= 2.1 else []
    out += [(f"archive/data/{s.key}", s.data) for s in storages]
    out += [("archive/version", b"3\n")]
    return out + ([("archive/.data/serialization_id", b"0" * 40)] if since >= 2.1 else [])


MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def legacy(pkl, storages, little=True, protocol=1001, keys=None):
    machine = {"protocol_version": protocol, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    keys = [s.key for s in storages] if keys is None else keys
    out = MAGIC + pickled(protocol) + pickled(machine) + pkl + pickled(keys)
    return out + b"".join(struct.pack("<q", s.elements) + s.data for s in storages)


# ---- the files ----

def weights():
    """w = 0 .. 5 as 2 x 3 in f32, t its transpose in the same storage, h = 1, 2, 3 in bf16."""
    w = Storage("Float", "0", 6, struct.pack("<6f", *range(6)))
    h = Storage("BFloat16", "1", 3, b"".join(struct.pack("<f", x)[2:] for x in (1, 2, 3)))
    sd = {"w": tensor(w, 0, (2, 3), (3, 1)), "t": tensor(w, 0, (3, 2), (1, 3)), "h": tensor(h, 0, (3,), (1,))}
    return sd, [w, h]


def python2(sd):
    """Python 2 wrote texts as bytes, and an OrderedDict as its pairs, for PyTorch 0.4: _rebuild_tensor, of four arguments."""
    def text(t):
        return b"U" + bytes([len(t)]) + t.encode()

    def number(n):
        return b"K" + bytes([n])

    out = b"\x80\x02ccollections\nOrderedDict\n]("
    for name, made in sd.items():
        storage, offset, shape, stride = made.call[1][:4]
        out += b"](" + text(name) + b"ctorch._utils\n_rebuild_tensor\n((" + text("storage")
        out += f"ctorch\n{storage.kind}Storage\n".encode() + text(storage.key) + text("cpu") + number(storage.elements) + b"NtQ"
        out += number(offset)
        out += b"".join(b"(" + b"".join(map(number, sizes)) + b"t" for sizes in (shape, stride)) + b"tRe"
    return out + b"e\x85R."


def good():
    sd, storages = weights()
    ordered = collections.OrderedDict(sd)
    ordered._metadata = collections.OrderedDict({"": {"version": 1}})
    trainer = {"optimizer": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
               "args": argparse.Namespace(lr=.5, n=None), "iter_num": 7, "model": {f"_orig_mod.{k}": v for k, v in sd.items()}}
    typed = Storage("Untyped", "0", 6, struct.pack("<3H", 1, 2, 65535))
    view = Storage("Float", "9", 6, storages[0].data, view=("10", 2, 3))
    yield "legacy-0.4-python2", legacy(python2(sd), storages)
    yield "legacy-1.1", legacy(pickled(ordered, legacy=True), storages)
    yield "legacy-view", legacy(pickled({"w": tensor(view, 0, (3,), (1,))}, legacy=True), [view])
    yield "zip-1.6", zipped(entries(pickled(ordered), storages, 1.6))
    parameters = {k: Made(PARAMETER, v, True, collections.OrderedDict()) for k, v in sd.items()}
    yield "zip-2.0-parameter", zipped(entries(pickled(parameters), storages, 2.0))
    yield "zip-2.1-trainer", zipped(entries(pickled(trainer), storages, 2.1))
    yield "zip-2.13-protocol5", zipped(entries(pickled(sd, 5), storages, 2.13))
    yield "zip-typed", zipped(entries(pickled({"u": tensor(typed, 0, (3,), (1,), 3, UINT16)}), [typed], 2.13))
    yield "zip-zip64", zipped(entries(pickled(sd), storages, 2.1), zip64=True)
    yield "zip-comment", zipped(entries(pickled(sd), storages, 2.1), comment=b"PK\5\6 is no end")
    typed_anew = {k: Made(FROM_TYPE, v.call[0], TENSOR, v.call[1], {}) for k, v in sd.items()}
    yield "zip-from-type", zipped(entries(pickled(typed_anew), storages, 2.1))
    for name, more in (("nanogpt", {}), ("nanogpt-plain", {"bias": False}), ("nanogpt-no", {"n_head": -4})):
        arguments = {"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 32, "vocab_size": 96, "dropout": .0, "bias": True} | more
        yield f"zip-{name}", zipped(entries(pickled({"model": sd, "model_args": arguments, "iter_num": 5}), storages, 2.1))
    knot = dict(sd)
    knot["app"] = knot
    yield "zip-knot", zipped(entries(pickled(knot), storages, 2.1))


def whole_model():
    """A nanoGPT of one layer without biases, every tensor of it: the numbers are small and differ."""
    d, vocab, block = 8, 16, 32
    shapes = {"wte.weight": (vocab, d), "wpe.weight": (block, d), "h.0.ln_1.weight": (d,), "h.0.attn.c_attn.weight": (3 * d, d),
              "h.0.attn.c_proj.weight": (d, d), "h.0.ln_2.weight": (d,), "h.0.mlp.c_fc.weight": (4 * d, d),
              "h.0.mlp.c_proj.weight": (d, 4 * d), "ln_f.weight": (d,)}
    storages, sd = [], {}
    for name, shape in shapes.items():
        n = shape[0] * (shape[1] if len(shape) == 2 else 1)
        numbers = [((i * 37 + len(storages) * 11) % 64 - 31) / 40 for i in range(n)]
        storages.append(Storage("Float", str(len(storages)), n, struct.pack(f"<{n}f", *numbers)))
        sd[f"_orig_mod.transformer.{name}"] = tensor(storages[-1], 0, shape, (shape[1], 1) if len(shape) == 2 else (1,))
    sd["_orig_mod.lm_head.weight"] = sd["_orig_mod.transformer.wte.weight"]
    arguments = {"n_layer": 1, "n_head": 2, "n_embd": d, "block_size": block, "vocab_size": vocab, "bias": False}
    saved = {"model": sd, "optimizer": {}, "model_args": arguments, "iter_num": 5}
    yield "whole-zip", zipped(entries(pickled(saved), storages, 2.1))
    yield "whole-legacy", legacy(pickled(saved, legacy=True), storages)


def one(*what, **storage):
    """A zip of one tensor x: its storage has 6 numbers, or what is given."""
    s = Storage(storage.get("kind", "Float"), "0", storage.get("elements", 6), storage.get("data", struct.pack("<6f", *range(6))))
    return zipped(entries(pickled({"x": tensor(s, *what)}), [s], 2.1))


def lies():
    """Tensors that reach beyond their storages, and the like."""
    yield "lie-offset", one(1, (6,), (1,))
    yield "lie-stride", one(0, (2, 3), (4, 1))
    yield "lie-shape", one(0, (7,), (1,))
    yield "lie-overflow", one(0, (2**40, 2**40), (2**40, 1))
    yield "lie-stride-overflow", one(0, (2, 2), (2**62, 2**62))
    yield "lie-stride-to-nothing", one(0, (5,), (2**62,))
    yield "lie-negated", one(0, (6,), (1,), 2, None, {"conj": False, "neg": True})
    yield "lie-metadata", one(0, (6,), (1,), 2, None, {str(i): False for i in range(65)})
    yield "lie-negative-stride", one(5, (6,), (-1,))
    yield "lie-negative-offset", one(-1, (2,), (1,))
    yield "lie-negative-shape", one(0, (-2, -3), (3, 1))
    yield "lie-elements", one(0, (6,), (1,), elements=600)
    yield "lie-elements-overflow", one(0, (6,), (1,), elements=2**62)
    yield "lie-rank", one(0, (1,) * 9, (1,) * 9)
    yield "lie-ranks", one(0, (2, 3), (1,))
    yield "lie-bool-size", one(0, (True, 3), (3, 1))
    yield "lie-expanded", one(0, (2**20, 2**10), (0, 0))
    yield "lie-complex", one(0, (1,), (1,), kind="ComplexFloat", elements=3)
    yield "lie-float8", zipped(entries(pickled({"x": tensor(Storage("Untyped", "0", 4), 0, (4,), (1,), 3, FLOAT8)}), [], 2.1))
    yield "lie-sparse", zipped(entries(pickled({"x": Made(SPARSE, 1), **weights()[0]}), weights()[1], 2.1))
    yield "lie-no-storage", zipped(entries(pickled(weights()[0]), [], 2.1))
    yield "lie-control-name", zipped(entries(pickled({"a\nb": weights()[0]["w"]}), weights()[1], 2.1))
    storages = weights()[1]
    yield "lie-shared", zipped(entries(pickled({f"n{i}": tensor(storages[0], 0, (2**22,), (0,)) for i in range(8)}), storages, 2.1))


def programs():
    """Pickles that would run something, or are no pickles."""
    def held(pkl):
        return zipped(entries(pkl, weights()[1], 2.1))
    yield "run-system", held(pickled(Made(os.system, "id")))
    yield "run-beside", held(pickled({"model": weights()[0], "x": Made(os.system, "id")}))
    yield "run-eval", held(b"\x80\x02cbuiltins\neval\nX\x01\0\0\0" b"1\x85R.")
    yield "run-inst", held(b"\x80\x02(X\x01\0\0\0" b"1ios\nsystem\n.")
    yield "run-obj", held(b"\x80\x02(cos\nsystem\nX\x01\0\0\0" b"1o.")
    yield "run-extension", held(b"\x80\x02\x82\x01.")
    yield "run-protocol0", held(pickled({"a": 1}, 0))
    yield "run-module", held(pickled(argparse.Namespace(w=weights()[0])))
    yield "stop-early", held(pickled(weights()[0])[:-20])
    yield "stop-nothing", held(b"\x80\x02.")
    yield "stop-below-mark", held(b"\x80\x02K\x01K\x01(R.")
    yield "stop-no-mark", held(b"\x80\x02K\x01t.")
    yield "stop-memo", held(b"\x80\x02h\x05.")
    yield "stop-memo-far", held(b"\x80\x02Nr\xff\xff\xff\x7f.")
    yield "stop-text", held(b"\x80\x02X\xff\xff\xff\xffabc.")
    yield "stop-long-text", held(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.")
    yield "stop-odd", held(b"\x80\x02}(K\x01u.")
    yield "stop-container", held(b"\x80\x02(K\x01e.")
    yield "stop-protocol", held(b"\x80\x09N.")
    yield "stop-global", held(b"\x80\x02ctorch\nFloat")
    yield "stop-opcode", held(b"\x80\x02\xff.")


def archives():
    sd, storages = weights()
    parts = entries(pickled(sd), storages, 2.1)
    whole = zipped(parts)
    yield "zip-cut", whole[:-30]
    yield "zip-deflated", zipped(parts, method=8)
    yield "zip-password", zipped(parts, flags=1)
    yield "zip-twice", zipped(parts + [("archive/data/0", b"\0" * 24)])
    yield "zip-two-roots", zipped(parts + [("other/data.pkl", parts[0][1])])
    yield "zip-no-pickle", zipped([("archive/data/0", b"1234")])
    yield "zip-arrays", zipped([("arr_0.npy", b"1234")])
    yield "zip-script", zipped(parts + [("archive/constants.pkl", b"\x80\x02).")])
    yield "zip-big-endian", zipped([(n, b"big" if n.endswith("byteorder") else d) for n, d in parts])
    end = struct.unpack("<4sHHHHIIH", whole[-22:])
    yield "zip-many", whole[:-22] + struct.pack("<4sHHHHIIH", *end[:3], 60000, 60000, *end[5:])
    yield "zip-directory-beyond", whole[:-22] + struct.pack("<4sHHHHIIH", *end[:6], 2**31, 0)
    yield "zip-disks", whole[:-22] + struct.pack("<4sHHHHIIH", end[0], 1, *end[2:])
    yield "zip-no-zip64", whole[:-22] + struct.pack("<4sHHHHIIH", *end[:3], 0xffff, 0xffff, *end[5:])
    directory = end[6]
    names = [i for i in range(directory, len(whole)) if whole[i:i + 4] == b"PK\1\2"]

    def patched(entry, at, value):
        i = names[entry] + at
        return whole[:i] + struct.pack("<I", value) + whole[i + 4:]
    yield "zip-overlap", patched(2, 42, struct.unpack("<I", whole[names[0] + 42:names[0] + 46])[0])
    yield "zip-header-beyond", patched(2, 42, 2**31)
    yield "zip-header-elsewhere", patched(2, 42, struct.unpack("<I", whole[names[2] + 42:names[2] + 46])[0] + 1)
    more = struct.pack("<I", 25)
    yield "zip-size-into-next", whole[:names[2] + 20] + more + more + whole[names[2] + 28:]
    big = struct.pack("<I", 10**6)
    yield "zip-size-beyond", whole[:names[2] + 20] + big + big + whole[names[2] + 28:]


def legacies():
    sd, storages = weights()
    pkl = pickled(sd, legacy=True)
    yield "legacy-big-endian", legacy(pkl, storages, little=False)
    yield "legacy-protocol", legacy(pkl, storages, protocol=1002)
    yield "legacy-cut", legacy(pkl, storages)[:-4]
    yield "legacy-missing-key", legacy(pkl, storages, keys=["0"])
    yield "legacy-other-key", legacy(pkl, storages, keys=["0", "7"])
    yield "legacy-twice", legacy(pkl, storages, keys=["0", "0"])
    yield "legacy-no-keys", legacy(pkl, storages, keys=3)
    wrong = Storage("Float", "0", 2**60, storages[0].data)
    yield "legacy-elements", legacy(pkl, [wrong, storages[1]])
    two = {"a": tensor(Storage("Float", "0", 6), 0, (6,), (1,)), "b": tensor(Storage("Half", "0", 6), 0, (6,), (1,))}
    yield "legacy-two-types", legacy(pickled(two, legacy=True), [storages[0]])
    bad = Storage("Float", "9", 6, storages[0].data, view=("10", 4, 3))
    yield "legacy-view-beyond", legacy(pickled({"w": tensor(bad, 0, (3,), (1,))}, legacy=True), [bad])


def parts():
    """What tests/fuzz/fuzz_torch.c puts into files: a pickle for an archive, and the rest of a legacy file."""
    sd, storages = weights()
    trainer = {"model": sd, "args": argparse.Namespace(lr=.5), "step": 2**40}
    yield "part-pickle", pickled(trainer)
    yield "part-pickle-5", pickled(trainer, 5)
    yield "part-legacy", legacy(pickled(sd, legacy=True), storages).split(b".", 3)[3]


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for files in (good, whole_model, lies, programs, archives, legacies, parts):
        for name, data in files():
            with open(os.path.join(sys.argv[1], name), "wb") as f:
                f.write(data)


main()
