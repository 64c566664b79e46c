"""paper.py NEEDLESCOPE [FOLDER] - the numbers of the paper's page are those of its files: measures are made anew from what h5py reads
there, claims from the measures, p and verdicts from the claims.

Without FOLDER: tiny runs are trained, and their page is made."""
import json
import math
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from compare import close, count, same

FILLERS, KEYS = 16, 8
RUNS = [("FFF", 64, False, 5), ("SFS", 4, False, 5), ("SFS", 16, False, 5), ("GFG", 64, False, 5), ("SFS", 4, True, 5),
        ("SFS", 4, False, 6), ("SFS", 16, False, 6)]


def make(program, folder):
    os.mkdir(f"{folder}/runs")
    for pattern, window, nope, seed in RUNS:
        name = f"{pattern}-W{window}{'-nope' if nope else ''}-s{seed}"
        train = dict(d_model=16, heads=2, d_ff=16, batch=4, length=64, warmup=4, max_positions=256, steps=60, pattern=pattern,
                     window=window, nope=nope, seed=seed)
        with open(f"{folder}/{name}.json", "w") as f:
            json.dump({"name": name, "checkpoint_every": 10, "validation_seed": 7, "coords": {"window": window}, "train": train}, f)
        subprocess.run([program, "train", f"{folder}/{name}.json", "-o", f"{folder}/runs/{name}", "-q"], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run([program, "paper", f"{folder}/runs", "-o", f"{folder}/page", "-q"], check=True, stdout=subprocess.DEVNULL)
    return f"{folder}/page"


def mean(x):
    x = np.asarray(x, float)
    return float(x.mean()) if x.size else math.nan


def texts(d):
    return list(d.asstr()[()]) if isinstance(d, h5py.Dataset) else list(d)


class Page:
    def __init__(self, folder):
        self.folder, self.json = folder, json.load(open(f"{folder}/paper.json"))
        self.step = self.json["final_step"]

    def file(self, part, run):
        path = f"{self.folder}/{part}/{run}.h5"
        return h5py.File(path) if os.path.exists(path) else None


# ---- measures, run by run ----

def far(f):
    d, t, p = f["distance"][()], f["token_id"][()], f["log_p"][()].astype(float)
    return mean(-p[(t >= FILLERS + KEYS) & (d >= 32) & ~np.isnan(p)])


def influence(x):
    return math.log(mean(x[4:16]) / mean(x[32:]))


def of_scores(f, out):
    find, kind = f["retrieval_find"][()].astype(float), np.array(texts(f["layer_kind"]))
    full = np.repeat((kind == "full")[:, None], find.shape[1], 1)
    placebo = np.nanmean(f["case_mass_placebo"][()].astype(float), 0)[kind != "recurrent"]      # those have no bounds
    close(f["retrieval_mass"].attrs["chance"], np.nanmean(placebo), 1e-6, "chance of retrieval_mass")
    writes, finds = f["retrieval_logit"][()].astype(float), find >= .5
    order = [i for i in np.argsort(-np.nan_to_num(find.ravel(), nan=-1), kind="stable")[:4] if find.ravel()[i] > 0]
    out["finders_in_full_layers"] = mean(full.ravel()[order])
    out["accuracy"] = mean(f["answered"][()])
    known = ~np.isnan(writes)
    out["writes_finders"] = mean(writes[finds & known])
    out["writes_others"] = mean(writes[~finds & full & known]) if finds.any() else math.nan


def of_lengths(f, out):
    length, kind, answered = f["length"][()], np.array(texts(f["template"])), f["answered"][()]
    for name, at in (("accuracy_longer", 128), ("accuracy_longest", 256)):
        out[name] = mean(answered[(length == at) & (kind != "swap")])


def of_ablation(f, out):
    kind, mode, first = texts(f["kind"]), texts(f["mode"]), f["first_accuracy"][()].astype(float)
    out["intact"] = first[kind.index("none")]
    out["edges_cut"] = next(x for k, m, x in zip(kind, mode, first) if k == "target" and m == "knockout")
    out["other_edges_cut"] = min(x for k, m, x in zip(kind, mode, first) if k == "control" and m == "knockout_others")


def of_probe(f, out):
    kind = texts(f["layer_kind"])

    def gains(accuracy):
        gain = np.diff(np.concatenate([[.25], accuracy.astype(float)]))
        return [mean([g for g, k in zip(gain, kind) if (k == "full") == full]) for full in (True, False)]
    out["probe_gain_full"], out["probe_gain_efficient"] = gains(f["probe_accuracy"][()])
    shuffled = gains(f["probe_accuracy_shuffled"][()])
    out["probe_gain_shuffled"] = shuffled[0] - shuffled[1]


def of_study(page, run, out):
    with h5py.File(f"{page.folder}/study.h5") as f:
        r, steps = texts(f["run_name"]).index(run), f["step"][()]
        first, upto = (steps > 0) & (steps <= page.step / 2), steps <= page.step
        late = np.flatnonzero(upto)[-5:]
        for name, series in (("short_loss", "loss_filler"), ("long_loss", "loss_far")):
            x = f[series][r].astype(float)
            out[name + "_early"], out[name] = mean(x[first]), mean(x[late])
        kinds, entropy = texts(f["layer_kind"].asstr()[r]), f["entropy_norm"][r].astype(float)
        find = f["retrieval_find"][r][upto][-1]
        best = [i for i in np.argsort(-np.nan_to_num(find.ravel(), nan=-1), kind="stable")[:4] if find.ravel()[i] > 0]
        of = np.repeat(np.array([k == "full" for k in kinds])[:, None], find.shape[1], 1)
        of.ravel()[best] = False
        x = entropy[(steps > 0) & upto][:, of]
        out["entropy_others_full"] = mean(x[~np.isnan(x)])


def of_trace(page, run, out):
    with h5py.File(f"{page.folder}/trace.h5") as f:
        r, steps = texts(f["run_name"]).index(run), f["step"][()]
        for name in ("entropy_final_top", "entropy_step_top", "distance_final_top", "distance_step_top", "distance_others"):
            x = f[name][r][(steps > 0) & (steps <= page.step)]
            out[name] = mean(x[~np.isnan(x)])


def measures(page, run):
    out = {}
    for part, take in (("score", of_scores), ("lengths", of_lengths), ("ablate", of_ablation), ("probe", of_probe),
                       ("recall", lambda f, o: o.update(recall_accuracy=mean(f["answered"][()]))),
                       ("nll", lambda f, o: o.update(far=far(f))),
                       ("full", lambda f, o: o.update(far_full_constrained=far(f))),
                       ("efficient", lambda f, o: o.update(far_efficient_constrained=far(f))),
                       ("gradient", lambda f, o: o.update(influence=influence(f["mean_grad_norm"][()]),
                                                          influence_shuffled=influence(f["shuffled_mean_grad_norm"][()])))):
        f = page.file(part, run)
        if f is not None:
            with f:
                take(f, out)
    of_study(page, run, out)
    of_trace(page, run, out)
    return out


# ---- claims out of the measures that the page gives (births among them) ----

def value(run, name):
    x = run["values"][name]
    return math.inf if name in run["not_born"] else math.nan if x is None else x


class Runs(list):
    """Of a seed; whole: of every architecture that any seed has."""


def by_seed(page, seed):
    runs = Runs(r for r in page.json["runs"] if r["seed"] == seed)
    runs.whole = len(seven(runs)) == len({r["architecture"] for r in seven(page.json["runs"])})
    return runs


def seven(runs):
    return [r for r in runs if not r["nope"] and "H" not in r["pattern"]]


def windows(runs):
    found = sorted((r for r in seven(runs) if set(r["pattern"]) <= set("SF") and "S" in r["pattern"]), key=lambda r: r["window"])
    return found if len(found) > 1 else []


def spread(runs, name):
    x = [value(r, name) for r in seven(runs)]
    return max(x) - min(x) if runs.whole and len(x) > 1 and not any(map(math.isnan, x)) else math.nan


def between(runs, name):
    w = windows(runs)
    if not w:
        return math.nan
    a, b = value(w[0], name), value(w[-1], name)
    return 0 if math.isinf(a) and math.isinf(b) else b - a


def difference(runs, a, b, beside):
    x = [value(r, a) - value(r, b) for r in seven(runs) if not math.isnan(value(r, beside))]
    x = [v for v in x if not math.isnan(v)]
    return mean(x)


def average(runs, a, beside):
    return mean([value(r, a) for r in seven(runs) if not math.isnan(value(r, a)) and not math.isnan(value(r, beside))])


def full(runs):
    return next((r for r in seven(runs) if set(r["pattern"]) == {"F"}), None)


def worst(runs):
    w, others = windows(runs), None
    if not w or math.isnan(spread(runs, "long_loss_early")):
        return math.nan
    others = [value(r, "long_loss_early") for r in seven(runs) if r is not w[-1]]
    return value(w[-1], "long_loss_early") - max(others)


def in_full(runs):
    rec = [r for r in seven(runs) if set(r["pattern"]) - set("SsF") and not math.isnan(value(r, "finders_in_full_layers"))]
    return mean([value(r, "finders_in_full_layers") - r["pattern"].count("F") / len(r["pattern"]) for r in rec])


def twin(runs, name):
    nope = next((r for r in runs if r["nope"]), None)
    other = nope and next((r for r in runs if not r["nope"] and (r["pattern"], r["window"]) == (nope["pattern"], nope["window"])), None)
    return value(nope, name) - value(other, name) if other else math.nan


def small(runs):
    w, f = windows(runs), full(runs)
    return .05 + value(w[0], "accuracy") - value(f, "accuracy") if w and f else math.nan


CLAIMS = {
    "short-loss": (lambda r: .05 - spread(r, "short_loss"), None),
    "early-worst": (worst, None),
    "early-window": (lambda r: between(r, "long_loss_early"), lambda r: between(r, "short_loss_early")),
    "converge": (lambda r: .5 * spread(r, "long_loss_early") - spread(r, "long_loss"), None),
    "delay": (lambda r: between(r, "retrieval_birth"), None),
    "trace-entropy": (lambda r: between(r, "entropy_final_top"), lambda r: between(r, "entropy_others_full")),
    "trace-distance": (lambda r: between(r, "distance_final_top"), lambda r: between(r, "distance_others")),
    "full-carries": (lambda r: difference(r, "far_full_constrained", "far", "far_efficient_constrained"),
                     lambda r: difference(r, "far_efficient_constrained", "far", "far_full_constrained")),
    "efficient-spared": (lambda r: .1 * difference(r, "far_full_constrained", "far", "far_efficient_constrained")
                         - difference(r, "far_efficient_constrained", "far", "far_full_constrained"), None),
    "probing": (lambda r: difference(r, "probe_gain_full", "probe_gain_efficient", "probe_gain_shuffled"),
                lambda r: average(r, "probe_gain_shuffled", "probe_gain_efficient")),
    "finders-in-full": (in_full, None),
    "ablation": (lambda r: difference(r, "intact", "edges_cut", "other_edges_cut"),
                 lambda r: difference(r, "intact", "other_edges_cut", "edges_cut")),
    "writing": (lambda r: average(r, "writes_finders", "writes_others"), lambda r: average(r, "writes_others", "writes_finders")),
    "small-window": (small, None),
    "nope-long": (lambda r: twin(r, "accuracy_longest"), None),
    "nope-short": (lambda r: .05 - abs(twin(r, "short_loss")), None),
    "influence": (lambda r: value(full(r), "influence") if full(r) else math.nan,
                  lambda r: value(full(r), "influence_shuffled") if full(r) else math.nan),
    "scaling": (None, None), "benchmarks": (None, None),
}


def at_least(yes, no):
    """P(Binomial(yes + no, 1/2) >= yes)"""
    n = yes + no
    return sum(math.comb(n, k) for k in range(yes, n + 1)) / 2 ** n


def number(x):
    return math.nan if x is None else x


def test_of(x, said, alpha):
    x = x[~np.isnan(x)]
    yes, no = int((x > 0).sum()), int((x < 0).sum())
    same(np.array([said["seeds"], said["seeds_for"], said["seeds_against"]]), np.array([len(x), yes, no]), "seeds")
    if len(x):
        close(np.array([said["p"], said["p_of_contrary"], said["least_p"]]),
             np.array([at_least(yes, no), at_least(no, yes), .5 ** len(x)]), 1e-12, "p")
        return at_least(yes, no) <= alpha, at_least(no, yes) <= alpha
    return False, False


def check_claim(page, claim):
    effect, control = CLAIMS[claim["claim"]]
    x = np.array([effect(by_seed(page, s)) if effect else math.nan for s in page.json["seeds"]], float)
    finite = np.where(np.isinf(x), np.nan, x)
    close(np.array([number(v) for v in claim["effect"]], float), finite, 1e-9, claim["claim"], nan=True)
    holds, against = test_of(x, claim, page.json["alpha"])
    if control:
        c = np.array([control(by_seed(page, s)) for s in page.json["seeds"]], float)
        close(np.array([number(v) for v in claim["control"]["effect"]], float), np.where(np.isinf(c), np.nan, c), 1e-9, claim["claim"],
             nan=True)
        beyond, below = test_of(x - c, claim["control"], page.json["alpha"])
        holds, against = holds and beyond, against or below
    tested = not np.isnan(x).all() and claim["claim"] not in ("influence", "scaling", "benchmarks")
    want = "not testable here" if not tested else "refuted" if against else "supported" if holds else "undecided"
    assert claim["verdict"] == want, (claim["claim"], claim["verdict"], want)
    known = np.sort(x[~np.isnan(x)])
    if len(known) > 1 and not np.isinf(known).any():
        close(np.array([claim["median"]]), np.array([np.median(known)]), 1e-9, "median")
        assert claim["low"] <= claim["median"] <= claim["high"], claim["claim"]


def check(folder):
    page = Page(folder)
    for run in page.json["runs"]:
        mine = measures(page, run["run"])
        for name, said in run["values"].items():
            if name in ("retrieval_birth", "previous_token_birth"):
                continue                                 # `emergence`'s, which has referees of its own
            close(np.array([number(said)], float), np.array([mine.get(name, math.nan)], float), 1e-6, f"{run['run']}: {name}", nan=True)
    assert {c["claim"] for c in page.json["claims"]} == set(CLAIMS)
    for claim in page.json["claims"]:
        check_claim(page, claim)
    said = open(f"{folder}/paper.md").read()
    for claim in page.json["claims"]:
        row = next(line for line in said.splitlines() if line.startswith(f"| [{claim['claim']}]("))
        assert row.endswith(f"| **{claim['verdict']}** |"), row
    count(len(page.json["claims"]), "claims")
    print(f"{len(page.json['runs'])} runs, {len(page.json['claims'])} claims: the page's numbers are those of its files")


def main(program, folder=None):
    if folder:
        return check(folder)
    with tempfile.TemporaryDirectory() as made:
        check(make(program, made))


if __name__ == "__main__":
    main(*sys.argv[1:])
