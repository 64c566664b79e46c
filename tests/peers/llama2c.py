#!/usr/bin/env python3
"""Files of llama2.c against its published algorithm, written again here in numpy and float64.

    llama2c.py FOLDER      the folder of needlescope.py; NEEDLESCOPE_LIB: the library

Random models in both layouts (export.py's versions 0 and 1), with and without a head of their own: the logits of every row of a prompt are
those of run.c's forward pass, whose rotation turns neighbours (2i, 2i + 1). The ids of hard lines are those of run.c's encode."""
import os
import struct
import sys
import tempfile

import numpy as np

from compare import close, count

SHAPES = [dict(D=64, F=48, L=3, H=4, G=2, V=300, T=48), dict(D=48, F=80, L=2, H=6, G=6, V=290, T=40)]
rng = np.random.default_rng(5)


def make(s):
    kv, per = s["D"] // s["H"] * s["G"], {}
    for name, rows, cols in [("wq", s["D"], s["D"]), ("wk", kv, s["D"]), ("wv", kv, s["D"]), ("wo", s["D"], s["D"]),
                             ("w1", s["F"], s["D"]), ("w2", s["D"], s["F"]), ("w3", s["F"], s["D"])]:
        per[name] = rng.normal(0, .2, (s["L"], rows, cols)).astype(np.float32)
    for name in ("att", "ffn"):
        per[name] = rng.normal(1, .2, (s["L"], s["D"])).astype(np.float32)
    return per | {"emb": rng.normal(0, 1, (s["V"], s["D"])).astype(np.float32), "norm": rng.normal(1, .2, s["D"]).astype(np.float32),
                  "cls": rng.normal(0, .2, (s["V"], s["D"])).astype(np.float32)}


def write(path, s, w, version, shared):
    sizes = [s["D"], s["F"], s["L"], s["H"], s["G"], s["V"] if shared or version else -s["V"], s["T"]]
    half = s["D"] // s["H"] // 2
    angles = np.outer(np.arange(s["T"]), 10000.0 ** (-np.arange(half) / half)).astype(np.float32)
    order = ["emb", "att", "wq", "wk", "wv", "wo", "ffn", "w1", "w2", "w3", "norm"] if version == 0 else \
        ["att", "ffn", "norm", "emb", "wq", "wk", "wv", "wo", "w1", "w2", "w3"]
    with open(path, "wb") as f:
        if version:
            f.write((struct.pack("<Ii7i", 0x616b3432, version, *sizes) + bytes([shared])).ljust(256, b"\0"))
        else:
            f.write(struct.pack("<7i", *sizes))
        for name in order:
            f.write(w[name].tobytes())
        if version == 0:
            f.write(np.cos(angles).tobytes() + np.sin(angles).tobytes())
        if not shared:
            f.write(w["cls"].tobytes())


def rms(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w


def rotate(x, d):
    t, half = x.shape[0], d // 2
    angle = np.outer(np.arange(t), 10000.0 ** (-np.arange(half) / half))[:, None]
    pairs = x.reshape(t, -1, half, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    return np.stack([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1).reshape(x.shape)


def forward(s, w, ids, shared):
    w = {k: v.astype(np.float64) for k, v in w.items()}
    d, group, t = s["D"] // s["H"], s["H"] // s["G"], len(ids)
    x, future = w["emb"][ids], np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(s["L"]):
        h = rms(x, w["att"][i])
        q, k, v = rotate(h @ w["wq"][i].T, d), rotate(h @ w["wk"][i].T, d), h @ w["wv"][i].T
        z = np.empty((t, s["D"]))
        for head in range(s["H"]):
            own, kv = slice(head * d, head * d + d), slice(head // group * d, head // group * d + d)
            score = q[:, own] @ k[:, kv].T / np.sqrt(d) + future
            p = np.exp(score - score.max(-1, keepdims=True))
            z[:, own] = p / p.sum(-1, keepdims=True) @ v[:, kv]
        x = x + z @ w["wo"][i].T
        h = rms(x, w["ffn"][i])
        gate = h @ w["w1"][i].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["w3"][i].T)) @ w["w2"][i].T
    return rms(x, w["norm"]) @ (w["emb"] if shared else w["cls"]).T


def pieces(n):
    """Letters, and pairs of pieces with scores of their own: no two equal, so that no order of ties is tested."""
    texts = ["<unk>", "\n<s>\n", "\n</s>\n"] + [f"<0x{i:02X}>" for i in range(256)] + list(" abcdé")
    while len(texts) < n:
        new = texts[rng.integers(259, len(texts))] + texts[rng.integers(259, len(texts))]
        if new not in texts and " " not in new[1:]:
            texts.append(new)
    return texts, [0.0] * 259 + [-float(x) for x in rng.permutation(len(texts) - 259)]


def encode(text, texts, scores):
    """run.c's: the space in front, letters or bytes, then the best pair, the leftmost of equals, until there is none."""
    find = {t: i for i, t in enumerate(texts)}
    ids = [1] + ([find[" "]] if text else [])
    for c in text:
        ids += [find[c]] if c in find else [b + 3 for b in c.encode()]
    while True:
        best = max(((scores[find[texts[a] + texts[b]]], -i) for i, (a, b) in enumerate(zip(ids, ids[1:])) if texts[a] + texts[b] in find),
                   default=None)
        if best is None:
            return ids
        at = -best[1]
        ids[at:at + 2] = [find[texts[ids[at]] + texts[ids[at + 1]]]]


def check_tokenizer(ns, folder, model, n):
    texts, scores = pieces(n)
    with open(os.path.join(folder, "tokenizer.bin"), "wb") as f:
        f.write(struct.pack("<i", max(len(t.encode()) for t in texts)))
        for t, score in zip(texts, scores):
            f.write(struct.pack("<fi", score, len(t.encode())) + t.encode())
    m = ns.load(model)
    wrong = 0
    for _ in range(2000):
        text = "".join(rng.choice(list("  aabbccdé\nxß€"), rng.integers(0, 24)))
        got, want = list(m.encode(text)), encode(text, texts, scores)
        wrong += got != want
        if got != want and wrong < 4:
            print("FAILED:", repr(text), got, want)
    count(2000, "lines")
    return wrong


def main():
    sys.path.insert(0, sys.argv[1])
    import needlescope as ns
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.bin")
        for s in SHAPES:
            w = make(s)
            ids = rng.integers(0, s["V"], 32)
            for version in (0, 1):
                for shared in (True, False):
                    write(path, s, w, version, shared)
                    logits = ns.load(path).run([int(i) for i in ids], at="hook_logits")[1]["hook_logits"]
                    worst = close(np.asarray(logits), forward(s, w, ids, shared), 1e-4, f"version {version}, shared {shared}")
                    print(f"version {version} {'shared' if shared else 'own head'} D {s['D']} G {s['G']}: {worst:.1e}")
        failed += check_tokenizer(ns, folder, path, 290)
    print(f"{failed} lines tokenised otherwise" if failed else "all lines tokenised alike")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
