"""view.py PROGRAM [PART...] - pages of `needlescope view` in a real Chromium: what they show is what h5py reads, to the bit; pointer,
keys and screen reader reach all of it; what a case says stays text; nothing is fetched; 2,048 tokens are painted and pointed at in
time."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import h5py
import matplotlib.image
import numpy as np

import chromium
import compare

program = os.path.abspath(sys.argv[1])
faults = []


def check(good, what):
    if not good:
        faults.append(what)
        print("FAILED:", what)


def run(*args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def same_bits(got, want, what):
    compare.same(np.asarray(got, np.float32).ravel().view(np.uint32), np.asarray(want, np.float32).ravel().view(np.uint32), what)


def floats(b, expression):
    """A typed array of the page, bit by bit."""
    return np.array(b.js(f"(async () => Array.from(new Uint32Array(Float32Array.from(await ({expression})).buffer)))()"),
                    np.uint32).view(np.float32)


def ready(b):
    b.until("headsView.maps.length > 0 && !document.getElementById('head-title').hidden")
    b.frames(3)


def head_place(b, layer, head):
    """Where a head is on the screen."""
    b.js("document.getElementById('heads').scrollIntoView({block: 'center'})")
    b.frames()
    return b.js(f"(() => {{ const p = layoutHeads(headsView.figure.w).panels[0], r = headsView.figure.canvas.getBoundingClientRect();"
                f" return [r.left + p.x + ({head} + .5) * p.w, r.top + p.y + ({layer} + .5) * p.h]; }})()")


text_of = "document.getElementById('%s').textContent"

# ---- what there is to look at ----
NASTY = ["</script><script>window.hacked=1</script>", "<img src=x onerror=window.hacked=1>", "\u2028\u2029", "<!--", "]]>", "'", "`",
         "\" onmouseover=window.hacked=1 x=\"", "&lt;b&gt;", "${window.hacked=1}", "\u202egnp.exe", "<svg onload=window.hacked=1>",
         "javascript:window.hacked=1", "\\u003c/script>", "{{constructor}}", "\U0001f600", "\n", "\t", "\x01"]


def make():
    run("lab", "plant", "-o", "m", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.3,3.0", "--vocab", 66, "--window", 16)
    run("cases", "needle", "--model", "m", "--lengths", "64,97", "--depths", "0,.6", "--count", 2, "-o", "c.jsonl")
    run("score", "m", "--cases", "c.jsonl", "--probe", "retrieval_find,previous_token,entropy", "-o", "s.h5")
    run("score", "m", "--cases", "c.jsonl", "--probe", "retrieval_find", "--constrain", "2=8", "-o", "narrow.h5")
    for maps in ("dense", "rows", "topk", "pooled"):
        rows = ["--rows", "answer"] if maps in ("rows", "topk") else []
        run("record", "m", "--cases", "c.jsonl", "--maps", maps, "-o", maps + ".h5", *rows)
    run("view", "s.h5", "narrow.h5", "dense.h5", "-o", "p.html")
    run("ablate", "m", "--cases", "c.jsonl", "--heads", "2.3", "--draws", 3, "-o", "a.h5")
    run("cases", "needle", "--model", "m", "--lengths", "64", "--depths", "0,.6", "--count", 2, "--twins", "swap", "-o", "twins.jsonl")
    run("patch", "m", "--cases", "twins.jsonl", "--heads", "2.3", "--draws", 3, "--resamples", 20, "-o", "patch.h5")
    run("attribute", "m", "--cases", "twins.jsonl", "--resamples", 20, "-o", "attributed.h5")
    os.makedirs("runs")
    for name, births in (("four", "10,30"), ("sixteen", "20,30")):
        run("lab", "plant", "--series", 5, "-o", f"runs/{name}", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.3,3.0",
            "--births", births, "--rise", 2, "--vocab", 66)
        pathlib.Path(f"runs/{name}/run.json").write_text(json.dumps({"schema": 1, "name": name + "<b>", "coords": {
            "window": 4 if name == "four" else 16, "seed": 0, "arm": "swa"}}), encoding="utf-8")
    run("scan", "runs/four", "runs/sixteen", "--cases", "c.jsonl", "--probe", "retrieval_find,previous_token", "-o", "scan")
    run("merge", "scan", "-o", "study.h5")
    run("lab", "plant", "-o", "big", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--retrieval", "2.3")
    run("cases", "needle", "--model", "big", "--lengths", 2048, "--depths", ".5", "--count", 1, "-o", "long.jsonl")
    run("record", "big", "--cases", "long.jsonl", "--at", "blocks.2.attn.hook_pattern", "--maps", "dense", "-o", "long.h5")
    nasty()


def nasty():
    """A tokenizer whose every text attacks, and a case that does."""
    os.makedirs("words")
    vocab = {chr(0x100 + i): i for i in range(66)}
    added = [{"id": 10 + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": False} for i, text in enumerate(NASTY)]
    tokenizer = {"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": None, "post_processor": None,
                 "decoder": None, "model": {"type": "WordLevel", "vocab": {k: v for k, v in vocab.items()}, "unk_token": chr(0x100)}}
    for one in added:
        tokenizer["model"]["vocab"] = {k: v for k, v in tokenizer["model"]["vocab"].items() if v != one["id"]} | {one["content"]: one["id"]}
    pathlib.Path("words/tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    ids = list(range(10, 10 + len(NASTY)))
    case = {"id": NASTY[0], "tokens": ids + ids, "answer": [10, 11], "spans": {"needle": [3, 5], NASTY[1]: [5, 7]}}
    pathlib.Path("nasty.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    run("record", "m", "--cases", "nasty.jsonl", "--maps", "dense", "--tokenizer", "words", "-o", "nasty.h5")


# ---- numbers ----

def scores(b):
    b.open("p.html")
    ready(b)
    with h5py.File("s.h5") as f:
        for name in ("retrieval_find", "previous_token", "entropy"):
            same_bits(floats(b, f"numbers(scoreOf(tree.files[0], '{name}').values)"), f[name][()], name)
        same_bits(floats(b, "numbers(tree.files[0].counts.find_hits[0])"), f["find_hits"][()], "find_hits")
        names = [n.decode() if isinstance(n, bytes) else n for n in f["score_name"][()]]
        low = f["score_low"][names.index("retrieval_find")]
        same_bits(floats(b, "numbers(scoreOf(tree.files[0], 'retrieval_find').low)"), low, "score_low")


def attention(b):
    run("view", "dense.h5", "rows.h5", "topk.h5", "pooled.h5", "-o", "maps.html", "--limit", "64M")
    said = pathlib.Path("maps.html").read_text(encoding="utf-8")
    check(said.count("tokens are shown by their ids") == 1, "what is so of four files is said once")
    b.open("maps.html")
    ready(b)
    with h5py.File("dense.h5") as dense, h5py.File("rows.h5") as rows, h5py.File("topk.h5") as topk, h5py.File("pooled.h5") as pooled:
        for case in (0, 5):
            for layer, head in ((2, 3), (0, 1), (3, 0)):
                group, of = f"case{case:04d}", f"{case}, {layer}, {head}"
                same_bits(floats(b, f"attention(0, {of}).then(a => a.cells)"), dense[f"{group}/attn"][layer, head], f"dense {of}")
                same_bits(floats(b, f"attention(1, {of}).then(a => a.row(1))"), rows[f"{group}/rows_attn"][layer, head, 1], f"rows {of}")
                same_bits(floats(b, f"attention(2, {of}).then(a => a.cells)"), topk[f"{group}/topk_value"][layer, head], f"topk {of}")
                keys = b.js(f"attention(2, {of}).then(a => Array.from(a.keys))")
                check(keys == topk[f"{group}/topk_index"][layer, head].ravel().tolist(), f"topk keys {of}")
                got, want = floats(b, f"attention(3, {of}).then(a => a.cells)"), pooled[f"{group}/pool_max"][layer, head].ravel()
                check(np.array_equal(got, want.astype(np.float32), equal_nan=True) and np.isfinite(got).any(), f"pooled {of}")
                row = b.js(f"attention(2, {of}).then(a => Array.from(a.row(0)))")
                cells, index = topk[f"{group}/topk_value"][layer, head, 0], topk[f"{group}/topk_index"][layer, head, 0]
                full = np.zeros(len(row), np.float32)
                full[index[index >= 0]] = cells[index >= 0]
                check(np.array_equal(np.float32(row), full), f"topk as a row {of}")
        answer = dense["case0000/attn"][2, 3, int(dense["case_tokens"][0]) - 1:].astype(np.float64)
        span = {(s.decode() if isinstance(s, bytes) else s): (int(a), int(z)) for s, a, z in zip(
            dense["case0000/span_name"][()], dense["case0000/span_begin"][()], dense["case0000/span_end"][()])}
    run("view", "dense.h5", "--case", "needle-s0-64-0-0", "--heads", "2.3", "-o", "one.html")
    b.open("one.html", "layer=2&head=3&view=rows")
    ready(b)
    b.until("document.querySelectorAll('#attention table tr').length > 1")
    shown = b.js("Array.from(document.querySelectorAll('#attention table tr')).slice(1).map(r => r.children[2].textContent)")
    begin, end = span["needle"]
    check([float(x) for x in shown] == [round(float(x), 3) for x in answer[:, begin:end].sum(1)], f"mass on the needle: {shown}")
    b.js("change({head: 2})")
    b.until(text_of % "attention" + ".includes('was left out')")


def generated(b):
    """What the model says is recorded as if it had been the answer of the case, to the bit, and the page says so."""
    run("record", "m", "--cases", "c.jsonl", "--maps", "rows", "--rows", "answer", "--generate", 6, "-o", "six.h5")
    run("record", "m", "--cases", "c.jsonl", "--maps", "rows", "--rows", "answer", "--generate", 5, "-o", "five.h5")
    lines = [json.loads(line) for line in pathlib.Path("c.jsonl").read_text(encoding="utf-8").splitlines()]
    with h5py.File("six.h5") as f:
        ids = [i.decode() if isinstance(i, bytes) else i for i in f["case_id"][()]]
        for line in lines:
            n = len(line["tokens"])
            for key in set(line) - {"id", "tokens"}:             # spans and hashes are of the prompt with its own answer
                del line[key]
            line["answer"] = f[f"case{ids.index(line['id']):04d}/token"][n:n + 5].tolist()
    pathlib.Path("said.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run("record", "m", "--cases", "said.jsonl", "--maps", "rows", "--rows", "answer", "-o", "forced.h5")
    run("record", "m", "--cases", "said.jsonl", "--at", "hook_logits", "--rows", "answer", "--dtype", "f32", "-o", "logits.h5")
    with h5py.File("five.h5") as one, h5py.File("forced.h5") as two, h5py.File("logits.h5") as logits:
        for case in range(len(lines)):
            likely = logits[f"case{case:04d}/hook_logits"][()].argmax(-1)
            compare.same(likely[:-1], logits[f"case{case:04d}/token"][-4:], "what is said is the most likely")
            same_bits(one[f"case{case:04d}/rows_attn"][()], two[f"case{case:04d}/rows_attn"][()], f"generated rows of case {case}")
    run("view", "five.h5", "-o", "five.html")
    b.open("five.html", "layer=2&head=3&view=rows")
    b.until(text_of % "attention" + ".includes('the model itself said')")
    check(b.js("document.querySelectorAll('#attention table tr').length") == 6, "a row for each generated token")


# ---- the hand ----

def hands(b):
    b.open("p.html")
    ready(b)
    check(b.js(text_of % "head-title") == "Head", "no head is chosen at first")
    b.move(*head_place(b, 2, 3))
    b.until("!document.getElementById('tip').hidden")
    said = b.js(text_of % "tip")
    check("layer 2, head 3" in said and "retrieval_find: 1" in said and "hits in 8 of 8 cases" in said and "[" in said, f"the tip: {said}")
    b.move(*head_place(b, 0, 1))
    b.frames()
    check("full" in said and "sliding" in b.js(text_of % "tip"), "the kind of a layer")
    b.click(*head_place(b, 2, 3))
    b.until(text_of % "head-title" + " === 'Layer 2, head 3'")
    b.until("!!tokenView.attention && document.querySelectorAll('.tokens .t').length === tokenView.attention.n")
    with h5py.File("dense.h5") as f:
        attn, says = f["case0000/attn"][2, 3].astype(np.float64), int(f["case_tokens"][0])      # its neighbours look elsewhere
    b.move(*b.place(f".tokens .t[data-i='{says}']"))
    b.until(f"tokenView.marked === {says}")
    shades = np.floor(64 * attn[says] / attn[says].max() + .5)
    compare.same(b.js("Array.from(tokenView.shade)"), shades, "the keys that light up")
    lit = int(shades.argmax())
    check("rgba" in b.js(f"tokenView.spans[{lit}].style.backgroundColor"), "the key is coloured")
    b.click(*b.place(".tokens .t[data-i='41']"))
    check(b.js("state.query") == 41, "a click keeps the query")
    b.js("document.querySelector('.tokens').focus()")
    b.press("ArrowRight")
    b.until("state.query === 42 && " + text_of % "live" + ".startsWith('query 42')")
    b.move(2, 2)
    b.js("change({by: 'queries', query: 3})")
    b.until("tokenView.marked === 3 && state.by === 'queries'")
    compare.same(b.js("Array.from(tokenView.wanted)"), np.floor(64 * attn[:, 3] / attn[:, 3].max() + .5), "queries of a key")
    b.js("change({view: 'map'})")
    b.until("mapView.figure && mapView.figure.h > 100")
    x, y = b.place("#attention canvas")
    b.move(x - 60, y + 40)
    b.until("!document.getElementById('tip').hidden && " + text_of % "tip" + ".includes('weight')")
    before = b.js("mapView.window.x1 - mapView.window.x0")
    b.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    b.until(f"mapView.window.x1 - mapView.window.x0 < {before}")
    b.press("0")
    b.js("document.querySelector('#attention canvas').focus()")
    b.press("0")
    b.until(f"mapView.window.x1 - mapView.window.x0 === {before}")
    difference(b)


def difference(b):
    b.js("change({other: 1, score: 'retrieval_find'})")
    b.until("headsView.maps.length === 3")
    check("first − second" in b.js("headsView.maps[2].title"), "a difference says of what")
    with h5py.File("s.h5") as one, h5py.File("narrow.h5") as two:
        same_bits(floats(b, "headsView.maps[2].values"), one["retrieval_find"][()] - two["retrieval_find"][()], "the difference")
    check(b.js("headsView.maps[2].range.ramp") == "diverging", "a difference has the diverging map")
    colours = b.js("(() => { const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true}), map = {"
                   " ...headsView.maps[0], values: new Float32Array(16), marks: [] }; drawPanel(new CanvasPen(c), {map, x: 40.3, y: 30.3,"
                   " w: 7.3, h: 9.7}); const d = c.getImageData(42, 32, 18, 34).data;"
                   " return Array.from({length: d.length / 4}, (_, i) => Array.from(d.slice(4 * i, 4 * i + 4))); })()")
    spread = np.ptp(np.array(colours), axis=0).max()
    check(spread <= 4, f"cells whose edges lie between two dots have seams: dots of one value differ by {spread} of 255")


def study(b):
    run("view", "study.h5", "-o", "study.html")
    b.open("study.html")
    ready(b)
    b.until("!document.getElementById('study-panel').hidden && studyView.figures.length >= 3 && studyView.laziness.h > 50")
    with h5py.File("study.h5") as f:
        values, steps = f["retrieval_find"][()], f["step"][()].tolist()
        same_bits(floats(b, "numbers(scoreOf(tree.files[0], 'retrieval_find').values)"), values, "the study")
        b.js("document.getElementById('study-controls').scrollIntoView()")
        b.js("document.querySelector('#study-controls input[type=range]').focus()")
        last = b.js("state.step")
        b.press("ArrowLeft")
        b.until(f"state.step === {last - 1} && headsView.maps[0].step === {last - 1}")
        same_bits(floats(b, "headsView.maps[0].values"), values[b.js("state.run"), last - 1], "the heads at the slider's step")
    shown = b.js("Array.from(document.querySelectorAll('#study table tr')).slice(1)"
                 ".map(r => [r.children[0].textContent, r.children[4].textContent])")
    check(len(steps) == 5 and shown == [["swa W=4", "(0, 10]"], ["swa W=16", "(10, 20]"]], f"births by window: {shown}")
    x, y = b.place("#study canvas")
    at = b.js("(() => { const r = studyView.laziness.canvas.getBoundingClientRect(), p = studyView.panels[0];"
              " return [r.left + stepX(studyView.file, studyView.laziness.w, 4) + 4, r.top + p.top + 3]; })()")
    b.click(*at)
    b.until("state.step === 4 && state.layer >= 0")
    check((b.js("state.layer"), b.js("state.head")) in ((2, 3), (3, 0)), "a click on the laziness figure opens the best head at that step")
    weights(b)


def weights(b):
    """A recording of one checkpoint of a study is of those weights at that step, and at no other; two files of one name are told apart."""
    run("record", "runs/sixteen/step000020", "--cases", "c.jsonl", "--maps", "rows", "--rows", "answer", "-o", "twenty.h5")
    shutil.copy("s.h5", "runs/s.h5")
    run("view", "study.h5", "twenty.h5", "s.h5", "runs/s.h5", "-o", "weights.html")
    b.open("weights.html", "run=1&step=2&layer=2&head=3")
    b.until("!!document.getElementById('other-weights') && document.getElementById('other-weights').hidden")
    compare.same(b.js("tree.files.map(f => f.name)"), ["study.h5", "twenty.h5", "s.h5", "runs/s.h5"], "names of files")
    b.js("change({step: 1})")
    b.until("document.getElementById('other-weights').textContent.includes('other weights')")


def interventions(b):
    """Ablation, patching, attribution: layers as the file has them, the set outlined and told, its dots where the numbers are."""
    run("view", "a.h5", "patch.h5", "attributed.h5", "-o", "i.html")
    b.open("i.html")
    ready(b)
    b.until("!document.getElementById('conditions-panel').hidden && conditionsView.figure && conditionsView.figure.h > 50")
    check(b.js("headsView.maps[0].kinds.join()") == "swa,swa,full,full" and b.js("kindShort(headsView.maps[0], 0)") == "SWA 16",
          "the layers of an ablation")
    check(b.js("headsView.maps[0].marks.join()") == "2,3", "the set is not outlined")
    with h5py.File("a.h5") as f:
        same_bits(floats(b, "numbers(tree.files[0].scores[0].values)"), f["z_norm"][()], "norms")
        first, kinds, modes = f["first_accuracy"][()], f["kind"].asstr()[()], f["mode"].asstr()[()]
    at = next(i for i in range(len(kinds)) if kinds[i] == "target" and modes[i] == "zero_z")
    b.js("document.querySelector('#conditions canvas').scrollIntoView({block: 'center'})")
    b.frames()
    place = b.js(f"(() => {{ const m = conditionsView.measures[0], r = conditionsView.figure.canvas.getBoundingClientRect();"
                 f" return [r.left + m.x({first[at]}), r.top + m.top + D_ROW * (m.rows.findIndex(o => o.mode === 'zero_z') + .5)]; }})()")
    b.move(*place)
    b.until("!document.getElementById('tip').hidden")
    said = b.js(text_of % "tip")
    check("target, zero_z" in said and "2.3" in said and f"first token right: {first[at]:g}" in said, f"the tip of a condition: {said}")
    b.click(*place)
    b.until("state.layer === 2 && state.head === 3")
    b.js("change({file: 1, score: 'recovery'})")
    b.until("tree.files[1].kind === 'patching' && headsView.maps[0].said === 'recovery'")
    with h5py.File("patch.h5") as f:
        same_bits(floats(b, "headsView.maps[0].values"), f["recovery"][()], "recovery")
    b.js("change({file: 2})")
    b.until("headsView.maps[0].said === 'attribution' && document.getElementById('conditions-panel').hidden")
    b.until(text_of % "head-facts" + ".includes('case_attribution of 4 cases')")
    with h5py.File("attributed.h5") as f:
        same_bits(floats(b, "headsView.maps[0].values"), f["attribution"][()], "attribution")


def without_score(b):
    """Pooled maps give no score over heads: heads can be chosen all the same."""
    run("view", "pooled.h5", "-o", "pooled.html")
    b.open("pooled.html")
    ready(b)
    check(b.js("isNaN(headsView.maps[0].values[0]) && document.getElementById('best-title').hidden"), "there is a score")
    b.click(*head_place(b, 2, 3))
    b.until(text_of % "head-title" + " === 'Layer 2, head 3'")
    b.until("document.querySelectorAll('.tokens .t').length > 60")
    check(b.js("state.query") >= 0, "no query is shown at first")
    check(b.js("document.querySelectorAll('.chips span').length") > 0, "its keys are not told")
    check(b.js("tokenView.spans.every(s => s.getClientRects().length === 1)"), "an id is broken over two lines")


NUMBERS = """(() => {
  const pen = new SvgPen(), found = [];
  pen.text = (text, x, y, how) => {
    if (how.align === "center" && how.size === 10 && !how.turn) found.push([text, x, y, pen.width(text, 10)]);
  };
  drawHeads(pen, headsView.figure.w);
  const p = layoutHeads(headsView.figure.w).panels[0];
  return [found.filter(f => f[2] < p.y + p.h * p.map.layers), p.w];
})()"""


def numbers_in_cells(b):
    """A number stands within its cell, whatever it is: weights of 1e-7, scores of hundreds, signs."""
    for change, printed in (("v => v", True), ("v => v * 1e-5", True), ("v => -v", True), ("v => 1000 * v", True),
                            ("v => 1e9 * v + 1e9", False)):
        run("view", "dense.h5", "-o", "dense.html")
        b.open("dense.html")
        ready(b)
        b.js(f"(() => {{ const map = headsView.maps[0]; map.values = Float32Array.from(map.values, {change}); }})()")
        found, width = b.js(NUMBERS)
        check(len(found) == 16 * printed, f"{change}: {len(found)} numbers")
        check(all(text_width < width for _, _, _, text_width in found), f"{change}: wider than {width}: {found}")


def saved(b):
    """Each PNG and SVG button gives a file; the SVG, drawn by the browser, is the PNG."""
    os.makedirs("saved", exist_ok=True)
    run("view", "s.h5", "study.h5", "a.h5", "dense.h5", "-o", "all.html")
    b.downloads("saved")
    for address, inside in (("layer=2&head=3&view=tokens", "#heads-panel"), ("layer=2&head=3&view=tokens", "#attention"),
                            ("layer=2&head=3&view=map", "#attention"), ("layer=2&head=3&view=rows", "#attention"),
                            ("file=1", "#study"), ("file=2", "#conditions")):
        b.size(1100, 1000)
        b.open("all.html", address)
        ready(b)
        b.until(f"document.querySelectorAll('{inside} .save button').length >= 2")
        b.frames(6)
        n = b.js(f"document.querySelectorAll('{inside} .save button').length")
        check(n == (6 if inside == "#study" else 2), f"{inside}: {n} buttons")
        for k in range(n):
            b.js(f"document.querySelectorAll('{inside} .save button')[{k}].click()")
            landed(b, k)
        for k in range(0, n, 2):
            same_picture(b, f"{k}.png", f"{k + 1}.svg", f"{address} {inside} {k // 2}")
    b.size(1200, 900)


def landed(b, k):
    """What the k-th button saved, once it is whole, as k.png or k.svg."""
    end = {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>\n"}
    for _ in range(500):
        for path in map(pathlib.Path, os.listdir("saved")):
            path = "saved" / path
            if path.suffix in end and path.read_bytes().endswith(end[path.suffix]):
                path.rename(f"{k}{path.suffix}")
                return
        b.js("new Promise(done => setTimeout(done, 20))")
    raise SystemExit(f"nothing was saved: {os.listdir('saved')}")


def same_picture(b, png, svg, what):
    pixels = matplotlib.image.imread(png)[..., :3]
    height, width = (round(n / 3) for n in pixels.shape[:2])
    b.size(width, height, 3)
    b.open(svg)
    check(b.js("document.documentElement.tagName === 'svg' && !document.querySelector('parsererror, script')"), f"{what}: no SVG")
    b.frames(2)
    b.photo("seen.png")
    seen = matplotlib.image.imread("seen.png")[:pixels.shape[0], :pixels.shape[1], :3]
    pixels = pixels[:seen.shape[0], :seen.shape[1]]
    blocks = [p[:len(p) // 9 * 9, :p.shape[1] // 9 * 9].reshape(len(p) // 9, 9, -1, 9, 3).mean((1, 3)) for p in (seen, pixels)]
    other = (np.abs(blocks[0] - blocks[1]).max(-1) > .25).mean()          # letters may stand a dot lower
    check(np.unique(pixels.reshape(-1, 3), axis=0).shape[0] > 10, f"{what}: an empty figure")
    check(other < .0004, f"{what}: {100 * other:.2f} % of the SVG is not the PNG")
    print(f"  {what}: {width} x {height}, {100 * other:.3f} % of it differ between PNG and SVG")


def in_notebook(b):
    """The output of a notebook's cell, in a page as sites and nbconvert show it: a document of its own, which works, and nothing around it
    is changed."""
    said = run("export", "notebook", "s.h5", "--view", "--beside", "dense.h5", "--limit", "4M", "-o", "s.ipynb", "--json")
    cells = json.loads(pathlib.Path("s.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = "".join(next(c for c in cells if c["id"] == "page")["outputs"][0]["data"]["text/html"])
    pathlib.Path("around.html").write_text("<!DOCTYPE html><meta charset=utf-8><style>h1 { color: rgb(1, 2, 3); }</style><h1>Around</h1>"
                                           + shown, encoding="utf-8")
    b.open("around.html")
    check(b.js("document.querySelector('iframe').contentDocument") is None, "the frame's document can be had from outside")
    with b.inside():
        b.until("!!document.querySelector('#best button')")
        check(b.js("document.querySelector('#best button').textContent") == "2.3", "the best head of the page in the notebook")
        px, py = b.js("(r => [r.left + r.width / 2, r.top + r.height / 2])(document.querySelector('#best button').getBoundingClientRect())")
    x, y, w, h = b.js("(r => [r.left, r.top, r.width, r.height])(document.querySelector('iframe').getBoundingClientRect())")
    check(px < w and py < h, "the frame is too small for the best heads")
    for _ in range(20):                 # a frame in a process of its own hears no click before it was painted once, which nothing tells
        b.click(x + px, y + py)
        with b.inside():
            if b.soon("document.querySelectorAll('.tokens .t').length > 30", 3):
                break
    with b.inside():
        b.until("document.querySelectorAll('.tokens .t').length > 30", 1)
        check(b.js("(() => { try { return parent.document.title; } catch (e) { return e.name; } })()") == "SecurityError",
              "the page reaches out of its frame")
    size = b.js("new Blob([document.querySelector('iframe').srcdoc]).size")
    check(json.loads(said)["page_bytes"] == size, f"the size that was said: {said}, {size}")
    check(b.js("[document.querySelectorAll('h1').length, getComputedStyle(document.querySelector('h1')).color, location.hash].join()")
          == "1,rgb(1, 2, 3),", "the page around the frame is changed")


# ---- what a case says stays text ----

def hostile(b):
    run("view", "nasty.h5", "study.h5", "-o", "nasty.html")
    b.open("nasty.html", "file=0&layer=2&head=3&view=tokens&score=%3Cimg%20src=x%20onerror=window.hacked=1%3E")
    ready(b)
    b.until("document.querySelectorAll('.tokens .t').length === 39")
    seen = b.js("Array.from(document.querySelectorAll('.tokens .t'), t => t.textContent)")
    got = [seen[i].strip() for i in (0, 1, 7, 11, 15)]
    check(got == [NASTY[i] for i in (0, 1, 7, 11, 15)], f"texts are not shown as they are: {got}")
    got = [seen[i].strip() for i in (2, 10)]
    check(got == ["‹2028›‹2029›", "‹202E›gnp.exe"], f"what has no ink, or turns a text round, is not shown by its code: {got}")
    for view in ("map", "rows", "tokens"):
        b.js(f"change({{view: '{view}'}})")
        b.frames(4)
    b.move(*head_place(b, 2, 3))
    b.js("change({file: 1})")
    b.frames(4)
    check(b.js("document.querySelectorAll('img, svg, iframe, object, embed, link, base').length") == 0, "a text has become an element")
    check(b.js("document.querySelectorAll('script:not([type])').length") == 1, "there is more than one script")
    # even who gets an element in cannot run it
    b.js("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))")
    b.js("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,x\" onerror=\"window.hacked = 1\">')")
    b.js("new Promise(done => setTimeout(done, 200))")
    check(b.js("typeof window.hacked") == "undefined", "a script has run")
    check(any("Content Security Policy" in s for s in b.said), "the policy has said nothing")
    check(b.js("new Set(SPANS).size === SPANS.length && SPANS.length > 6 && SPANS.every((c, i) => {"
               " const e = document.createElement('span');"
               " e.className = 's' + i; document.querySelector('.tokens').append(e);"
               " const probe = document.createElement('i'); probe.style.color = c;"
               " document.body.append(probe); const same = getComputedStyle(e).borderBottomColor"
               " === getComputedStyle(probe).color; e.remove(); probe.remove(); return same; })"), "a kind of span has a colour of its own")
    svg = b.js("(() => { const pen = new SvgPen(); pen.text('</text><script>x</script>', 0, 0, {colour: 'red'});"
               " return new DOMParser().parseFromString(pen.whole(9, 9, '#fff', '<b>\\u0001'), 'image/svg+xml')"
               ".querySelectorAll('parsererror, script, b').length; })()")
    check(svg == 0, "an SVG is not well formed, or runs")


# ---- who does not see, and who does not point ----

def reached(b):
    b.open("p.html", "file=0&layer=2&head=3")
    ready(b)
    b.until("document.querySelectorAll('.tokens .t').length > 0")
    nodes = b.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "application", "slider", "region", "link", "Canvas", "image"}
    seen = [n for n in nodes if not n.get("ignored") and n["role"]["value"] in roles]
    bare = [n["role"]["value"] for n in seen if not n.get("name", {}).get("value")]
    check(len(seen) > 15, "hardly anything can be reached")
    check(not bare, f"without a name: {bare}")
    check(sum(n["role"]["value"] == "heading" for n in nodes) >= 4, "headings")
    b.js("document.body.focus()")
    visited = []
    for _ in range(60):
        b.press("Tab")
        visited.append(b.js("(e => e.closest('section') ? e.closest('section').id : e.tagName)(document.activeElement)"))
    order = [s for i, s in enumerate(visited) if i == 0 or s != visited[i - 1]]
    check(order.index("heads-panel") < order.index("head-panel"), f"the order of the focus: {order}")
    b.js("headsView.figure.canvas.focus()")
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight"):
        b.press(key)
    b.until("document.getElementById('live').textContent.includes('layer')")
    b.press("Enter")
    check(b.js("[state.layer, state.head].join()") == b.js("headsView.cursor.join()"), "Enter opens the head under the cursor")
    colours = []
    for scheme in ("light", "dark"):
        b.scheme(scheme)
        b.frames(3)
        colours.append(b.js("getComputedStyle(document.body).backgroundColor"))
    check(colours[0] != colours[1], f"the scheme changes nothing: {colours}")
    b.scheme("light")


def tab_to(b, what, is_there):
    """By Tab alone, from wherever the focus is; is_there: of the focused element e."""
    for _ in range(150):
        if b.js(f"(e => {is_there})(document.activeElement)"):
            return
        b.press("Tab")
    check(False, f"Tab does not come to {what}")


def keyboard(b):
    """A score, a head and a token are chosen without a pointer, and without a script that sets the focus."""
    b.open("p.html", "file=0&layer=0&head=0")
    ready(b)
    check(b.js("state.score") == "retrieval_find", "the first score")
    tab_to(b, "the scores", "e.matches('select') && Array.from(e.options).some(o => o.value === 'previous_token')")
    b.press("p")                                                # as in every list of choices: the first that begins so
    b.until("state.score === 'previous_token'", 10)
    tab_to(b, "the map of heads", "e.matches('#heads canvas')")
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        b.press(key)
    place = b.js("headsView.cursor.join()")
    b.press("Enter")
    check(place == "2,3" and b.js("[state.layer, state.head].join()") == place, f"the arrows and Enter choose the head {place}")
    b.until("document.querySelectorAll('.tokens .t').length > 0")
    tab_to(b, "the tokens", "e.matches('.tokens')")
    query = b.js("state.query")
    for key, step in (("ArrowLeft", -1), ("ArrowLeft", -1), ("ArrowRight", 1)):
        b.press(key)
        query += step
        b.until(f"state.query === {query}", 10)
    check(b.js("tokenView.marked") == query, "the arrows move the query")
    check(b.js("document.activeElement.matches('.tokens')"), "choosing a token takes the focus away")
    b.until(text_of % "live" + f".startsWith('query {query},')", 10)            # for who does not see it


# ---- time ----

def in_time(b):
    run("view", "long.h5", "-o", "long.html")
    paints = []
    for _ in range(5):
        b.open("long.html", "layer=2&head=3")
        b.until("headsView.maps.length > 0 && !!tokenView.attention", 60)
        b.frames(2)
        paints.append(b.js("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    b.js("window.took = []; tokenView.box.addEventListener('pointerover', e => { const t = e.timeStamp;"
         " requestAnimationFrame(() => setTimeout(() => took.push(performance.now() - t))); }, true)")
    x, y, w, h = b.js("(r => [r.left, r.top, r.width, r.height])(tokenView.box.getBoundingClientRect())")
    for k in range(60):
        b.move(x + 80 + k * 37 % (w - 160), y + 20 + k * 23 % (h - 40))
        b.frames(1)
    took = b.js("took")
    print(f"2,048 tokens: first paint {min(paints):.0f} ms at best of 5, {max(paints):.0f} at worst; pointing at a token "
          f"{statistics.median(took):.1f} ms in the median of {len(took)}")
    check(min(paints) < 1000, f"first paint: {paints}")
    check(len(took) >= 30 and statistics.median(took) < 50, f"pointing: {took}")


def main():
    if not chromium.find():
        compare.skip("Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make()
        with chromium.Browser() as b:
            parts = (scores, attention, generated, hands, study, interventions, without_score, numbers_in_cells, saved, in_notebook,
                     hostile, reached, keyboard, in_time)
            for part in (p for p in parts if p.__name__ in (sys.argv[2:] or [p.__name__])):
                part(b)
                outside = [u for u in b.requested if not u.startswith(("file://", "data:", "blob:", "about:"))]
                check(not outside, f"{part.__name__}: the page asks for {outside}")
                if part is not hostile:
                    check(not b.said, f"{part.__name__}: the page says {b.said}")
                print(part.__name__, "done", flush=True)
        os.chdir("/")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
