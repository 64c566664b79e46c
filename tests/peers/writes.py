#!/usr/bin/env python3
"""What heads write, against PyTorch: hooks on eager transformers, parts of the residual stream with every norm's size frozen, in f64.

    writes.py NEEDLESCOPE

SmolLM2-135M-Instruct on needle prompts; small random models with norms behind attention, windows, a soft-cap, scaled embeddings and biases.
The parts of heads, biases, MLPs and the embedding sum up to the logit, ours and theirs; every output of the probe `writes` is theirs."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers

from compare import close, count

SMOLLM2 = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "smollm2-135m-instruct")
SIZES = dict(vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
             head_dim=16, max_position_embeddings=128, pad_token_id=None, bos_token_id=1, eos_token_id=2)
WINDOWED = dict(sliding_window=8, layer_types=["sliding_attention", "full_attention"] * 2)
SMALL = {
    "gemma3": lambda: transformers.Gemma3TextConfig(**SIZES, **WINDOWED, query_pre_attn_scalar=16),
    "gemma2": lambda: transformers.Gemma2Config(**SIZES, **WINDOWED, query_pre_attn_scalar=16, final_logit_softcapping=4.0,
                                                attn_logit_softcapping=20.0),
    "olmo2": lambda: transformers.Olmo2Config(**{k: v for k, v in SIZES.items() if k != "head_dim"}),
    "olmo3": lambda: transformers.Olmo3Config(**{k: v for k, v in SIZES.items() if k != "head_dim"}, **WINDOWED),
    "qwen2": lambda: transformers.Qwen2Config(**{k: v for k, v in SIZES.items() if k != "head_dim"}),
    "llama": lambda: transformers.LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
}


def call(*command):
    """1: a model that answers none of the cases."""
    got = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    assert got.returncode in (0, 1), command
    return got.stdout


class Norm:
    """A norm of the model, linear once its size is frozen."""

    def __init__(self, module):
        self.eps = getattr(module, "eps", getattr(module, "variance_epsilon", None))
        w = module.weight.detach().double().numpy()
        self.gain = 1 + w if "Gemma" in type(module).__name__ else w

    def size(self, x):
        return np.sqrt((x ** 2).mean(-1) + self.eps)


class Parts:
    """What a pass over a timeline is made of."""

    def __init__(self, model, tokens):
        self.seen, handles = {}, []
        base, head = model.model, model.get_output_embeddings()
        keep = lambda name: lambda m, i, o: self.seen.__setitem__(name, (o[0] if isinstance(o, tuple) else o)[0].detach().double().numpy())
        enter = lambda name: lambda m, i: self.seen.__setitem__(name, i[0][0].detach().double().numpy())
        for l, layer in enumerate(base.layers):
            post = [getattr(layer, n) for n in ("post_feedforward_layernorm",) if hasattr(layer, n)]
            handles += [layer.self_attn.v_proj.register_forward_hook(keep(("v", l))), layer.self_attn.register_forward_hook(keep(("a", l))),
                        (post[0] if post else layer.mlp).register_forward_hook(keep(("mlp", l)))]
        handles += [base.layers[0].register_forward_pre_hook(enter("embed")), base.norm.register_forward_pre_hook(enter("last"))]
        with torch.inference_mode():
            out = model(torch.tensor([tokens]), output_attentions=True)
        for h in handles:
            h.remove()
        self.attentions = [a[0].double().numpy() for a in out.attentions]
        self.logits = out.logits[0].double().numpy()
        self.final, self.unembed = Norm(base.norm), head.weight.detach().double().numpy()
        self.layers, self.config = base.layers, model.config
        # the norm behind attention: of these families one with a norm behind the MLP, too
        self.post = [Norm(l.post_attention_layernorm) if hasattr(l, "post_feedforward_layernorm") else None for l in base.layers]

    def through(self, l, t, c):
        """Behind attention, as the norm was at row t."""
        return c if self.post[l] is None else c * self.post[l].gain / self.post[l].size(self.seen["a", l][t])

    def heads(self, l, t, keys):
        """[H, D] what each head writes at row t by the keys (positions, or all)."""
        attn, A, v = self.layers[l].self_attn, self.attentions[l], self.seen["v", l]
        H, T = A.shape[0], v.shape[0]
        W = attn.o_proj.weight.detach().double().numpy()
        d = W.shape[1] // H
        v = v.reshape(T, -1, d).repeat(H * d // v.shape[1], axis=1)
        weights = np.zeros(T)
        np.add.at(weights, list(range(T)) if keys is None else keys, 1)
        z = np.einsum("hj,j,jhd->hd", A[:, t], weights, v)
        return self.through(l, t, np.einsum("hd,Dhd->hD", z, W.reshape(-1, H, d)))

    def rest(self, l, t):
        bias = self.layers[l].self_attn.o_proj.bias
        return self.through(l, t, np.zeros(self.unembed.shape[1]) if bias is None else bias.detach().double().numpy())

    def direction(self, token, t):
        return self.unembed[token] * self.final.gain / self.final.size(self.seen["last"][t])


def span(case, name):
    return [p for n, (a, b) in case["spans"].items() if n == name or n.startswith(name + ".") for p in range(a, b)]


def mean_over(case, of):
    return np.mean([of(i) for i in range(len(case["answer"]) - case.get("lead", 0))], axis=0)


def judge(model, case):
    """Every output of the probe for a case: name -> [answer, layer, head], [answer, layer] or [answer]."""
    lead, answer, prompt = case.get("lead", 0), case["answer"], case["tokens"]
    p = Parts(model, prompt + answer[:-1])
    needle, placebo = span(case, "needle_answer"), span(case, "placebo")
    distractors = [list(range(*s)) for n, s in case["spans"].items() if n.startswith("distractor_answer")]
    out = {}
    for i, y in enumerate(answer[lead:]):
        t = len(prompt) - 1 + lead + i
        u = p.direction(y, t)
        others = [p.direction(prompt[s[i]], t) for s in distractors if i < len(s)]
        contrast = u - np.mean(others, axis=0)
        here, total = {}, u @ p.seen["embed"][t]
        here["embed_logit"], here["logit"] = total, p.logits[t, y]
        for l in range(len(p.layers)):
            own, on, off = p.heads(l, t, None), p.heads(l, t, needle), p.heads(l, t, placebo)
            far = np.mean([p.heads(l, t, s) for s in distractors], axis=0)
            a = own.sum(0) + p.rest(l, t)
            close(a, p.through(l, t, p.seen["a", l][t]), 1e-5 * np.abs(a).max(), "heads and biases are the layer's attention output")
            first = 0 if (W := p.config.to_dict().get("sliding_window")) is None or not sliding(p.config, l) else max(0, t - W + 1)
            seen = sum(first <= k for k in needle)
            share = seen / (t - first + 1 - seen)
            values = {"needle_logit": on @ u, "retrieval_logit": on @ u - off @ u, "distractor_logit": far @ u, "dla": own @ contrast,
                      "dla_plain": own @ u, "write_norm": np.linalg.norm(on, axis=1), "contribution": on @ a / (a @ a),
                      "write_norm_placebo": np.linalg.norm(off, axis=1), "contribution_placebo": off @ a / (a @ a),
                      "write_share": np.linalg.norm(on, axis=1) / np.linalg.norm(own, axis=1),
                      "retrieval_logit_rest": on @ u - share * ((own - on) @ u), "layer_logit": u @ (a + p.seen["mlp", l][t])}
            total += values["layer_logit"]
            for name, value in values.items():
                here.setdefault(name, []).append(value)
        cap = getattr(p.config, "final_logit_softcapping", None)
        close(cap * np.tanh(total / cap) if cap else total, here["logit"], 1e-4, "the parts are the logit")
        for name, value in here.items():
            out.setdefault(name, []).append(value)
    return {name: np.array(value) for name, value in out.items()}


def sliding(config, l):
    return getattr(config, "layer_types", None) is not None and config.layer_types[l] == "sliding_attention"


ANSWER = ("retrieval_logit", "needle_logit", "distractor_logit", "dla", "dla_plain", "write_norm", "contribution", "layer_logit",
          "embed_logit", "logit")
CASE = ("retrieval_logit", "needle_logit", "retrieval_logit_rest", "dla", "dla_plain", "write_norm", "write_norm_placebo", "write_share",
        "contribution", "contribution_placebo")
SCORES = ("retrieval_logit", "needle_logit", "dla", "write_norm", "contribution")


def check(tool, folder, model, cases, path, work):
    out = os.path.join(work, "writes.h5")
    said = json.loads(call(tool, "score", folder, "--cases", path, "--probe", "retrieval_logit,dla,write_norm,contribution", "--resamples",
                           "0", "--json", "-o", out))
    assert said["n_cases"] == len(cases), said
    sums = {}
    with h5py.File(out) as f:
        ids = [i.decode() for i in f["case_id"][()]]
        for case in cases:
            k, want = ids.index(case["id"]), judge(model, case)
            n = len(case["answer"]) - case.get("lead", 0)
            scale = {name: np.abs(v).max() for name, v in want.items()}
            scale.update({name: max(scale["dla_plain"], scale["logit"]) for name in scale if "logit" in name or "dla" in name})
            for name in ANSWER:
                close(f["answer_" + name][k][:n], want[name], 5e-5 * scale[name], f"answer_{name} of {case['id']}")
                assert np.isnan(f["answer_" + name][k][n:]).all()
            for name in CASE:
                close(f["case_" + name][k], want[name].mean(0), 5e-5 * scale[name], f"case_{name} of {case['id']}")
            close(f["case_placebo_logit"][k], (want["needle_logit"] - want["retrieval_logit"]).mean(0), 5e-5 * scale["needle_logit"])
            close(f["case_logit_selectivity"][k], (want["needle_logit"] - want["distractor_logit"]).mean(0), 5e-5 * scale["needle_logit"])
            total = f["answer_layer_logit"][k][:n].sum(1) + f["answer_embed_logit"][k][:n]
            cap = getattr(model.config, "final_logit_softcapping", None)
            close(cap * np.tanh(total / cap) if cap else total, f["answer_logit"][k][:n], 1e-4, "our parts are our logit")
            for name in SCORES:
                sums.setdefault(name, []).append(want[name].mean(0))
        for name, values in sums.items():
            close(f[name][()], np.mean(values, axis=0), 5e-5 * np.abs(values).max(), name)


def random_case(rng, number, vocab):
    """The later ones are longer than the windows, with what matters at their ends: some of it inside, some beyond."""
    n = 30 if number < 2 else 100
    tokens = rng.integers(3, vocab, n).tolist()
    at = n - np.array([4, 8, 13, 18, 23] if number == 3 else rng.permutation([8, 13, 18, 23, 28]))
    spans = {name: [int(a), int(a) + 3] for name, a in zip(("needle_answer", "placebo", "distractor_answer.0", "distractor_answer.1"), at)}
    answer = [5] + tokens[at[0]:at[0] + 3] if number % 2 else tokens[at[0]:at[0] + 3]
    return {"id": f"r{number}", "tokens": tokens, "answer": answer, "lead": number % 2, "spans": spans}


def write(path, cases):
    with open(path, "w") as f:
        f.writelines(json.dumps(c) + "\n" for c in cases)
    return path


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def check_small(tool, work):
    for number, (name, config) in enumerate(SMALL.items()):
        torch.manual_seed(number)
        folder = os.path.join(work, name)
        model = transformers.AutoModelForCausalLM.from_config(config())
        for key, w in model.named_parameters():              # norms and biases that do something
            if w.ndim == 1:
                w.data += 0.3 * torch.randn_like(w)
            else:
                w.data *= 4
        model.save_pretrained(folder)
        rng = np.random.default_rng(number)
        cases = [random_case(rng, k, SIZES["vocab_size"]) for k in range(4)]
        check(tool, folder, load(folder), cases, write(os.path.join(work, name + ".jsonl"), cases), work)
        print(name, "agrees")


def check_real(tool, work):
    from make_smollm2 import main
    main(SMOLLM2)
    path = os.path.join(work, "needles.jsonl")
    call(tool, "cases", "needle", "--model", SMOLLM2, "--lengths", "120,300", "--count", "1", "--seed", "7", "-o", path)
    cases = [c for c in map(json.loads, open(path)) if "needle_answer" in c["spans"] and "placebo" in c["spans"]][::7][:4]
    check(tool, SMOLLM2, load(SMOLLM2), cases, write(path, cases), work)
    count(len(cases))


if __name__ == "__main__":
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        check_small(sys.argv[1], folder)
        check_real(sys.argv[1], folder)
