"""Mutants of needlescope's HDF5 files, and what a stranger's reader (h5py) finds in one, written anew.

A mutant is the sound file with one to three changes: of its structure, made by h5py, or of its bytes; then cut or not, sealed again or
not."""
import os
import pickle
import resource
import signal
import struct
import zlib

import h5py
import numpy as np

SEAL = b"\nneedlescope crc32 "
SEAL_BYTES = len(SEAL) + 9
LARGEST = 1 << 24                          # bytes of a dataset that is copied: the sound files hold kilobytes
HANDED_ON = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates")
STRANGE = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-320, 1e30, 1e308, 2.0**31, 2.0**53, 2.0**63, -(2.0**63), 255.0, 256.0, 0.5, 3.0]
WHOLE = [-1, 0, 1, 2, 3, 4, 255, 256, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)]
TEXTS = [b"", b"swaa", b"recurrent", b"full", b"swa", b"control", b"target", b"none", b"99.99", b"-1.-1,3.1", b"nan", b"1e999", b"9" * 40,
         b"-7", b"\xff\xfe",
         b"a\nb,\"c\"", b"\x1b[31m", b"x" * 70000, "é\U0001F600".encode(), b"%s%n", b"../..", b"study", b"scores", b"recording",
         b"ablation", b"patching", b"metrics"]


def sealed(data):
    return data + SEAL + b"%08x\n" % zlib.crc32(data)


def unsealed(data):
    return data[:-SEAL_BYTES] if data[-SEAL_BYTES:].startswith(SEAL) else data


# ---- changes of bytes ----

def flip(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at, kind = rng.randrange(len(data)), rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice([0, 1, 0x7f, 0x80, 0xff])
        elif kind == 2:
            data[at] = rng.randrange(256)
        else:
            size = rng.choice([2, 4, 8])
            value = rng.choice([0, 1, (1 << 8 * size) - 1, 1 << (8 * size - 1), rng.getrandbits(8 * size)])
            data[at:at + size] = value.to_bytes(size, "little")[:len(data) - at]
    return bytes(data)


def cut(data, rng):
    return data[:rng.randrange(len(data))]


# ---- changes of structure ----

def datasets(f):
    found = []
    for name, one in f.items():
        if isinstance(one, h5py.Dataset):
            found.append(name)
        elif isinstance(one, h5py.Group):
            found += [f"{name}/{x}" for x, inner in one.items() if isinstance(inner, h5py.Dataset)]
    return found


def scales_of(d):
    return [d.dims[i][0].name if len(d.dims[i]) else None for i in range(len(d.shape or ()))]


def put(f, name, value, old=None, **how):
    """A dataset in the place of another: with its attributes, and its scales where the rank allows."""
    axes, attributes, was_scale = [], {}, False
    if name in f:
        old = f[name]
        axes, was_scale = scales_of(old), old.is_scale
        attributes = {k: v for k, v in old.attrs.items() if k not in HANDED_ON}
        del f[name]
    new = f.create_dataset(name, data=value, **how) if "shape" not in how else f.create_dataset(name, **how)
    for key, v in attributes.items():
        new.attrs[key] = v
    if was_scale and new.shape is not None and len(new.shape) == 1:
        new.make_scale(name.rpartition("/")[2])
    for i, axis in enumerate(axes[:len(new.shape or ())]):
        if axis and axis in f and f[axis].is_scale:
            new.dims[i].attach_scale(f[axis])


def numbers_of(f, name):
    value = f[name][()]
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" else None


def other_shape(f, name, rng):
    value = f[name][()]
    if not isinstance(value, np.ndarray):
        return
    kind = rng.randrange(9)
    flat = value.ravel()
    if kind == 0:
        put(f, name, flat)
    elif kind == 1:
        put(f, name, value[None])
    elif kind == 2:
        put(f, name, value.T)
    elif kind == 3:
        put(f, name, value[:0])
    elif kind == 4 and value.ndim:
        put(f, name, np.concatenate([value, value[:1]]))
    elif kind == 5 and value.ndim and len(value) > 1:
        put(f, name, value[:-1])
    elif kind == 6 and flat.size:
        put(f, name, flat[0])
    elif kind == 7:
        put(f, name, None, shape=tuple(rng.choice([0, 1, 2, 3, 2**20, 2**31, 2**40, 2**61]) for _ in value.shape), dtype=f[name].dtype,
            chunks=tuple(rng.choice([1, 16]) for _ in value.shape) if value.ndim else None,
            maxshape=(None,) * value.ndim if value.ndim else None)
    else:
        put(f, name, h5py.Empty(value.dtype if value.dtype != object else "f4"))


def other_type(f, name, rng):
    value = f[name][()]
    if not isinstance(value, np.ndarray):
        return
    if value.dtype == object:
        put(f, name, np.array([len(x) for x in value.ravel()],
                              rng.choice(["f4", "i8", "u1"])).reshape(value.shape)) if rng.random() < .5 else \
            put(f, name, value.astype("S16"))
        return
    to = rng.choice(["f2", "f4", "f8", ">f4", ">i8", "i1", "u1", "i4", "i8", "u8", "S8", "c8", "?", "V4", "text"])
    with np.errstate(all="ignore"):
        if to == "text":
            put(f, name, np.array([str(x) for x in value.ravel()], object).reshape(value.shape), dtype=h5py.string_dtype())
        elif to == "V4":
            put(f, name, np.zeros(value.shape, [("a", "f4"), ("b", "i4")]))
        else:
            put(f, name, value.astype(to))


def other_values(f, name, rng):
    d = f[name]
    if d.dtype.kind == "O":
        value = d[()]
        if not isinstance(value, np.ndarray) or not value.size:
            return
        flat = value.reshape(-1).copy()
        for _ in range(rng.choice([1, 1, 3])):
            flat[rng.randrange(flat.size)] = rng.choice(TEXTS) if rng.random() < .7 else flat[rng.randrange(flat.size)]
        d[()] = flat.reshape(value.shape)
        return
    value = numbers_of(f, name)
    if value is None or not value.size:
        return
    flat = value.reshape(-1).copy()
    pool = STRANGE if value.dtype.kind == "f" else WHOLE
    for _ in range(rng.choice([1, 1, 2, 8])):
        with np.errstate(all="ignore"):
            place = rng.randrange
            flat[place(flat.size)] = np.array(rng.choice(pool)).astype(value.dtype) if rng.random() < .8 else flat[place(flat.size)]
    if rng.random() < .1:
        flat[:] = flat[rng.randrange(flat.size)]
    d[()] = flat.reshape(value.shape)


def other_place(f, name, rng):
    other, kind = rng.choice(datasets(f)), rng.randrange(4)
    if kind == 0:
        del f[name]
    elif kind == 1 and other != name:
        value = f[other][()]
        put(f, name, value, dtype=f[other].dtype if f[other].dtype.kind == "O" else None)
    elif kind == 2:
        f.move(name, name + rng.choice(["x", "_nosink", "é", " ", "\x01"]))
    elif other != name:
        del f[name]
        f[name] = f[other]                                     # a second hard link


def other_link(f, name, rng):
    kind, other = rng.randrange(8), rng.choice(datasets(f))
    value = f[name][()]
    if kind == 0:
        del f[name]
        f[name] = h5py.SoftLink("/" + other)
    elif kind == 1:
        del f[name]
        f[name] = h5py.ExternalLink(rng.choice(["in.h5", "/etc/passwd", "good.h5"]), "/" + other)
    elif kind == 2:
        del f[name]
        f[name] = h5py.SoftLink("/nowhere")
    elif kind == 3:
        del f[name]
        f[name] = f["/"]                                       # a circle
    elif kind == 4:
        f.create_group("group%d" % rng.randrange(9))["up"] = f["/"]
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size and kind == 5:
        put(f, name, None, shape=value.shape, dtype=value.dtype, external=[("/etc/passwd", 0, value.nbytes)])
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size and kind == 6:
        layout = h5py.VirtualLayout(value.shape, value.dtype)
        layout[...] = h5py.VirtualSource("good.h5", other, value.shape)
        axes = scales_of(f[name])
        del f[name]
        new = f.create_virtual_dataset(name, layout)
        for i, axis in enumerate(axes):
            if axis and axis in f:
                new.dims[i].attach_scale(f[axis])
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size:
        put(f, name, value, **rng.choice([{"compression": "lzf"}, {"scaleoffset": 2}, {"compression": "gzip"}, {"fletcher32": True},
                                          {"shuffle": True, "compression": 1}]))


def other_attribute(f, name, rng):
    at = f["/"] if rng.random() < .5 else f["provenance"] if "provenance" in f and rng.random() < .2 else f[name]
    keys = list(at.attrs)
    if not keys:
        return
    key, kind = rng.choice(keys), rng.randrange(6)
    if kind == 0:
        del at.attrs[key]
    elif kind == 1:
        at.attrs[key] = rng.choice(STRANGE)
    elif kind == 2:
        at.attrs[key] = rng.choice(WHOLE)
    elif kind == 3:
        at.attrs.create(key, rng.choice(TEXTS).replace(b"\0", b""), dtype=h5py.string_dtype())
    elif kind == 4:
        at.attrs[key] = rng.choice([np.zeros(0), np.arange(3.0), np.array([0.0, np.nan]), np.array([1.0, 0.0]), np.array([-np.inf, np.inf]),
                                    np.bytes_(b"abc")])
    else:
        at.attrs[rng.choice(["best", "range", "chance", "hash_tile", "kind", "step", "tokens", "not_taken", "CLASS", "DIMENSION_LIST"])] = \
            rng.choice([1.5, -3, "largest", "smallest", "none", np.array([1, 1, 1, 1]), np.array([0.0, 0.5])])


def other_axes(f, name, rng):
    d, every = f[name], datasets(f)
    if not d.shape:
        return
    i = rng.randrange(len(d.shape))
    for scale in list(d.dims[i].values()):
        d.dims[i].detach_scale(scale)
    other = rng.choice(every)
    if rng.random() < .7 and f[other].is_scale and other != name:
        d.dims[i].attach_scale(f[other])


CHANGES = [other_shape, other_type, other_values, other_values, other_values, other_place, other_link, other_attribute, other_attribute,
           other_axes]


def restructured(data, rng, path):
    """data changed by h5py, through a file at path."""
    with open(path, "wb") as out:
        out.write(data)
    done = []
    try:
        with h5py.File(path, "r+") as f:
            for _ in range(rng.choice([1, 1, 2, 3])):
                name, change = rng.choice(datasets(f)), rng.choice(CHANGES)
                change(f, name, rng)
                done.append(f"{change.__name__} {name}")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, OverflowError, IndexError, MemoryError) as why:
        done.append(f"not: {why}"[:80])
    with open(path, "rb") as f:
        return f.read(), "; ".join(done)


def changed(good, rng, path):
    data, what = unsealed(good), []
    if rng.random() < .55:
        data, how = restructured(data, rng, path)
        what.append(how)
    if not what or rng.random() < .1:
        data = flip(data, rng)
        what.append("flip")
    if rng.random() < .07:
        data = cut(data, rng)
        what.append("cut")
    if rng.random() < .5:
        data = sealed(data)
        what.append("sealed")
    return data, ", ".join(what)


def mutant(good, rng, path):
    """A mutant of the sound file's bytes, and what was done to it. path: a file to work in. Made in a process of its own: h5py dies of some
    things that it is told to do."""
    def work():
        with open(path + ".made", "wb") as f:
            pickle.dump(changed(good, rng, path), f)
    if not in_child(work):
        return flip(unsealed(good), rng), "flip, for h5py died of another change"
    with open(path + ".made", "rb") as f:
        return pickle.load(f)


# ---- what h5py finds in a file, written anew ----

def copy_attributes(old, new):
    for key in old.attrs:
        if key in HANDED_ON and isinstance(old, h5py.Dataset):
            continue
        try:
            a = old.attrs.get_id(key)
            value, kind = old.attrs[key], a.get_type()
            if isinstance(value, str):
                text = h5py.string_dtype(kind.get_cset() and "utf-8" or "ascii") if kind.is_variable_str() else None
                new.attrs.create(key, value, dtype=text)
            else:
                new.attrs.create(key, value, dtype=None if isinstance(value, (np.ndarray, h5py.Empty)) else a.dtype)
        except Exception:
            continue


def read_parts(old, raw, kind):
    """Chunk by chunk, so that one that cannot be read does not hide the others: who reads it gets an error where this gives odd numbers."""
    if not old.chunks:
        return old.id.read(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=kind)
    raw.fill(77)
    for part in old.iter_chunks():
        cells = np.empty([x.stop - x.start for x in part], raw.dtype)
        space = old.id.get_space()
        space.select_hyperslab(tuple(x.start for x in part), cells.shape)
        try:
            old.id.read(h5py.h5s.create_simple(cells.shape), space, cells, mtype=kind)
            raw[part] = cells
        except OSError:
            continue


def copy_dataset(old, out, name):
    if old.is_virtual or old.external or old.shape is None or old.size * old.dtype.itemsize > LARGEST:
        return False
    if h5py.check_string_dtype(old.dtype):
        new = out.create_dataset(name, data=old[()], dtype=h5py.string_dtype())
    elif old.dtype.kind == "O":
        return False
    else:
        kind, raw = old.id.get_type(), np.empty(old.shape, old.dtype)
        space = h5py.h5s.create_simple(old.shape) if old.shape else h5py.h5s.create(h5py.h5s.SCALAR)
        if raw.size:
            read_parts(old, raw, kind)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if old.fillvalue is not None and old.dtype.kind in "fiu":
            plist.set_fill_value(np.asarray(old.fillvalue, old.dtype))
        group, _, base = name.rpartition("/")
        new = h5py.Dataset(h5py.h5d.create((out.require_group(group) if group else out).id, base.encode(), kind, space, plist))
        if raw.size:
            new.id.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=kind)
    copy_attributes(old, new)
    if old.is_scale:
        new.make_scale(name.rpartition("/")[2])
    return True


def hard(group, name):
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def list_hard(f):
    """(name, object) of what hard links lead to, a group deep."""
    for name in f:
        if not hard(f, name):
            continue
        try:
            one = f[name]
            yield name, one
            if isinstance(one, h5py.Group):
                for inner in one:
                    if hard(one, inner):
                        yield f"{name}/{inner}", one[inner]
        except Exception:
            continue


def axis_names(d, i):
    """Of what lies on an axis, be it marked as a scale or not."""
    names = []
    h5py.h5ds.iterate(d.id, i, lambda scale: names.append(h5py.h5i.get_name(scale).decode().lstrip("/")))
    return names


def rewrite(path, to, without=()):
    """Values, attributes and axes of a file as h5py reads them, in a new file; what it cannot read is left out, as is what is named."""
    with h5py.File(path, "r") as f, h5py.File(to, "w", libver=("v108", "v110"), track_order=True) as out:
        copy_attributes(f, out)
        kept = []
        for name, one in list_hard(f):
            if name in without:
                continue
            try:
                if isinstance(one, h5py.Group):
                    copy_attributes(one, out.require_group(name))
                elif isinstance(one, h5py.Dataset) and copy_dataset(one, out, name):
                    kept.append(name)
            except Exception:
                if name in out:
                    del out[name]
        unmarked = set()
        for name in kept:
            for i in range(len(f[name].shape)):
                try:
                    for target in axis_names(f[name], i):
                        if target in kept:
                            if not out[target].is_scale:
                                out[target].make_scale(target.rpartition("/")[2])
                                unmarked.add(target)
                            out[name].dims[i].attach_scale(out[target])
                except Exception:
                    continue
        for name in unmarked:                  # it lies on an axis, and says itself that it does not
            del out[name].attrs["CLASS"]


def in_child(work, seconds=20):
    """Is the work done? In a process of its own: HDF5 may crash, hang or take all memory on a mutant."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(seconds)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0
