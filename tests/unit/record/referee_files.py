"""Opens every kind of file in h5py, xarray (h5netcdf, netcdf4) and netCDF4:  referee_files.py SAMPLE_FILES SCHEMA.md

Named coordinates in every group, values equal to the formulas of fake.c, f16 right, content_sha256 recomputed by the very code that
schema.md prints."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import netCDF4
import numpy as np
import xarray as xr

from compare import close, count, same

LENGTHS, WINDOW, H = (300, 71, 257), (37, 37, 0, 37), 4


def pattern(c, layer):
    """[H, T, T] f32, as fake.c makes it."""
    T = LENGTHS[c] + 1
    h, q, k = np.ogrid[:H, :T, :T]
    w = (q * 31 + k * (17 + h) + h * 7 + layer * 3 + c * 5) % 23 + np.where(k == 0, 40, 0)
    w = np.where((k <= q) & ((k > q - WINDOW[layer]) | (WINDOW[layer] == 0)), w, 0)
    return w.astype(np.float32) / w.sum(-1, keepdims=True).astype(np.float32)


def value(point, c, layer, row, i):
    n = len(point) * 101 + c * 37 + layer * 13 + row * 7 + i * 3
    return ((np.fmod(n, 97) - 48) / 8).astype(np.float32)


def groups(path):
    with h5py.File(path) as f:
        return ["/"] + [name for name in f if isinstance(f[name], h5py.Group) and name != "provenance"]


def check_coordinates(path):
    """Every dimension is named and has values, in each reader, at the root and in each group alone."""
    shapes = {}
    for engine in ("h5netcdf", "netcdf4"):
        for group in groups(path):
            with xr.open_dataset(path, group=group, engine=engine) as d:
                count(len(d.variables), group)
                for name, v in d.variables.items():
                    for dim in v.dims:
                        assert not dim.startswith("phony"), (path, group, name)
                        assert dim in d.coords, (engine, path, group, name, dim)
                shapes.setdefault(group, []).append({name: (v.dims, v.shape) for name, v in d.variables.items()})
                d.load()
    for group, (a, b) in shapes.items():
        assert a == b, (path, group)
    with netCDF4.Dataset(path) as n:
        for group in [n] + [n[g] for g in groups(path)[1:]]:
            for name, v in group.variables.items():
                assert all(dim in group.dimensions for dim in v.dimensions), (path, name)
                v[...]


def check_maps(path, kind, dtype):
    for c in range(3):
        with xr.open_dataset(path, group=f"case{c:04d}", engine="h5netcdf") as d:
            want = np.stack([pattern(c, layer) for layer in range(4)]).astype(dtype)
            assert list(d["token"].values[:3]) == [(7 * i + c) % 13 for i in range(3)] and d["token"].values[-1] == 11
            assert d["span_name"].values[0] == "needle" and d["span_begin"].values[0] == LENGTHS[c] // 4
            if kind == "dense":
                assert d["attn"].dtype == dtype
                same(d["attn"].values, want, (path, c))
                same(d["attn"].sel(query=70, key=3).values, want[:, :, 70, 3], (path, c))
            if kind == "rows":
                rows = d["row"].values
                assert list(rows) == list(range(LENGTHS[c] - 4, LENGTHS[c] + 1)) and list(d["row_role"].values[-2:]) == ["answer", "answer"]
                same(d["rows_attn"].values, want[:, :, rows], (path, c))
            if kind == "topk":
                rows = d["row"].values
                assert set(d["row_role"].values) == {"needle"}
                order = np.argsort(-want[:, :, rows], axis=-1, kind="stable")[..., :8]
                top = np.take_along_axis(want[:, :, rows], order, -1)
                same(d["topk_index"].values, np.where(top > 0, order, -1).astype(np.int32), (path, c))
                same(d["topk_value"].values, top, (path, c))
                close(1 - top.sum(-1), d["topk_rest"].values, 1e-5, "rest")
            if kind == "pooled":
                kb = d["kb"].values
                width = kb[1]
                assert len(kb) <= 128
                last = want[2, :, width * (len(kb) - 1):].max(1)
                same(d["pool_max"].values[2, :, -1], np.maximum.reduceat(last, kb, axis=-1).astype(dtype), (path, c))


def check_activations(path, dtype):
    for c in range(3):
        with xr.open_dataset(path, group=f"case{c:04d}", engine="netcdf4") as d:
            rows = d["row"].values
            layer, row, i = np.ogrid[:4, :len(rows), :24]
            same(d["hook_resid_post"].values, value("blocks.%.hook_resid_post", c, layer, rows[row], i).astype(dtype), path)
            row, i = np.ogrid[:len(rows), :50]
            same(d["hook_logits"].values, value("hook_logits", c, -1, rows[row], i).astype(dtype), path)
            assert list(d["layer_attn_hook_q"].values) == [2]
            row, i = np.ogrid[:len(rows), :32]
            same(d["attn.hook_q"].values, value("blocks.%.attn.hook_q", c, 2, rows[row], i).reshape(1, -1, 4, 8).astype(dtype), path)
            scores = d["attn.hook_attn_scores"]
            assert scores.dims == ("layer_attn_hook_attn_scores", "head", "row", "key")
            same(np.isneginf(scores.values[0]), np.broadcast_to(d["key"].values > rows[:, None], scores.shape[1:]), path)


def check_stats(path):
    with xr.open_dataset(path) as d:
        assert list(d["case_group"].values) == ["case0000", "case0001", "case0002"] and list(d["layer_kind"].values) == ["swa", "swa",
                                                                                                                         "full", "swa"]
        assert d["window"].values[0, 0] == 37 and d["case_id"].values[1] == "case α 1"
        width = d["qbin"].values[1]
        for c in range(3):
            p = np.stack([pattern(c, layer) for layer in range(4)]).astype(np.float64)
            T = p.shape[-1]
            entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(-1)
            for name, rows in {"sink": p[..., 0], "entropy": entropy, "top1_mass": p.max(-1),
                               "argmax_dist": np.arange(T) - p.argmax(-1)}.items():
                mean = np.add.reduceat(rows, np.arange(0, T, width), axis=-1) / d["stat_count"].values[c, :-(-T // width)]
                got = d[f"stat_{name}"].values[c, ..., :-(-T // width)]
                close(got, mean, 1e-5, (name, c), 1 + np.abs(mean).max())
            assert np.isnan(d["stat_sink"].values[c, ..., -(-T // width):]).all()


def places(dataset, attribute):
    """Of a list's members; dimensions have a sign or none by HDF5's version."""
    dtype = dataset.attrs.get_id(attribute).dtype
    return dtype.itemsize, dtype.names and [(name, dtype.fields[name][1], dtype.fields[name][0].itemsize) for name in dtype.names]


def check_attached(path, like):
    """HDF5's own library finds every scale attached, in both directions, laid out as it lays them out, and can take one off."""
    uses, listed, taken = {}, {}, 0
    with h5py.File(path, "r", driver="core", backing_store=False) as f:
        datasets = []
        f.visititems(lambda _, o: datasets.append(o) if isinstance(o, h5py.Dataset) else None)
        for d in datasets:
            if "REFERENCE_LIST" in d.attrs:
                listed[d.name] = sorted((f[to].name, int(dim)) for to, dim in d.attrs["REFERENCE_LIST"])
                assert places(d, "REFERENCE_LIST") == like["REFERENCE_LIST"], path
            for i, dim in enumerate(() if d.is_scale else d.dims):
                scale, = dim.values()
                assert h5py.h5ds.is_attached(d.id, scale.id, i) and scale.shape == (d.shape[i],), (path, d.name, i)
                assert places(d, "DIMENSION_LIST") == like["DIMENSION_LIST"], path
                uses.setdefault(scale.name, []).append((d.name, i))
    assert uses and listed == {name: sorted(users) for name, users in uses.items()}, path
    copy = path + ".copy"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as f:
        for name, users in uses.items():
            user, i = users[-1]
            f[user].dims[i].detach_scale(f[name])
            assert not h5py.h5ds.is_attached(f[user].id, f[name].id, i) and len(f[user].dims[i]) == 0, (path, user)
            for other, j in users[:-1]:
                assert h5py.h5ds.is_attached(f[other].id, f[name].id, j), (path, other)
            taken += 1
    os.remove(copy)
    count(taken, path)


def written_by_hdf5():
    """Both attributes' layout where H5DSattach_scale wrote them."""
    with h5py.File("like", "w", driver="core", backing_store=False) as f:
        f["x"], f["y"] = np.zeros(3), np.zeros(3)
        f["x"].make_scale("x")
        f["y"].dims[0].attach_scale(f["x"])
        return {name: places(f[of], name) for of, name in (("x", "REFERENCE_LIST"), ("y", "DIMENSION_LIST"))}


def check(folder, schema):
    files = sorted(pathlib.Path(folder).glob("*.h5"))
    assert len(files) == 7, files
    scope, like = {}, written_by_hdf5()
    exec(re.search(r"```python\n(.*?)```", pathlib.Path(schema).read_text(), re.S).group(1), scope)
    for path in map(str, files):
        with h5py.File(path) as f:
            assert f.attrs["complete"] == 1 and f.attrs["schema"] == 1 and f.attrs["Conventions"] == "needlescope-1"
            assert isinstance(f.attrs["content_sha256"], str) and "needlescope_version" in f["provenance"].attrs
            assert scope["content_sha256"](path) == f.attrs["content_sha256"], path
        check_coordinates(path)
        check_attached(path, like)
    folder = pathlib.Path(folder)
    check_maps(folder / "dense_f16.h5", "dense", np.float16)
    check_maps(folder / "dense_f32.h5", "dense", np.float32)
    check_maps(folder / "rows_f16.h5", "rows", np.float16)
    check_maps(folder / "topk_f32.h5", "topk", np.float32)
    check_maps(folder / "pooled_f16.h5", "pooled", np.float16)
    check_activations(folder / "dense_f32.h5", np.float32)
    check_activations(folder / "rows_f16.h5", np.float16)
    check_stats(folder / "default.h5")
    with xr.open_dataset(folder / "table.h5") as d:
        assert list(d["layer_kind"].values[:4]) == ["a", "β", "", "full"] and float(d["scalar"]) == value("hook_embed", 0, 0, 0, 1)
        same(d["big"].values.ravel(), value("hook_embed", 0, 0, 0, np.arange(40 * 60 * 8)), "table")
        assert d["big"].attrs["long_name"] == "chunked" and d["depth"].values[-1] == 1
    print(f"{len(files)} files agree")


with tempfile.TemporaryDirectory() as work:
    subprocess.run([sys.argv[1], work], check=True)
    check(work, sys.argv[2])
