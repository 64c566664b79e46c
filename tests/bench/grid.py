#!/usr/bin/env python3
"""Paired benchmark of a needle grid, 10 lengths by 10 depths of one needle: common beginnings once against each case alone, and both
against the way of Wu et al.'s published code.

    grid.py --build BUILD --model MODEL [--lengths 100:550:10] [--every 1] [--threads 1] [--work DIR]

The peer does in PyTorch what that code does: the prompt but for its last token in one pass that keeps no attention (sdpa), then up to 50
tokens one by one, with the maps of all layers (eager, output_attentions) and a loop over heads in Python that takes each row's largest key.
Its counts must be those of `score --compat wu2024` (all but where the last bits of two logits decide what is babbled behind an answer).
Ours are whole processes, loading included; the peer's time is that of its cases alone,
and with --every N it takes every Nth case and its time counts N-fold (11 goes through all lengths and depths). Times are of the processor,
since the machine may be shared. MODEL should answer: what is verified is the answer."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import peers

STEPS, NEWLINE_PAIR = 50, 144
RUNS = {"score, common beginnings once": ["--probe", "retrieval"],
        "score --no-sharing": ["--probe", "retrieval", "--no-sharing"],
        "score, decoded to the answer's end": ["--probe", "retrieval_wu"],
        "score --compat wu2024, 50 tokens": ["--compat", "wu2024", "--probe", "wu2024"]}


def window(tokens, needle):
    """The first as long as the needle that holds more than 0.9 of its distinct tokens."""
    distinct = set(needle)
    for at in range(len(tokens) - len(needle) + 1):
        if len(distinct & set(tokens[at:at + len(needle)])) / len(distinct) > 0.9:
            return at, at + len(needle)
    return -1, -1


def recall(needle, said):
    left = list(said)
    return sum(1 for token in needle if token in left and not left.remove(token)) / len(needle)


def decode(model, case, newline):
    """{(layer, head): score} of a case, or None where less than half of the needle's answer is said."""
    import torch
    ids = torch.tensor([case["tokens"]])
    begin, end = case["spans"]["needle_answer"]
    needle = case["tokens"][begin:end]
    begin, end = window(case["tokens"], needle)
    model.set_attn_implementation("sdpa")
    past, last = model(ids[:, :-1], use_cache=True).past_key_values, ids[:, -1:]
    model.set_attn_implementation("eager")
    said, scores = [], {}
    for _ in range(STEPS):
        out = model(last, past_key_values=past, use_cache=True, output_attentions=True)
        past, last = out.past_key_values, out.logits[:, -1:].argmax(-1)
        said.append(last.item())
        for layer, maps in enumerate(out.attentions):
            for head in range(maps.shape[1]):
                for k in maps[0, head, -1].topk(1).indices:
                    if begin <= k < end and said[-1] == case["tokens"][k]:
                        scores[layer, head] = scores.get((layer, head), 0) + 1 / (end - begin)
        if said[-1] in (newline, NEWLINE_PAIR):
            break
    return scores if recall(needle, said) > 0.5 else None


def peer(args):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    text = os.path.exists(os.path.join(args.model, "tokenizer.json"))
    newline = AutoTokenizer.from_pretrained(args.model).convert_tokens_to_ids("<0x0A>") if text else None
    begin = time.process_time()
    with torch.inference_mode():
        found = [decode(model, json.loads(line), newline) for line in open(args.peer)]
    seconds = time.process_time() - begin
    cases = [scores for scores in found if scores is not None]
    shape = range(model.config.num_hidden_layers), range(model.config.num_attention_heads)
    with open(args.out, "w") as file:
        json.dump({f"{layer}-{head}": [scores.get((layer, head), 0) for scores in cases] for layer in shape[0] for head in shape[1]}, file)
    print(seconds)


def same_counts(ours, theirs):
    """Of the cases in whatever order: how many, their copies, and the share of all heads' cases that are equal."""
    a, b = (json.load(open(path)) for path in (ours, theirs))
    assert a.keys() == b.keys() and all(a.values()), "other heads, or no case was answered"
    assert all(len(a[name]) == len(b[name]) for name in a), "other cases were answered"
    equal = [abs(x - y) < 1e-5 for name in a for x, y in zip(sorted(a[name]), sorted(b[name]))]
    copies, share = sum(map(sum, a.values())), sum(equal) / len(equal)
    assert copies > 0 and share >= .99, (copies, share)
    return len(next(iter(a.values()))), copies, share


class Grid:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.tool = os.path.join(args.build, "cli/needlescope")
        self.cases, self.some = os.path.join(work, "grid.jsonl"), os.path.join(work, "some.jsonl")
        n = str(args.threads)
        self.env = dict(os.environ, OMP_NUM_THREADS=n, MKL_NUM_THREADS=n, OPENBLAS_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false",
                        HF_HUB_OFFLINE="1")
        subprocess.run([self.tool, "cases", "needle", "--model", args.model, "--lengths", args.lengths, "--depths", "0:1:10", "--keys", "1",
                        *([] if args.synthetic else ["--value-types", "numbers", "--templates", "noise"]), "-q", "-o", self.cases],
                       check=True, stdout=subprocess.DEVNULL)
        with open(self.cases) as every, open(self.some, "w") as some:
            some.writelines(every.readlines()[::args.every])

    def command(self, options, cases=None):
        return [self.tool, "score", self.args.model, "--cases", cases or self.cases, "--threads", str(self.args.threads),
                "--resamples", "0", "-q", *options]

    def rows(self, options):
        done = json.loads(subprocess.run([*self.command(options), "--json"], env=self.env, check=True, capture_output=True).stdout)
        return done["n_rows_computed"] / done["n_rows"], done["n_answered"], done["n_cases"]

    def theirs(self):
        seconds = float(subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", self.some, "--model", self.args.model,
                                        "--threads", str(self.args.threads), "--out", os.path.join(self.work, "peer.json")], env=self.env,
                                       check=True, capture_output=True, text=True).stdout)
        return seconds * sum(1 for _ in open(self.cases)) / sum(1 for _ in open(self.some))

    def compare(self):
        ours = os.path.join(self.work, "ours.json")
        subprocess.run([*self.command(RUNS["score --compat wu2024, 50 tokens"], self.some), "--head-score", ours], env=self.env, check=True,
                       stdout=subprocess.DEVNULL)
        return same_counts(ours, os.path.join(self.work, "peer.json"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--model", required=True)
    p.add_argument("--lengths", default="100:550:10")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--synthetic", action="store_true", help="cases of token ids: MODEL has no tokenizer")
    p.add_argument("--work", default=None)
    p.add_argument("--peer")
    p.add_argument("--out")
    args = p.parse_args()
    if args.peer:
        return peer(args)
    with tempfile.TemporaryDirectory() as scratch:
        grid = Grid(args, args.work or scratch)
        theirs = grid.theirs()
        print(f"{'the published way':36} {theirs:8.1f} s", flush=True)
        for name, options in RUNS.items():
            cpu, (rows, answered, n) = peers.timed(grid.command(options), grid.env)["cpu"], grid.rows(options)
            print(f"{name:36} {cpu:8.1f} s, {cpu / theirs:.3f} of it; rows computed {rows:.2f}; {answered} of {n} answered", flush=True)
        print("the same counts: %d answered cases, %.1f needles copied, %.4f equal" % grid.compare())


if __name__ == "__main__":
    main()
