#!/usr/bin/env python3
"""study-gemma3.py FOLDER    packs what study-gemma3.sh measured in FOLDER into study-gemma3.json beside this file (needs h5py); what FOLDER
                          lacks stays as it was there
study-gemma3.py              prints the tables of study-gemma3.md from it
study-gemma3.py --coverage   how often the intervals of `continue` hold the rate, were these prompts all that there are

Intervals: Wilson's for rates of prompts; for hits of several tokens a prompt, and for shares of heads, the 2.5 and 97.5 % quantiles over
resamples of prompts within the two haystacks (500; of shares 2,000)."""
import itertools
import json
import math
import os
import random
import struct
import sys

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "study-gemma3.json")
HEADS, FULL_LAYERS, N_LAYERS, WINDOW, STRONG = 4, (5, 11, 17), 18, 512, .1
ALL = range(N_LAYERS * HEADS)
FULL = {i for i in ALL if i // HEADS in FULL_LAYERS}
PARTS = {"all": lambda d: True, "d < 512": lambda d: d < WINDOW, "d ≥ 512": lambda d: d >= WINDOW}
SCORES = ("find", "find_nosink", "continue")
CONSTRAINTS = {"unconstrained": "none", "full512": "full layers: 512 keys and 4 sinks", "swa256": "sliding layers: 256 keys"}
ZONES = {"128, 256": lambda d: d < WINDOW, "512": lambda d: d == WINDOW, "768 – 4,096": lambda d: d > WINDOW}


# ---- packing ----

def texts(f, name):
    return [x if isinstance(x, str) else x.decode() for x in f[name][:]]


def pack_scores(f):
    columns = [texts(f, "case_id"), texts(f, "template"), *(f[n][:].tolist() for n in ("distance", "first_right", "content_right"))]
    kept = ("find", "find_nosink", "find_distractor", "find_placebo", "continue")
    hits = {n: f[f"{n}_hits"][:].reshape(len(columns[0]), -1).tolist() for n in kept}
    events = f["continue_events"][:].reshape(len(columns[0]), -1).max(1).tolist()
    cases = []
    for i, (name, template, distance, first, right) in enumerate(zip(*columns)):
        case = {"id": name, "template": template, "distance": int(distance), "first": int(first), "right": int(right),
                "content": events[i] + 1}
        case.update({n: [k for k, x in enumerate(rows[i]) if x] for n, rows in hits.items() if n != "continue"})
        case["continue"] = {str(k): x for k, x in enumerate(hits["continue"][i]) if x}
        cases.append(case)
    return cases


def pack_knockout(f):
    modes, draws = texts(f, "mode"), f["draw"][:].tolist()
    kept = {"none": [0], "blind": [i for i, m in enumerate(modes) if m == "knockout"],
            "others": [i for i, m in enumerate(modes) if m == "knockout_others"]}
    assert len(kept["blind"]) == 1 and len(kept["others"]) == 20 and draws[kept["others"][-1]] == 19, (modes, draws)
    values = {n: f[n][:] for n in ("first_right", "content_right", "margin_first")}
    out = {"ids": texts(f, "case_id"), "content": f["n_content"][:].tolist(), "hidden": float(f["hidden_share"][:][kept["others"]].mean())}
    for name, at in kept.items():
        out[name] = {"first": values["first_right"][at].mean(0).tolist(), "margin": values["margin_first"][at].mean(0).round(3).tolist(),
                     "whole": (values["content_right"][at] == f["n_content"][:]).mean(0).tolist(),
                     "right": values["content_right"][at].mean(0).tolist()}
    return out


def pack_twins(f, distance=True):
    names = texts(f, "case_id")
    out = {"ids": names, "first": f["first_right"][:].tolist(), "distance": f["distance"][:].tolist(),
           "whole": (f["content_right"][:] == f["n_answer"][:] - 1).astype(int).tolist()}
    if "find_hits" in f:
        out["find"] = [[k for k, x in enumerate(row) if x] for row in f["find_hits"][:].reshape(len(names), -1).tolist()]
    return out


def pack_layers(f):
    """Of a layer-wise probing what its readers tell of each case, and the shuffled control by distance."""
    cases = [{"distance": int(d), "bare": int(b), "first": int(x), "class": int(k), "said": [int(v) for v in said]} for d, b, x, k, said in
             zip(f["probe_distance"][:], f["probe_without_needle"][:], f["first_right"][:], f["probe_class"][:], f["probe_said"][:])]
    far, shuffled = f["probe_distance"][:], f["probe_shuffled"][:]
    places = {"all": far == far, **{str(int(d)): far == d for d in sorted(set(far))}}
    return {"cases": cases, "shuffled": {d: shuffled[at & (f["probe_without_needle"][:] == 0)].mean(0).round(4).tolist()
                                         for d, at in places.items()}}


def pack_constrained(f):
    kept = ("id", "distance", "first", "right", "content", "find", "find_nosink", "find_placebo")
    return [{n: c[n] for n in kept} for c in pack_scores(f)]


def pack(folder):
    import h5py

    def each(name):
        path = os.path.join(folder, name + ".h5")
        if os.path.exists(path):
            with h5py.File(path) as f:
                yield f
    with open(DATA, encoding="utf-8") as old:
        data = json.load(old)
    for f in each("plain"):
        data.update({n: str(f.attrs[n]) for n in ("cases_sha256", "weights_sha256")}, cases=pack_scores(f))
    for kind in ("full", "swa"):
        for f in each(kind):
            data["knockout_" + kind] = pack_knockout(f)
    for twin in ("swap", "absent"):
        for f in each(twin):
            data[twin] = pack_twins(f)
    for f in each("layers"):
        data["layers"] = pack_layers(f)
    for name in CONSTRAINTS:
        for f in each(name):
            data[name] = pack_constrained(f)
    with open(DATA, "w", encoding="utf-8") as out:
        json.dump(data, out, separators=(",", ":"))
        out.write("\n")


# ---- what follows from it ----

def distances(data):
    return sorted({c["distance"] for c in data["cases"]})


def wilson(hits, n, z=1.959963984540054):
    middle, half = (hits + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return max(middle - half, 0), min(middle + half, 1)


def rates(cases, name):
    """Per head: hits / events."""
    if name == "continue":
        events = sum(c["content"] - 1 for c in cases)
        return [sum(c["continue"].get(str(h), 0) for c in cases) / events for h in ALL]
    return [sum(h in c[name] for c in cases) / len(cases) for h in ALL]


def resamples(cases, seed, times=2000):
    """Prompts with replacement, within the haystacks."""
    rng = random.Random(seed)
    strata = [[c for c in cases if c["template"] == t] for t in sorted({c["template"] for c in cases})]
    for _ in range(times):
        yield [c for stratum in strata for c in rng.choices(stratum, k=len(stratum))]


def quantiles(values):
    values = sorted(values)

    def at(q):
        i, part = divmod(q * (len(values) - 1), 1)
        i = int(i)
        return values[i] + part * (values[min(i + 1, len(values) - 1)] - values[i])
    return at(.025), at(.975)


def strong(values):
    return [h for h in ALL if values[h] >= STRONG]


def odds(listed):
    """As many or more of these heads in three full layers: if 12 of 72 heads were dealt, and if 3 of 18 layers were (816 ways)."""
    k, x = len(listed), sum(h in FULL for h in listed)
    ways = [math.comb(k, i) * math.comb(len(ALL) - k, len(FULL) - i) for i in range(x, min(k, len(FULL)) + 1)]
    by_heads = sum(ways) / math.comb(len(ALL), len(FULL))
    layer = [sum(h // HEADS == l for h in listed) for l in range(N_LAYERS)]
    deals = [sum(c) for c in itertools.combinations(layer, len(FULL_LAYERS))]
    return by_heads, sum(d >= x for d in deals) / len(deals)


# ---- tables ----

def short(x, digits=2):
    """Rounded as the figures do, whose numbers are a score file's f32: 29 of 40 is .73."""
    text = f"{struct.unpack('f', struct.pack('f', x))[0]:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def spread(low, high):
    return f"({short(low)} – {short(high)})"


def chance(p):
    return short(p, 3) if p >= .0005 else f"{p:.0e}".replace("e-0", "e-")


def head(h):
    return f"{h // HEADS}.{h % HEADS}" + ("" if h in FULL else " (sliding)")


def table(columns, rows):
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)] + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def accuracy(data):
    rows = []
    for d in distances(data):
        row = [f"{d:,} ({short(d / WINDOW).rstrip('0').rstrip('.') or '0'} W)"]
        for t in ("essay", "noise"):
            cases = [c for c in data["cases"] if c["distance"] == d and c["template"] == t]
            row += [f"{n} of {len(cases)}" for n in (sum(c["first"] for c in cases), sum(c["right"] == c["content"] for c in cases))]
        rows.append(row)
    return table(["distance", "essay: first token", "whole answer", "noise: first token", "whole answer"], rows)


def best_heads(data):
    rows = []
    for name in SCORES:
        for part in ("d < 512", "d ≥ 512"):
            cases = [c for c in data["cases"] if PARTS[part](c["distance"])]
            values, cells = rates(cases, name), []
            boot = [rates(r, name) for r in resamples(cases, 1, 500)] if name == "continue" else None
            for h in sorted(strong(values), key=lambda h: -values[h]):
                ends = quantiles([b[h] for b in boot]) if boot else wilson(values[h] * len(cases), len(cases))
                cells.append(f"{head(h)} {short(values[h])} {spread(*ends)}")
            rows.append([name, part, len(cases), ", ".join(cells) or "none"])
    return table(["", "needle", "prompts", "heads with .1 and more"], rows)


def found_by(data):
    rows = []
    for d in distances(data):
        cases = [c for c in data["cases"] if c["distance"] == d]

        def share(name, inside):
            return sum(any((h in FULL) == inside for h in c[name]) for c in cases) / len(cases)
        names = ("find", "find_nosink", "find_distractor", "find_placebo")
        rows.append([f"{d:,}", len(cases), *(short(share(n, full)) for n in names for full in (True, False))])
    return table(["distance", "prompts", "a full head finds", "a sliding one", "full, without sinks", "sliding, without sinks",
                  "full: a distractor", "sliding: a distractor", "full: the placebo", "sliding: the placebo"], rows)


def answered(data):
    """How often the heads find in the prompts whose first digit is said, and in the others."""
    rows = []
    for part, heads in (("d < 512", ("12.1", "13.3", "11.2", "17.2")), ("d ≥ 512", ("11.2", "11.3", "17.2"))):
        halves = [[c for c in data["cases"] if PARTS[part](c["distance"]) and c["first"] == right] for right in (1, 0)]
        for name in heads:
            layer, number = map(int, name.split("."))
            h = layer * HEADS + number
            rows.append([part, head(h), *(f"{short(rates(cases, 'find_nosink')[h])} of {len(cases)}" for cases in halves)])
    return table(["needle", "head", "finds (without sinks) in answered prompts", "in missed ones"], rows)


def knockout_cells(k, at, condition):
    """First token right, its margin, later tokens right, whole answers, over the prompts `at`."""
    first, margin, right, whole = ([k[condition][n][i] for i in at] for n in ("first", "margin", "right", "whole"))
    later = (sum(right) - sum(first)) / sum(k["content"][i] - 1 for i in at)
    return [short(sum(first) / len(at)), f"{sum(margin) / len(at):.1f}", short(later), short(sum(whole) / len(at))]


def knockouts(data):
    rows, place = [], {c["id"]: c["distance"] for c in data["cases"]}
    for zone, inside in ZONES.items():
        for kind, name in (("full", "the 12 full heads"), ("swa", "the 60 sliding heads")):
            k = data["knockout_" + kind]
            at = [i for i, c in enumerate(k["ids"]) if inside(place[c])]
            if kind == "full":
                rows.append([zone, len(at), "none", *knockout_cells(k, at, "none")])
            rows.append(["", "", f"{name}: the needle", *knockout_cells(k, at, "blind")])
            rows.append(["", "", "… other keys", *knockout_cells(k, at, "others")])
    return table(["distance", "prompts", "hidden from", "first token right", "its margin", "later tokens right", "whole answers"], rows)


def kinds(data):
    rows = []
    for name in SCORES:
        for part, inside in PARTS.items():
            cases = [c for c in data["cases"] if inside(c["distance"])]
            listed = strong(rates(cases, name))
            full = sum(h in FULL for h in listed)
            shares = [sum(h in FULL for h in some) / len(some) for some in (strong(rates(r, name)) for r in resamples(cases, 2)) if some]
            by_heads, by_layers = odds(listed)
            share = short(full / len(listed)) if listed else "–"
            rows.append([name, part, f"{full} of {len(listed)}", f"{share} {spread(*quantiles(shares))}" if shares else share,
                         short(len(listed) * len(FULL) / len(ALL), 1), chance(by_heads), chance(by_layers)])
    return table(["", "needle", "retrieval heads in full layers", "share", "expected", "odds over heads", "odds over layers"], rows)


def twins(data):
    rows = []
    for part in ("d < 512", "d ≥ 512"):
        k = data["swap"]
        at = [i for i, d in enumerate(k["distance"]) if PARTS[part](d)]
        finds = [sum(any((h in FULL) == full for h in k["find"][i]) for i in at) for full in (True, False)]
        rows.append(["swap: another key", part, len(at), sum(k["first"][i] for i in at), sum(k["whole"][i] for i in at), *finds])
    k = data["absent"]
    rows.append(["absent: says the original's value", "all", len(k["ids"]), sum(k["first"]), sum(k["whole"]), "–", "–"])
    return table(["asked for", "needle", "prompts", "first token", "whole answer", "a full head finds", "a sliding one"], rows)


def told(cases, layer):
    """Balanced accuracy: the mean over the classes."""
    classes = sorted({c["class"] for c in cases})
    right = {k: [c["said"][layer] == k for c in cases if c["class"] == k] for k in classes}
    return sum(sum(x) / len(x) for x in right.values()) / len(classes)


def layers(data):
    """What a linear reader tells at each layer; in brackets 95 % of as many prompts."""
    needle, bare = ([c for c in data["layers"]["cases"] if c["bare"] == b] for b in (0, 1))
    places, rows = sorted({c["distance"] for c in needle}), []
    for layer in range(N_LAYERS):
        of = {d: [c for c in needle if c["distance"] == d] for d in places}
        low, high = wilson(told(needle, layer) * len(needle), len(needle))
        rows.append([f"{layer}{' (full)' if layer in FULL_LAYERS else ''}", f"{short(told(needle, layer))} {spread(low, high)}",
                     *(short(told(of[d], layer)) for d in places), short(data["layers"]["shuffled"]["all"][layer]),
                     short(told(bare, layer))])
    ends = [f"{sum(c['first'] for c in needle if c['distance'] == d)} of {sum(c['distance'] == d for c in needle)}" for d in places]
    rows.append(["the model says it", f"{sum(c['first'] for c in needle)} of {len(needle)}", *ends, "", ""])
    return table(["layer", "all distances", *(f"{d:,}" for d in places), "shuffled labels", "no needle"], rows)


def constrained(data):
    """Answers and finds under each constraint; p: sign test of the first token against no constraint."""
    rows = []
    places = sorted({c["distance"] for c in data["unconstrained"]})
    for d in [*places, None]:
        base = {c["id"]: c for c in data["unconstrained"] if d in (None, c["distance"])}
        for name, says in CONSTRAINTS.items():
            cases = [c for c in data[name] if c["id"] in base]
            lost = sum(base[c["id"]]["first"] > c["first"] for c in cases)
            won = sum(base[c["id"]]["first"] < c["first"] for c in cases)
            tail = sum(math.comb(lost + won, i) for i in range(min(lost, won) + 1)) / 2 ** (lost + won)
            found = [short(sum(any((h in FULL) == full for h in c["find_nosink"]) for c in cases) / len(cases)) for full in (True, False)]
            first = sum(c["first"] for c in cases)
            rows.append([f"{d:,}" if d and name == "unconstrained" else "all" if name == "unconstrained" else "", says,
                         f"{first} of {len(cases)} {spread(*wilson(first, len(cases)))}",
                         f"{sum(c['right'] == c['content'] for c in cases)} of {len(cases)}", *found,
                         "" if name == "unconstrained" else f"{lost}, {won}", "" if name == "unconstrained" else chance(min(1, 2 * tail))])
    return table(["distance", "constraint", "first token right", "whole answer", "a full head finds", "a sliding one", "lost, won", "p"],
                 rows)


TABLES = (accuracy, best_heads, found_by, answered, kinds, knockouts, twins, constrained, layers)


# ---- are the intervals as wide as they say? ----

def coverage(data, times=1000, draws=300):
    """Prompts are drawn from these, intervals made of the drawn ones: how often each holds the rate of all."""
    rows, rng = [], random.Random(3)
    for part in ("d < 512", "d ≥ 512"):
        cases = [c for c in data["cases"] if PARTS[part](c["distance"])]
        truth = rates(cases, "continue")
        listed = sorted(strong(truth), key=lambda h: -truth[h])
        counts = [[(c["content"] - 1, *(c["continue"].get(str(h), 0) for h in listed)) for c in cases if c["template"] == t]
                  for t in sorted({c["template"] for c in cases})]
        held = [0] * len(listed)
        for _ in range(times):
            drawn = [rng.choices(stratum, k=len(stratum)) for stratum in counts]
            boot = []
            for _ in range(draws):
                events, *hits = map(sum, zip(*(c for stratum in drawn for c in rng.choices(stratum, k=len(stratum)))))
                boot.append([x / events for x in hits])
            for i, values in enumerate(zip(*boot)):
                low, high = quantiles(values)
                held[i] += low <= truth[listed[i]] <= high
        rows.append([part, len(cases), ", ".join(f"{head(h)} {short(truth[h])}: {short(n / times)}" for h, n in zip(listed, held))])
    return table(["needle", "prompts", "head, rate: intervals that hold it"], rows)


def main():
    if sys.argv[1:] == ["--coverage"]:
        with open(DATA, encoding="utf-8") as f:
            print("\n".join(coverage(json.load(f))))
        return
    if len(sys.argv) > 1:
        pack(sys.argv[1])
    with open(DATA, encoding="utf-8") as f:
        data = json.load(f)
    for make in TABLES:
        print("\n".join([f"<!-- {make.__name__} -->", *make(data), ""]))


if __name__ == "__main__":
    main()
