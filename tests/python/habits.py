#!/usr/bin/env python3
"""What people expect of such a module, against transformers, numpy, xarray and the program: batches, logits of all positions, weights,
tokens and texts that stop, coordinates, NPZ, answers of the analyses, figures in notebooks; and without xarray.

    habits.py NEEDLESCOPE ROOT"""
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import matplotlib.image
import numpy as np
import torch
import xarray
from compare import Worst, close, count, same
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

SMOLLM2 = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
FIXTURES = os.path.join(root, "tests", "golden", "fixtures")
TEXTS = ["The code of Rome is 417, the code of Oslo is 903. Again: the code of Rome is", "One, two, three, four,"]


def call(*command, json_of=True):
    done = subprocess.run([tool, *map(str, command), "-q", *["--json"] * json_of], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout) if json_of else None


def told(x):
    """What JSON says, numbers as f32: the program prints those that are such with no more digits than they need."""
    if isinstance(x, dict):
        return {k: told(v) for k, v in x.items()}
    return [told(v) for v in x] if isinstance(x, list) else np.float32(x) if isinstance(x, float) else x


def near(worst, name, got, want, bound=2e-5):
    error = worst.add(got, want, name, 1 + np.abs(want).max())
    assert error < bound, (name, error)


@torch.inference_mode()
def check_fixture(name):
    """Logits of all positions, loss, greedy ids, and weights as transformers has them."""
    folder, worst = os.path.join(FIXTURES, name), Worst()
    referee, m = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval(), ns.load(folder)
    prompts = [[3, 14, 15, 9, 2, 6], [5, 35, 8, 9]]
    logits, cache = m.run_with_cache(prompts, "blocks.*.attn.hook_pattern")
    for i, ids in enumerate(prompts):
        want = referee(torch.tensor([ids]), labels=torch.tensor([ids]), output_attentions=True)
        near(worst, "logits", logits[i, :len(ids)], want.logits[0].numpy())
        assert np.isnan(logits[i, len(ids):]).all()
        near(worst, "loss", np.array(m.loss(ids)), want.loss.numpy())
        for layer, pattern in enumerate(want.attentions):
            near(worst, "pattern", cache["pattern", layer][i, :, :len(ids), :len(ids)], pattern[0].numpy())
        said = referee.generate(torch.tensor([ids]), max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0)[0, len(ids):]
        same(m.generate(ids, 6), said.numpy())
    same(np.stack(m.generate(prompts, 3)), np.stack([m.generate(x, 3) for x in prompts]))
    state, config = referee.state_dict(), referee.config
    same(m.W_E, state["model.embed_tokens.weight"])
    same(m.W_U, referee.lm_head.weight.numpy().T)
    H, G, d = m.cfg.n_heads, m.cfg.n_key_value_heads, m.cfg.d_head
    assert (H, G, m.cfg.d_model, m.cfg.n_layers, m.cfg.d_vocab) == (config.num_attention_heads, config.num_key_value_heads,
                                                                    config.hidden_size, config.num_hidden_layers, config.vocab_size)
    for layer in range(m.n_layers):
        at = f"model.layers.{layer}.self_attn."
        for ours, theirs, heads in ((m.W_Q, "q_proj", H), (m.W_K, "k_proj", G), (m.W_V, "v_proj", G)):
            same(ours[layer], state[at + theirs + ".weight"].numpy().reshape(heads, d, -1).swapaxes(1, 2))
        same(m.W_O[layer], state[at + "o_proj.weight"].numpy().T.reshape(H, d, -1))
        bias = state.get(at + "k_proj.bias")
        same(m.b_K[layer], np.zeros((G, d)) if bias is None else bias.numpy().reshape(G, d))
    print(f"{name}: logits of all positions, losses and rows within {worst.most:.1e}; greedy ids and weights equal", flush=True)


def check_recurrent_weights():
    """q and k of a recurrence have heads and a width of their own, in the weights and in how far they are from a reference's."""
    folder, moved, rng = os.path.join(FIXTURES, "mamba2"), "moved", np.random.default_rng(2)
    config = json.load(open(os.path.join(folder, "config.json")))
    H, G, d, N = (config[k] for k in ("num_heads", "n_groups", "head_dim", "state_size"))
    assert G < H and N > d
    before = load_file(os.path.join(folder, "model.safetensors"))
    after = {k: w + torch.from_numpy(rng.standard_normal(w.shape) * .1).to(w.dtype) if "in_proj" in k else w for k, w in before.items()}
    shutil.copytree(folder, moved)
    save_file(after, os.path.join(moved, "model.safetensors"), metadata={"format": "pt"})
    json.dump(dict(id="one", tokens=[3, 4, 5, 6], answer=[5], spans=dict(needle=[1, 3], needle_answer=[2, 3])), open("one.jsonl", "w"))
    cut = lambda w: [x.reshape(n, -1, w.shape[1]) for x, n in zip(w.double().split([H * d, H * d, G * N, G * N, H])[1:4], (H, G, G))]
    m = ns.load(moved)
    far = m.score("one.jsonl", ["q_distance", "k_distance"], reference=ns.load(folder))
    for layer in range(m.n_layers):
        name = f"backbone.layers.{layer}.mixer.in_proj.weight"
        (v, k, q), (_, k0, q0) = cut(after[name]), cut(before[name])
        for ours, theirs in ((m.W_V, v), (m.W_K, k), (m.W_Q, q)):
            same(ours[layer], theirs.swapaxes(1, 2).numpy())
        assert m.b_Q[layer].shape == (G, N)
        for ours, x, x0 in ((far.q_distance, q, q0), (far.k_distance, k, k0)):
            close(ours.values[layer], np.repeat(((x - x0).norm(dim=(1, 2)) / x0.norm(dim=(1, 2))).numpy(), H // G), 1e-6)
    print("weights of a recurrence by its own heads", flush=True)


def check_text():
    m, referee = ns.load(SMOLLM2), AutoTokenizer.from_pretrained(SMOLLM2)
    for text in TEXTS:
        ids = referee(text)["input_ids"]
        same(m.to_tokens(text)[0], ids)
        assert m.to_str_tokens(text) == [referee.decode([i]) for i in ids] and m.to_string(ids) == referee.decode(ids)
    assert [x.tolist() for x in m.to_tokens(TEXTS)] == referee(TEXTS)["input_ids"]
    same(m.to_tokens(TEXTS[0], prepend_bos=True)[0], [referee.bos_token_id, *referee(TEXTS[0], add_special_tokens=False)["input_ids"]])
    assert m.to_single_token(" Oslo") == referee(" Oslo", add_special_tokens=False)["input_ids"][0]
    model = AutoModelForCausalLM.from_pretrained(SMOLLM2, dtype=torch.float32).eval()
    for stop in (["7"], [".", ","], "\n"):
        asked = referee(TEXTS[0], return_tensors="pt")
        with torch.inference_mode():
            want = model.generate(**asked, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0, tokenizer=referee,
                                  stop_strings=[stop] if isinstance(stop, str) else stop)[0, asked["input_ids"].shape[1]:]
        same(m.generate(TEXTS[0], 12, stop=stop), want.numpy())
    assert m.generate(TEXTS[0], 3, return_type="str") == m.decode(m.generate(TEXTS[0], 3))
    assert m.generate(TEXTS[0], 12, stop=["7"]).size < 12
    print("SmolLM2: tokens, texts and what ends at a text equal", flush=True)


def check_bare(path, some):
    """Opened without needlescope: the same coordinates, each on axes of the arrays that name it (CF conventions, 5)."""
    for engine in "h5netcdf", "netcdf4":
        with xarray.open_dataset(path, engine=engine) as bare:
            assert set(bare.coords) == set(ns.read(path).coords) and some <= set(bare.coords), set(bare.coords) ^ set(ns.read(path).coords)
        with xarray.open_dataset(path, engine=engine, decode_coords=False) as d:
            named = {name: x.attrs["coordinates"].split() for name, x in d.variables.items() if "coordinates" in x.attrs}
            for name, coordinates in named.items():
                assert name not in some and all(set(d[c].dims) <= set(d[name].dims) for c in coordinates), (name, coordinates)
            count(sum(map(len, named.values())), "coordinates that arrays name")


def check_coordinates():
    m = ns.load("m")
    ds = m.score("c.jsonl", ["retrieval_find", "induction"], output="s.h5")
    depth = np.array([json.loads(x)["meta"]["depth"] for x in open("c.jsonl")])
    ids = [json.loads(x)["id"] for x in open("c.jsonl")]
    depth = depth[[ids.index(x) for x in ds.case_id.values]]
    for data in (ds, ns.read("s.h5")):
        groups = data.find_hits.groupby("depth").sum("case")
        for value in np.unique(depth):
            same(groups.sel(depth=value).values, data.find_hits.values[depth == value].sum(0))
        assert {"depth", "length", "template", "answered", "layer_kind"} <= set(data.coords) and "retrieval_find" in data.data_vars
    check_bare("s.h5", {"depth", "length", "template", "answered", "layer_kind", "head_valid"})
    bare = xarray.open_dataset("s.h5", engine="h5netcdf")
    same(bare.find_hits.groupby("depth").sum("case").values, ds.find_hits.groupby("depth").sum("case").values)
    figure = ns.figure("heads", ds, scores="retrieval_find")
    ns.figure_heads("s.h5", "heads.png", "retrieval_find")
    same(matplotlib.image.imread(io.BytesIO(figure._repr_png_())), matplotlib.image.imread("heads.png"))
    assert figure._repr_svg_().startswith("<?xml") and figure.shows == "retrieval_find", figure
    assert "<script" not in ns.show(ds.retrieval_find, "<script>")._repr_html_()
    assert ns.show(ds.retrieval_find)._repr_html_().count("<td") == 16
    seen = []
    m.score("c.jsonl", "induction", progress=seen.append)
    assert seen[-1] == 1 and seen == sorted(seen)
    print("coordinates group as numpy does; figures are those of files", flush=True)


def check_analyses():
    """Each is the program's: its --json, or its file's content."""
    m = ns.load("m")
    content = lambda path: ns.read(path).attrs["content_sha256"]
    m.gradient("c.jsonl", last=3, resamples=20, output="g.h5")
    call("gradient", "m", "--text", "c.jsonl", "--last", 3, "--resamples", 20, "-o", "g2.h5")
    for name, window, options in (("w", None, []), ("x", 8, ["--window", 8]), ("y", 0, ["--no-window"])):        # of a hybrid
        ns.load("h").gradient("c.jsonl", last=3, resamples=20, baseline=False, window=window, output=f"{name}.h5")
        call("gradient", "h", "--text", "c.jsonl", "--last", 3, "--resamples", 20, "--no-baseline", *options, "-o", f"{name}2.h5")
    m.attribute("t.jsonl", resamples=20, output="a.h5")
    call("attribute", "m", "--cases", "t.jsonl", "--resamples", 20, "-o", "a2.h5")
    m.ablation("c.jsonl", [(2, 1)], draws=3, loss_cases=2, output="b.h5")
    call("ablate", "m", "--cases", "c.jsonl", "--heads", "2.1", "--mode", "mean_z", "--draws", 3, "--loss-cases", 2, "-o", "b2.h5")
    for one, other in ((f"{x}.h5", f"{x}2.h5") for x in "gwxyab"):
        assert content(one) == content(other), (one, content(one), content(other))
    assert told(m.nll("c.jsonl", per_token=True)) == told(call("nll", "m", "--text", "c.jsonl", "--per-token"))
    m.score("c.jsonl", ["retrieval_find", "induction"], output="s.h5")
    m.score("t.jsonl", ["retrieval_find", "induction"], output="again.h5")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        mine = ns.compare("s.h5", "again.h5", permutations=20)
    theirs = call("compare", "s.h5", "again.h5", "--permutations", 20)
    assert told(mine["pairs"]) == told(theirs["pairs"])
    assert told(ns.profile("s.h5")) == told(call("profile", "s.h5"))
    with open("t.tsv", "w") as f:
        f.write("model_size\ttoken_multiplier\tn\tloss\n" + "".join(
            f"S{i}\t{k}n\t{n}\t{2 + 900 / n ** .25 + 4000 / (k * n) ** .36}\n"
            for i, n in enumerate((1e6, 4e6, 1.6e7)) for k in (10, 20, 40)))
    assert told(ns.scaling("t.tsv")) == told(call("scaling", "t.tsv"))
    ns.export_npz("g.h5", "g.npz")
    z, g = np.load("g.npz"), ns.read("g.h5")
    assert sorted(z.files) == sorted(["distance", "mean_grad_norm", "sum_grad_norm", "sample_count", "model_name", "context_len", "target",
                                      "target_last_n_tokens"])
    for name in ("distance", "mean_grad_norm", "sum_grad_norm", "sample_count"):
        same(z[name], g[name].values)
    assert (str(z["model_name"]), str(z["target"]), int(z["target_last_n_tokens"]), int(z["context_len"])) == ("m", "logit_sum", 3, 8192)
    call("export", "npz", "g.h5", "-o", "again.npz")
    assert open("again.npz", "rb").read() == open("g.npz", "rb").read()
    ns.export_npz("g.h5", "shuffled.npz", shuffled=True)
    same(np.load("shuffled.npz")["mean_grad_norm"], g.shuffled_mean_grad_norm.values)
    same(np.load("shuffled.npz")["mean_grad_norm"] == z["mean_grad_norm"], np.zeros(z["distance"].size, bool))
    made = ns.program("cases", "needle", model="m", lengths=[64], count=2, output="p.jsonl", program=tool)
    assert made["n_cases"] == len(open("p.jsonl").readlines()), made
    for fn, words in ((lambda: ns.program("score", "none", cases="c.jsonl", program=tool), "none: no such file"),
                      (lambda: ns.profile("g.h5"), "is a gradient influence, not")):
        try:
            fn()
        except ns.Error as e:
            assert words in str(e) and "\n" not in str(e) and "error:" not in str(e) and e.code in ("NS_E_MISSING", "NS_E_ARG"), (e.code, e)
        else:
            raise AssertionError(words)
    count(12, "analyses")
    print("gradient, attribute, ablation, nll, compare, profile, scaling and NPZ are the program's", flush=True)


def check_figures():
    """Every figure of the program, by its name and with what it has by default, has the program's pixels."""
    listed = subprocess.run([tool, "figure"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    kinds = [line.split()[1] for line in listed.splitlines() if line.startswith("  figure ")]
    assert len(kinds) > 18, listed
    os.makedirs("runs")
    for seed, births in (0, 10), (1, 20):
        call("lab", "plant", "--series", 4, "-o", f"runs/s{seed}", "--seed", seed, "--births", births, "--layers", 4, "--heads", 4,
             "--kv-heads", 2, "--retrieval", "2.1", "--vocab", 66, json_of=False)
    call("scan", "runs/s0", "runs/s1", "--cases", "c.jsonl", "--probe", "retrieval_find,previous_token,entropy_norm,distance", "-o", "scan")
    call("merge", "scan", "-o", "study.h5")
    call("record", "m", "--cases", "c.jsonl", "--maps", "dense", "--tokenizer", SMOLLM2, "-o", "maps.h5")
    call("cases", "needle", "--model", "m", "--values", 4, "--keys", 2, "--lengths", "40", "--depths", ".5", "--count", 24,
         "--twins", "without", "-o", "v.jsonl")
    call("probe", "m", "--cases", "v.jsonl", "-o", "probe.h5")
    ns.trace("study.h5", output="trace.h5")
    of = {"map": "maps.h5", "tokens": "maps.h5", "gradient": "g.h5", "scaling": "t.tsv", "ablation": "b.h5", "probe": "probe.h5",
          "trace": "trace.h5", "compare": ("s.h5", "again.h5"), **dict.fromkeys(("heads", "rank", "agreement", "grid"), "ranked.h5")}
    call("score", "m", "--cases", "c.jsonl", "--probe", "retrieval_find,induction", "-o", "ranked.h5")
    for kind in kinds:
        files = of.get(kind, "study.h5")
        head = dict(layer=2, head=1) if kind in ("map", "tokens") else {}
        if kind == "loss":                              # of trained runs alone
            try:
                ns.figure(kind, files, "mine.png")
            except ns.Error as e:
                assert "has no loss" in str(e), e
            continue
        ns.figure(kind, files, "mine.png", **head)
        options = [x for name, value in head.items() for x in (f"--{name}", value)]
        call("figure", kind, *([files] if isinstance(files, str) else files), *options, "-o", "theirs.png")
        same(matplotlib.image.imread("mine.png"), matplotlib.image.imread("theirs.png"))
    ns.figure("tokens", "maps.h5", "row.png", layer=2, head=1, row=0)
    ns.figure("tokens", "maps.h5", "last.png", layer=2, head=1)
    assert matplotlib.image.imread("row.png").shape != matplotlib.image.imread("last.png").shape          # one token, and all
    count(len(kinds), "figures")
    print(len(kinds), "kinds of figures drawn by their names alone", flush=True)


def check_without_xarray():
    """Accuracy, counts and groups are there without it, and the same."""
    code = """
import sys, json
sys.modules["xarray"] = None
import needlescope as ns
m = ns.load("m")
ds = m.score("c.jsonl", ["retrieval_find"])
print(json.dumps([ds.attrs["token_accuracy"], ds.attrs["cases_scored"], ds.attrs["cases_answered"], ds["answered"].values.tolist(),
                  {str(d): x["find_hits"].values.sum(0).tolist() for d, x in ds.groupby("depth")},
                  ds["retrieval_find"]._repr_html_().count("<td")]))
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.path.join(root, "notebooks_export")},
                          stdout=subprocess.PIPE, check=True)
    got, ds = json.loads(done.stdout), ns.load("m").score("c.jsonl", ["retrieval_find"])
    want = ds.find_hits.groupby("depth").sum("case")
    assert got[:3] == [ds.attrs[x] for x in ("token_accuracy", "cases_scored", "cases_answered")] and got[3] == ds.answered.values.tolist()
    same(np.array(list(got[4].values())), want.transpose("depth", ...).values)
    assert list(got[4]) == [str(x) for x in want.depth.values] and got[5] == 16
    print("the same without xarray", flush=True)


subprocess.run([sys.executable, os.path.join(root, "tests", "peers", "make_smollm2.py"), SMOLLM2], check=True, stdout=subprocess.DEVNULL)
for fixture in ("llama", "llama-biases-llama3-rope", "qwen2", "mistral"):
    check_fixture(fixture)
check_text()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    call("lab", "plant", "-o", "m", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.1", "--vocab", 66, json_of=False)
    call("lab", "plant", "-o", "h", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.1", "--window", 16, "--vocab", 66,
         json_of=False)
    call("cases", "needle", "--model", "m", "--lengths", "40,60", "--depths", "0,.5,1", "--count", 2, "-o", "c.jsonl")
    call("cases", "needle", "--model", "m", "--lengths", "40", "--depths", ".5", "--count", 3, "--twins", "swap", "-o", "t.jsonl")
    check_recurrent_weights()
    check_coordinates()
    check_analyses()
    check_figures()
    check_without_xarray()
    os.chdir(root)
