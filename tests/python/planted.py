#!/usr/bin/env python3
"""needlescope.py on a planted model, against the command line: the same bits.

    planted.py NEEDLESCOPE ROOT"""
import ctypes
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import h5py
import numpy as np
import xarray

from compare import close, count

tool, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

work = tempfile.TemporaryDirectory()
MODEL, CASES = os.path.join(work.name, "planted"), os.path.join(work.name, "cases.jsonl")
PATTERN, HEADS = "blocks.*.attn.hook_pattern", [(3, 1), (4, 6)]


def call(*command):
    done = subprocess.run([tool, *command, "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def equal(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype == object or b.dtype == object:
        return [str(x) for x in a] == [x.decode() if isinstance(x, bytes) else str(x) for x in b]
    count(a.size)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def raises(kind, fragment, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except kind as e:
        assert fragment in str(e), (fragment, str(e))
        return e
    raise AssertionError(f"no {kind.__name__}: {fragment}")


def test_model_describes_itself(m):
    told = json.loads(call("inspect", MODEL, "--json"))
    assert (m.family, m.n_layers, m.d_model, m.vocab) == (told["family"], told["n_layers"], told["d_model"], told["vocab"])
    assert m.layer_kinds == ("swa",) * 3 + ("full",) * 3 and m.threads == 2, (m.layer_kinds, m.threads)
    assert m.points("*.3.attn.hook_z") == ["blocks.3.attn.hook_z"] and "hook_logits" in m.points()


def test_run_is_what_record_writes(m):
    one, out = os.path.join(work.name, "one.jsonl"), os.path.join(work.name, "rec.h5")
    with open(CASES) as f, open(one, "w") as g:
        g.write(f.readline())
    points = [PATTERN, "blocks.*.hook_resid_post", "hook_logits"]
    call("record", MODEL, "--cases", one, "--maps", "dense", "--dtype", "f32", "-o", out, *[x for p in points for x in ("--at", p)])
    case = m.cases(one)[0]
    logits, cache = m.run(case, at=points)
    with h5py.File(out) as f:
        for layer in range(m.n_layers):
            assert equal(cache[f"blocks.{layer}.attn.hook_pattern"], f["case0000/attn"][layer]), layer
            assert equal(cache[f"blocks.{layer}.hook_resid_post"], f["case0000/hook_resid_post"][layer]), layer
        assert equal(cache["hook_logits"], f["case0000/hook_logits"][:]) and equal(logits, f["case0000/hook_logits"][-1])


def test_rows(m):
    case = m.cases(CASES)[0]
    ids = np.concatenate([case.tokens, case.answer[:-1]])
    points = [PATTERN, "blocks.2.attn.hook_attn_scores", "blocks.*.attn.hook_z"]
    n, every = ids.size, m.run(ids, at=points)
    logits, some = m.run(ids, at=points, rows=[-4, -1, 40, -4])
    assert some.rows.tolist() == [n - 4, n - 1, 40, n - 4] and equal(logits, every[0])
    for name, x in some.items():
        axis = 0 if name.endswith("hook_z") else 1
        assert equal(x, np.take(every[1][name], some.rows, axis)), name
    row = some["blocks.2.attn.hook_attn_scores"][:, 2]
    assert np.isneginf(row[:, 41:]).all() and np.isfinite(row[:, 40]).all()
    answer, span = m.run(case, at=PATTERN, rows="answer")[1], m.run(case, at=PATTERN, rows="needle")[1]
    assert answer.rows.tolist() == list(range(case.tokens.size - 1, n)) and span.rows.tolist() == list(range(*case.spans["needle"]))
    assert answer["blocks.3.attn.hook_pattern"][1, case.lead].argmax() == case.spans["needle_answer"][0]
    raises(IndexError, f"row {n}: the pass has {n} rows", m.run, ids, at=PATTERN, rows=[n])
    raises(KeyError, "no span 'haystack'", m.run, case, at=PATTERN, rows="haystack")


def score_file(*options):
    out = os.path.join(work.name, "scores.h5")
    call("score", MODEL, "--cases", CASES, "-o", out, *options)
    with h5py.File(out) as f:
        said = {name: d[()] for name, d in f.items() if isinstance(d, h5py.Dataset)}
    assert said.pop("sample").size == said.pop("weights_sample").size == 1024   # of the checkpoint: what tells it from another one
    return said


def as_doubles(data):
    """A safetensors file of F32 and BF16, with all numbers as F64."""
    end = 8 + int.from_bytes(data[:8], "little")
    head, numbers = json.loads(data[8:end]), b""
    head.pop("__metadata__", None)
    for t in head.values():
        begin, stop = (end + at for at in t["data_offsets"])
        bits = np.frombuffer(data[begin:stop], {"F32": "<u4", "BF16": "<u2"}[t["dtype"]])
        wide = (bits.astype("<u4") << (16 if t["dtype"] == "BF16" else 0)).view("<f4").astype("<f8").tobytes()
        t.update(dtype="F64", data_offsets=[len(numbers), len(numbers) + len(wide)])
        numbers += wide
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_doubles_have_the_sample_of_their_numbers(m):
    wide, samples = os.path.join(work.name, "wide"), []
    shutil.copytree(MODEL, wide)
    with open(os.path.join(wide, "model.safetensors"), "r+b") as f:
        data = as_doubles(f.read())
        f.seek(0)
        f.write(data)
    for model in (MODEL, wide):
        call("score", model, "--cases", CASES, "--probe", "previous_token", "-o", os.path.join(work.name, "sampled.h5"))
        with h5py.File(os.path.join(work.name, "sampled.h5")) as f:
            samples.append(f["weights_sample"][()])
    assert np.count_nonzero(samples[0]) and equal(*samples), samples


def test_score_is_what_score_writes(m):
    names = ["retrieval_find", "retrieval_mass", "induction", "previous_token", "retrieval_wu", "ov_copying"]
    for resamples in (0, 50):
        want = score_file("--probe", ",".join(names), "--resamples", str(resamples), *(["--seed", "3"] if resamples else []))
        got = m.score(CASES, names, resamples=resamples, seed=3 if resamples else 0)
        assert set(got.variables) == set(want), set(got.variables) ^ set(want)
        file = ns.read(os.path.join(work.name, "scores.h5"))
        for name in want:
            assert equal(got[name].values, want[name]), name
            said = {key: got[name].attrs[key] for key in ("best", "range", "chance") if key in got[name].attrs}
            assert file[name].attrs == said, (name, file[name].attrs, said)
        assert file.retrieval_find.attrs["best"] == "largest" and not file.find_hits.attrs
        of_the_file = {"Conventions", "schema", "complete", "config_sha256", "content_sha256", "command_line", "created_utc", "hostname",
                       "inputs_json"}
        lacking = {key for key, value in file.attrs.items() if key not in of_the_file and str(got.attrs.get(key)) != value}
        assert not lacking - {"threads"}, {key: (file.attrs[key], got.attrs.get(key)) for key in lacking}
        assert all(len(got.attrs[f"{key}_sha256"]) == 64 for key in ("weights", "arch", "cases")), got.attrs
        if resamples:
            print(f"  {len(want)} arrays as in scores.h5, bit for bit")
    find = m.score(CASES, "retrieval_find")
    assert find.dims == ("layer", "head") and equal(find.values, got.retrieval_find.values) and ns.top(find, 2) == HEADS
    assert find.attrs["best"] == "largest" and find.attrs["range"] == (0, 1) and find.attrs["chance"] >= 0
    assert find.attrs["cases_scored"] == find.attrs["cases_answered"] == len(m.cases(CASES)) and find.attrs["token_accuracy"] == 1
    assert {"probe", "score", "summary", "paper"} == set(ns.probes()[0]) and "retrieval_find" in [p["score"] for p in ns.probes()]


def test_probe_is_what_probe_writes(m):
    cases, out, again = (os.path.join(work.name, name) for name in ("classes.jsonl", "probe.h5", "again.h5"))
    call("cases", "needle", "--model", MODEL, "--values", "2", "--keys", "2", "--distances", "10,40", "--lengths", "60", "--count", "8",
         "--twins", "without", "-o", cases)
    call("probe", MODEL, "--cases", cases, "--folds", "4", "--l2-c", ".5", "--weights", "-o", out)
    got = m.probe(cases, folds=4, C=.5, weights=True, output=again)
    with h5py.File(out) as f, h5py.File(again) as g:
        assert f.attrs["content_sha256"] == g.attrs["content_sha256"]
        names = [n for n in f if n.startswith("probe_")]
        assert len(names) == 16 and all(equal(got[n].values, f[n][()]) for n in names), names
    assert got.probe_accuracy.dims == ("layer",) and got.probe_said.dims == ("case", "layer")
    assert got.probe_accuracy.values[HEADS[0][0]:].min() == 1 and got.probe_accuracy.values[0] < .8, got.probe_accuracy.values
    raises(ns.Error, "a class that has too few cases", m.probe, cases, folds=9)
    raises(ValueError, "C=0", m.probe, cases, C=0)
    said = ns.figure_probe(out, os.path.join(work.name, "probe.svg"), distances=[40])
    assert said.shows == "accuracy by layer" and not said.crowded, said


def test_what_cannot_apply(m):
    out = os.path.join(work.name, "never.h5")
    raises(ns.Error, "rows are of activations", m.record, CASES, out, maps="dense", rows="answer")
    raises(ns.Error, "top_k is of maps topk", m.record, CASES, out, maps="dense", top_k=4)
    raises(ns.Error, "pool_block is of pooled maps", m.record, CASES, out, maps="stats", pool_block=4)
    raises(ns.Error, "there is no set", m.patch, CASES, draws=4, output=out)
    assert not os.path.exists(out)


def test_files_say_who_made_them(m):
    path = os.path.join(work.name, "mine.h5")
    m.score(CASES, "retrieval_find", output=path)
    facts = json.loads(subprocess.run([tool, "verify", "--facts", path, "--json"], stdout=subprocess.PIPE, check=True).stdout)
    with h5py.File(path) as f:
        inside = {name: value.decode() if isinstance(value, bytes) else value for name, value in f["provenance"].attrs.items()}
        cases = f.attrs["cases_sha256"]
    assert inside["command_line"] == facts["command_line"] == sys.argv[0] and facts["hostname"] == socket.gethostname(), facts
    assert facts["created_utc"][:4] == time.strftime("%Y", time.gmtime()), facts
    assert facts["threads"] == str(m.threads) and facts["kernel_class"] == m.kernel_class, facts
    assert facts["cases_sha256"] == cases and len(facts["weights_sha256"]) == 64 and facts["model_family"] == m.family, facts
    for ending in (".png", ".pdf", ".svg"):
        ns.figure_heads(path, path + ending)
        drawn = json.loads(subprocess.run([tool, "verify", "--facts", path + ending, "--json"], stdout=subprocess.PIPE, check=True).stdout)
        assert drawn["command_line"] == sys.argv[0] and not {"hostname", "created_utc"} & set(drawn), drawn
        assert drawn["source_created_utc"] == facts["created_utc"], drawn
        assert drawn["weights_sha256"] == facts["weights_sha256"] and drawn["source_content_sha256"] == facts["content_sha256"], drawn


def even_induction(tokens, window):
    """What even attention has of the tokens after earlier copies: mean over the rows whose token has one."""
    rows = [[p for p in range(i) if tokens[p] == tokens[i]] for i in range(len(tokens))]
    return np.mean([sum(p + 1 > i - window for p in earlier) / min(i + 1, window) for i, earlier in enumerate(rows) if earlier])


def test_chance_is_written(m):
    """previous_token, induction: even attention, mean over rows, cases and heads; the lift 1; nothing where nothing is known."""
    cases, path = m.cases(CASES), os.path.join(work.name, "chance.h5")
    m.score(cases, ["previous_token", "retrieval_mass", "induction", "retrieval_find", "entropy"], output=path)
    with h5py.File(path) as f:
        windows = np.where(f["window"][()] > 0, f["window"][()], 10**9)
        assert len(np.unique(windows)) == 2
        uniform = np.mean([[np.mean(1 / np.minimum(np.arange(1, c.tokens.size) + 1, w)) for c in cases] for w in windows.ravel()])
        assert abs(f["previous_token"].attrs["chance"] - uniform) < 1e-12, (f["previous_token"].attrs["chance"], uniform)
        uniform = np.mean([[even_induction(c.tokens, w) for c in cases] for w in windows.ravel()])
        assert abs(f["induction"].attrs["chance"] - uniform) < 1e-12, (f["induction"].attrs["chance"], uniform)
        assert f["mass_lift"].attrs["chance"] == 1 and "chance" not in f["entropy"].attrs
        assert 0 <= f["retrieval_find"].attrs["chance"] < .5


def test_top(_):
    """The rule of best.h: what the scores say of themselves, zeros left out, ties and short lists said."""
    def told(values, **attrs):
        return xarray.DataArray(np.array(values, np.float32), dims=("layer", "head"), attrs=attrs, name="made")

    def warned(want, call, *args, **options):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            got = call(*args, **options)
        assert [str(w.message) for w in seen] == want, [str(w.message) for w in seen]
        return got

    values = [[.5, 0, np.nan], [.25, .25, .25]]
    assert warned([], ns.top, values, 1) == [(0, 0)]
    assert warned(["the 2nd place is shared by 3 heads"], ns.top, values, 2) == [(0, 0), (1, 0)]
    assert warned(["4 heads of 6: the others score nothing"], ns.top, values, 10) == [(0, 0), (1, 0), (1, 1), (1, 2)]
    ranks = told([[1, 9, np.nan], [3, 2, 7]], best="smallest", range=(1, np.inf))
    assert ns.top(ranks, 3) == [(0, 0), (1, 1), (1, 0)] and ns.top(ranks, 1, best="largest") == [(0, 1)]
    raises(ValueError, "describes", ns.top, told(values, best="none"), 2)
    raises(ValueError, "over (layer, head), not over", ns.top, xarray.DataArray(np.zeros((3, 2, 2)), dims=("case", "layer", "head")), 2)
    for shape in ((), (3,), (2, 2, 2), (1, 2, 2)):
        raises(ValueError, f"over (layer, head), not over {shape}", ns.top, np.ones(shape), 2)
    for best, infinite in (("largest", np.inf), ("largest", 1e39), ("smallest", -np.inf)):
        raises(ValueError, "head 1.0 is infinite", ns.top, np.array([[.5, .25], [infinite, np.nan]]), 1, best)


def test_definition(m):
    path = os.path.join(work.name, "own.json")
    own = dict(name="own", rows="answer", keys="needle", stat="mass")
    with open(path, "w") as f:
        json.dump(own, f)
    want = score_file("--probe-def", path, "--probe", "induction", "--resamples", "0")
    got = m.score(CASES, [own, "induction"])
    assert set(got.variables) == set(want) and all(equal(got[name].values, want[name]) for name in want)
    raises(ns.Error, "own", m.score, CASES, dict(own, stat="luck"))


def test_ablations_are_what_ablate_writes(m):
    out = os.path.join(work.name, "ablation.h5")
    for scope in ("prefill", "all", "decode"):
        edits = "zero_z,mean_z,uniform_attn" + (",knockout" if scope != "prefill" else "")
        call("ablate", MODEL, "--cases", CASES, "--heads", "3.1,4.6", "--mode", edits, "--scope", scope,
             "--draws", "1", "--loss-cases", "0", "-o", out)
        with h5py.File(out) as f:
            modes, kinds = ([x.decode() if isinstance(x, bytes) else x for x in f[name][:]] for name in ("mode", "kind"))
            first, content = f["first_right"][:], f["content_right"][:]
        for k, (mode, kind) in enumerate(zip(modes, kinds)):
            if kind == "target":
                with m.ablate(HEADS, mode=mode, scope=scope) as same:
                    got = same.score(CASES, ["retrieval_find"])
                assert got.first_right.values.tolist() == first[k].tolist(), (scope, mode)
                assert got.content_right.values.tolist() == content[k].tolist(), (scope, mode)
    untouched = m.score(CASES, ["retrieval_find"])
    assert untouched.content_right.values.min() == 3 and content[modes.index("knockout")].max() < 3


def test_ablation_is_a_hook(m):
    case = m.cases(CASES)[1]

    def silence(z, site):
        z[:, [h for layer, h in HEADS if layer == site.layer]] = 0
        return z

    with m.ablate(HEADS):
        want = m.run(case, at="blocks.*.attn.hook_z")
    with m.hook("blocks.*.attn.hook_z", edit=silence):
        got = m.run(case, at="blocks.*.attn.hook_z")
        assert m.generate(case, 3).tolist() != case.answer.tolist()
    plain = m.run(case, at="blocks.*.attn.hook_z")
    assert equal(want[0], got[0]) and all(equal(want[1][k], got[1][k]) for k in want[1]) and not equal(want[0], plain[0])


def test_mean_is_over_the_cases(m):
    some, point = m.cases(CASES)[:2], "blocks.3.attn.hook_z"
    z = lambda x: m.run(x, at=point)[1][point][:, 1]
    mean = np.concatenate([z(x) for x in some]).mean(0, dtype=np.float64).astype(np.float32)
    with m.ablate([(3, 1)], mode="mean_z", cases=some):
        got = z(m.cases(CASES)[3])
    close(got, np.broadcast_to(mean, got.shape), 1e-6)
    assert equal(got[0], got[-1])


def test_hooks_see_and_stay(m):
    case, seen = m.cases(CASES)[0], []
    with m.hook("blocks.4.attn.hook_pattern", read=lambda x, site: seen.append((x, site)), rows="answer"):
        logits, cache = m.run(case, at="blocks.4.attn.hook_pattern", rows="answer")
    rows = np.concatenate([site.rows for _, site in seen])
    assert rows.tolist() == cache.rows.tolist() and seen[0][1].case == case.id and seen[0][1].point == "blocks.4.attn.hook_pattern"
    x, site = seen[0]
    assert equal(x[:, 0], cache["blocks.4.attn.hook_pattern"][:, 0, site.keys]) and x.flags.owndata
    with m.hook("blocks.*.hook_resid_pre", edit=lambda x, site: x), m.hook("hook_logits", edit=lambda x, site: None):
        assert equal(m.run(case)[0], logits)
    assert equal(m.run(case)[0], logits), "a hook outlived its block"
    other = []
    with m.ablate(HEADS):
        thread = threading.Thread(target=lambda: other.append(m.run(case)[0]))
        thread.start()
        thread.join()
    assert equal(other[0], logits), "a hook is of the thread that set it"


def test_hooks_fail_cleanly(m):
    case = m.cases(CASES)[0]

    def broken(x, site):
        raise LookupError("mine")

    with m.hook("blocks.2.hook_resid_post", read=broken):
        raises(LookupError, "mine", m.run, case)
        raises(LookupError, "mine", m.score, CASES, "retrieval_find")
        raises(LookupError, "mine", m.generate, case, 2)
    with m.hook("hook_embed", edit=lambda x, site: x[:, :3]):
        raises(ValueError, "hook_embed: the edit returned shape", m.run, case)
    with m.hook("hook_embed", read=lambda x, site: m.run(case)):
        raises(RuntimeError, "may not start another pass", m.run, case)
    with m.hook("hook_embed", read=lambda x, site: m.close()):
        raises(RuntimeError, "it cannot be closed", m.run, case)
    cases = m.cases(CASES)
    for kept, of in ((cases, cases), (cases, cases[:2])):
        with m.hook("hook_embed", read=lambda x, site: kept.close()):
            raises(RuntimeError, "a pass over this Cases is running: it cannot be closed", m.score, of, "retrieval_find")
    other = ns.load(MODEL)
    with m.hook("hook_embed", read=lambda x, site: other.close()):
        raises(RuntimeError, "it cannot be closed", m.score, cases, "qk_distance", reference=other)
    other.close(), cases.close()
    with m.hook("hook_embed", edit=lambda x, site: x * np.nan):
        assert raises(ns.Error, "", m.run, case).code == "NS_E_NUMERIC"
    import signal
    with m.hook("hook_embed", read=lambda x, site: os.kill(os.getpid(), signal.SIGINT)):
        raises(KeyboardInterrupt, "", m.run, case)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    raises(ValueError, "exactly one of read and edit", m.hook, "hook_embed")
    raises(ns.Error, "hook_nothing", m.hook, "blocks.*.hook_nothing", read=print)
    m.run(case)


def test_rows_that_are_not_there(m):
    """Hooks whose rows nothing has are refused; where some have them, how many have not is told."""
    import warnings

    def told(function, *arguments, **named):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            function(*arguments, **named)
        return [str(x.message) for x in seen]

    cases, at, out = m.cases(CASES)[:3], "blocks.4.hook_resid_pre", os.path.join(work.name, "rows.h5")
    short, n = min(c.tokens.size + c.answer.size - 1 for c in cases), len(cases)
    long = max(c.tokens.size + c.answer.size - 1 for c in cases)
    own = [dict(id=f"own-{i}", tokens=c.tokens, answer=c.answer, spans={k: list(v) for k, v in c.spans.items() if i or k != "query"}) for i,
           c in enumerate(cases)]
    lacks = lambda some: f"{some} of {n} cases lack a row that a hook asks for"
    for rows, error in (("neddle", "no case has a span 'neddle' (did you mean 'needle'?)"), ([10**6], f"the longest has {long}"),
                        ([-10**6], f"the longest has {long}")):
        with m.hook(at, read=lambda *_: 1 / 0, rows=rows):
            for run in (lambda: m.run(cases[0]), lambda: m.generate(cases[0], 2), lambda: m.score(cases, "retrieval_find"),
                        lambda: m.score(cases, "retrieval_wu")):
                raises(ns.Error, f"hook '{at}': rows: no case has", run)
            raises(ns.Error, error, m.score, cases, "retrieval_find")
        raises(ns.Error, "rows: no case has", m.record, cases, out, at, rows=rows)
    with m.hook(at, read=lambda *_: None, rows="query"):
        raises(ns.Error, "no case has a span 'query'", m.run, [1, 2, 3])
        assert told(m.score, own, "retrieval_find") == [lacks(1) + ": it sees those that are there"]
        assert told(m.score, cases, "retrieval_find") == []
    with m.hook(at, read=lambda *_: None, rows=[0, long - 1]):
        ends_before = sum(c.tokens.size + c.answer.size - 1 < long for c in cases)
        notes = [lacks(ends_before) + ": it sees those that are there"] if short < long else []
        assert told(m.score, cases, "retrieval_find") == notes
        assert told(m.run, [1, 2, 3]) == ["the prompt lacks a row that a hook asks for: it sees those that are there"]
    assert told(m.record, own, out, at, maps="rows", rows="query")[0].startswith(lacks(1))
    assert told(m.record, cases, out, at, rows="query") == []
    assert told(m.record, cases, out, at, rows="distractor") == []          # mentions: the spans distractor.0, distractor.1 ...
    with m.hook(at, read=print):
        raises(RuntimeError, "untouched", m.patch, cases)
        raises(RuntimeError, "untouched", m.record, cases, out)
    # a score file says which model it is of: no edited one; a hook that reads leaves the model what it is
    never = os.path.join(work.name, "edited.h5")
    for edited in (m.ablate(HEADS), m.hook("blocks.0.attn.hook_z", edit=lambda z, _: z * 0)):
        with edited:
            raises(RuntimeError, "a score file is of the untouched model", m.score, cases, ["retrieval_find"], output=never)
            m.score(cases, "retrieval_find")
    assert not os.path.exists(never)
    with m.hook("blocks.0.attn.hook_z", read=lambda *_: None):
        m.score(cases, "retrieval_find", output=never)
    assert os.path.exists(never)
    # nor does it replace a finished file of another kind
    raises(ns.Error, "is a score file, and another kind of file would replace it", m.record, cases, never)
    m.score(cases, "retrieval_find", output=never)


def test_errors(m):
    e = raises(ns.Error, "absent", ns.load, os.path.join(work.name, "absent"))
    said = subprocess.run([tool, "inspect", os.path.join(work.name, "absent")], stderr=subprocess.PIPE, text=True).stderr
    assert str(e) in said and e.code == "NS_E_MISSING", (str(e), said)
    raises(ns.Error, "head 9.0: the model has layers 0 to 5", m.ablate, [(9, 0)])
    raises(ValueError, "mode 'silence' is none of noop, zero_z", m.ablate, HEADS, mode="silence")
    raises(ns.Error, "luck: no such probe or score", m.score, CASES, "luck")
    raises(ns.Error, "512", m.run, [1, 512])
    raises(ValueError, "return_type 'lozz' is none of logits, loss, both, None (did you mean loss?)", m, [1, 2], return_type="lozz")
    raises(TypeError, "None is no prompt: text, token ids, a Case, or a list of such", m, None)
    raises(TypeError, "{'tokens': [1]} is no prompt", m, {"tokens": [1]})
    raises(ValueError, "whole numbers", m.run, [1.5])
    raises(ValueError, "whole numbers", m.run, [1 << 40])
    raises(ValueError, "no token", m.run, [])
    raises(ValueError, "has no tokenizer:", m.encode, "text")
    raises(ns.Error, "absent.jsonl", m.cases, os.path.join(work.name, "absent.jsonl"))
    raises(ns.Error, "", m.cases, [dict(tokens=[1, 2], spans=dict(needle=[0, 9]))])
    with m.ablate(HEADS, mode="knockout"):
        raises(ValueError, "case 'prompt' has none", m.run, [1, 2, 3])
    gone = ns.load(MODEL)
    gone.close()
    gone.close()
    for function in (gone.points, lambda: gone.run([1, 2]), lambda: gone.ablate(HEADS), lambda: gone.score(CASES, "induction"),
                     lambda: gone.generate([1], 1)):
        raises(ValueError, "this Model is closed", function)
    other = os.path.join(work.name, "other.jsonl")
    with open(CASES) as a, open(other, "w") as b:
        b.write(a.read())
    raises(ValueError, other, ns.read_cases, [ns.read_cases(CASES)[0], ns.read_cases(other)[0]])
    raises(ValueError, "is there twice", m.score, [ns.read_cases(CASES)[0]] * 2, "retrieval_find")
    raises(ValueError, "head 3.1 is named twice", m.ablate, [(3, 1), (3, 1)])
    with ns.read_cases(CASES) as cases:
        one, some = cases[0], cases[:2]
    raises(ValueError, "this Cases is closed", m.run, one)
    raises(ValueError, "this Cases is closed", m.score, some, "retrieval_find")


def test_what_cannot_be_set(m):
    """How the library's memory is read is no one's to change; a with block is entered and left once."""
    case, other = m.cases(CASES)[0], ns.load(MODEL)
    for name in ("vocab", "n_layers", "n_heads", "d_model", "layer_kinds", "path"):
        raises(AttributeError, f"{name} of a Model", setattr, m, name, 1 << 30)
    for name in ("tokens", "answer", "lead", "id"):
        raises(AttributeError, f"{name} of a Case", setattr, case, name, None)
    for name in ("spans", "meta"):
        raises(AttributeError, "", setattr, case, name, None)
    raises(ValueError, "read-only", case.tokens.__setitem__, 0, 1)
    raises(ValueError, "read-only", case.answer.__setitem__, 0, 1)
    case.spans.clear(), case.meta.update(mine=1)
    assert case.spans["needle"] and "mine" not in case.meta
    hook, ablation = m.hook("hook_embed", read=lambda x, site: None), m.ablate(HEADS)
    raises(AttributeError, "heads of this ablation", setattr, ablation, "heads", None)
    raises(ValueError, "read-only", ablation.heads.__setitem__, (0, 0), 99)
    for what, twice in (("this hook", hook), ("this ablation", ablation)):
        raises(RuntimeError, f"{what} is not at work in this thread", twice.__exit__)
        with twice:
            raises(RuntimeError, f"{what} is at work already", twice.__enter__)
            thread = threading.Thread(target=lambda: said.append(raises(RuntimeError, "in another thread", twice.__exit__)))
            said = []
            thread.start(), thread.join()
            assert said
        with twice:                             # one after the other
            pass
        raises(RuntimeError, f"{what} is not at work", twice.__exit__)
    late = other.hook("hook_embed", read=lambda x, site: None)
    other.close()
    raises(ValueError, "this Model is closed", late.__enter__)
    raises(ValueError, "this Model is closed", other.__enter__)


def test_cases(m):
    cases = m.cases(CASES)
    with open(CASES) as f:
        lines = [json.loads(line) for line in f]
    assert [x.id for x in cases] == [x["id"] for x in lines] and cases[-1].meta == lines[-1]["meta"]
    assert all(x.tokens.tolist() == y["tokens"] and x.answer.tolist() == y["answer"] and x.spans == {k: tuple(v) for k,
                                                                                                     v in y["spans"].items()}
               for x, y in zip(cases, lines))
    want = m.score(CASES, ["retrieval_find"])
    for given in (cases, lines, list(cases), cases[::-1], [dict(x, tokens=np.array(x["tokens"])) for x in lines]):
        got = m.score(given, ["retrieval_find"])
        assert all(equal(got[name].values, want[name].values) for name in want.variables)
    assert m.score(cases[2:3], ["retrieval_find"]).case_id.values.tolist() == [lines[2]["id"]]


def test_generate(m):
    case = m.cases(CASES)[0]
    ids, said = case.tokens.tolist(), []
    for _ in range(6):
        said.append(int(m.run(ids + said)[0].argmax()))
    assert m.generate(case, 6).tolist() == m.generate(ids, 6).tolist() == said and said[:3] == case.answer.tolist()
    assert m.generate(case, 6, stop=[said[1]]).tolist() == said[:2]
    with m.ablate(HEADS, mode="knockout"):
        hidden = m.generate(case, 3).tolist()
    assert hidden != said[:3]


def test_the_same_bits(m):
    case = m.cases(CASES)[0]
    logits, cache = m.run(case, at=PATTERN)
    for options in (dict(threads=1), dict(cpu="scalar"), dict(memory=1 << 20)):
        with ns.load(MODEL, **options) as other:
            got = other.run(case, at=PATTERN)
            assert equal(got[0], logits) and all(equal(got[1][k], cache[k]) for k in cache), options


def test_threads_share_a_model(m):
    cases, faults = m.cases(CASES), []
    for model in (m, ns.load(MODEL, threads=2, memory=1 << 20)):
        want, done = [m.run(case)[0] for case in cases], []

        def work(first):
            for i in range(first, first + 12):
                if not equal(model.run(cases[i % len(cases)])[0], want[i % len(cases)]):
                    faults.append(i)
            done.append(first)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults and len(done) == 4, (faults, done)


def test_threads_are_those_allowed(m):
    """As the program finds them: the affinity mask, and Slurm's variables, which a job has."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert ns.load(MODEL).threads == 1
    finally:
        os.sched_setaffinity(0, before)
    os.environ["SLURM_CPUS_PER_TASK"] = "1"
    try:
        assert (ns.load(MODEL).threads, ns.load(MODEL, threads=3).threads) == (1, 3)
        assert json.loads(call("doctor", "--json"))["threads"] == 1
    finally:
        del os.environ["SLURM_CPUS_PER_TASK"]


def test_arch_from_a_file(m):
    path = os.path.join(work.name, "arch.json")
    call("inspect", MODEL, "--arch-out", path)
    with ns.load(MODEL, arch=path) as other:
        assert equal(other.run([1, 2, 3])[0], m.run([1, 2, 3])[0])


TOLD = """if True:
    import copy, json, pickle, sys, warnings
    if sys.argv[1] == "blocked":
        sys.modules["xarray"] = None
    sys.path.insert(0, sys.argv[2])
    import needlescope as ns, numpy as np
    model, cases, out = sys.argv[3:]
    def top(scores):
        try:
            return ns.top(scores, 4)
        except ValueError as e:
            return str(e)
    def told(x):
        return [x.name, list(x.dims), {k: str(v) for k, v in x.attrs.items() if k in ("best", "range", "chance", "long_name")},
                np.asarray(x).tolist(), top(x)]
    warnings.simplefilter("ignore")             # of lists that are short or cut through a tie
    rank = dict(name="my_rank", rows="first", keys="aligned:needle_answer", stat="rank")
    with ns.load(model) as m:
        some = m.score(cases, [rank, "entropy", "retrieval_find"], output=out)
        single = [m.score(cases, name) for name in ("retrieval_find", "entropy")]
    answers = [told(x) for x in single]
    for whole in (some, ns.read(out)):
        r, hits = whole["my_rank"], whole["find_hits"]
        parts = [r, r[:, :], r[0], r[1:, [0, 1]], whole["entropy"], whole["retrieval_find"], hits[0], hits[:, 0], hits[-1, 1:, [0, 2]]]
        parts += [pickle.loads(pickle.dumps(r)), copy.deepcopy(r)]
        answers.append([told(x) for x in parts] + [sorted(whole.attrs), np.asarray(2 * r - r).tolist(), float(np.max(r))])
    print(json.dumps(answers))
    kinds = [type(x).__name__ for x in (r, whole)]
    assert kinds == (["Array", "Arrays"] if sys.argv[1] == "blocked" else ["DataArray", "Dataset"]), kinds"""


def test_without_xarray(m):
    """Scores say of themselves what they say with it, and every list is the same."""
    def answers(xarray):
        done = subprocess.run([sys.executable, "-c", TOLD, xarray, os.path.join(root, "notebooks_export"), MODEL, CASES,
                               os.path.join(work.name, "told.h5")], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    without = answers("blocked")
    assert without == answers("there")
    (find, entropy), (rank, *_) = without[0:2], without[2]
    assert find[2]["best"] == "largest" and find[4] == [list(head) for head in HEADS] + find[4][2:]
    assert "describes heads" in entropy[4] and rank[2]["best"] == "smallest"
    values = np.array(rank[3])
    count(values.size)
    assert [values[tuple(head)] for head in rank[4]] == sorted(values[values > 0])[:4] and values.max() > sorted(values[values > 0])[3]


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "free", "n_free", "n_mapped", "mapped", "x", "y", "used", "unused", "top")]


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def on_the_heap():
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    now = mallinfo()
    return now.used + now.mapped


def one_life():
    m = ns.load(MODEL, threads=1)
    cases = m.cases(CASES)
    logits, cache = m.run(cases[0], at=["blocks.*.attn.hook_pattern"])
    with m.ablate(HEADS, mode="mean_z"), m.hook("hook_embed", edit=lambda x, site: x):
        m.score(cases, ["retrieval_find"], resamples=10)
    m.generate(cases[0], 2)
    try:
        m.run([1, 1 << 20])
    except ns.Error:
        pass


def test_memory_is_given_back(m):
    """A leak grows in every round; what caches and allocators keep does not. Models go with their last reference: the collector of cycles
    rests."""
    meters = dict(resident=(resident, 2 << 20), heap=(on_the_heap, 128 << 10))
    if not os.path.exists("/proc/self/statm") or not hasattr(ctypes.CDLL(None), "mallinfo2"):
        return print("  not glibc on Linux: not measured")
    told = {name: [] for name in meters}
    for _ in range(5):
        gc.collect()
        gc.disable()
        for _ in range(25):
            one_life()
        gc.enable()
        for name, (meter, _) in meters.items():
            told[name].append(meter())
    for name, (_, bound) in meters.items():
        grown = min(b - a for a, b in zip(told[name], told[name][1:]))
        print(f"  {name}: 25 more lives, {grown >> 10} KiB more at least")
        assert grown < bound, (name, told[name])


def main():
    call("lab", "plant", MODEL, "--window", "64")
    call("cases", "needle", "--model", MODEL, "--lengths", "64,200", "--depths", "0:1:3", "--count", "1", "--seed", "0", "-o", CASES)
    with ns.load(MODEL, threads=2) as m:
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name[5:].replace("_", " "), flush=True)
                test(m)


if __name__ == "__main__":
    main()
